package vision

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzDecode(f *testing.F) {
	for name := range decodeGoldens(f) {
		f.Add(encoded(f, name))
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
