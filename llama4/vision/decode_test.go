package vision

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// golden is what the reference reads from a picture.
type golden struct {
	Width, Height int
	SHA256        string
}

const decodeFolder = "testdata/decode"

func decodeGoldens(t testing.TB) map[string]golden {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(decodeFolder, "pictures.json"))
	require.NoError(t, err)
	var goldens map[string]golden
	require.NoError(t, json.Unmarshal(text, &goldens))
	return goldens
}

// encoded returns a file of the decoding goldens.
func encoded(t testing.TB, name string) []byte {
	t.Helper()
	data, err := ReadFile(filepath.Join(decodeFolder, name))
	require.NoError(t, err)
	return data
}

func TestDecodeEqualsReference(t *testing.T) {
	for name, want := range decodeGoldens(t) {
		t.Run(name, func(t *testing.T) {
			p, err := Decode(encoded(t, name))
			require.NoError(t, err)
			sum := sha256.Sum256(p.Pix)
			require.Equal(t, want, golden{p.Width, p.Height, hex.EncodeToString(sum[:])})
		})
	}
}
