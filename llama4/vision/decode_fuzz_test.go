package vision

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzDecode(f *testing.F) {
	for name := range decodeGoldens(f) {
		data, err := ReadFile(filepath.Join(decodeFolder, name))
		require.NoError(f, err)
		f.Add(data)
	}
	// Files may declare a large picture by right, which would only slow the search.
	small := func(width, height int) error {
		if err := checkSize(width, height); err != nil {
			return err
		}
		if width*height > 1<<18 {
			return errors.New("too large to try")
		}
		return nil
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decode(data, small)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.NoError(t, small(p.Width, p.Height))
		require.Len(t, p.Pix, 3*p.Width*p.Height)
	})
}
