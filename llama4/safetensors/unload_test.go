package safetensors

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What was unloaded reads as before, whatever it is.
func TestUnload(t *testing.T) {
	dir := t.TempDir()
	data := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	f, err := os.Create(filepath.Join(dir, SingleFile))
	require.NoError(t, err)
	a := Tensor{Name: "a", DType: U8, Shape: []int64{int64(len(data))}, Data: data}
	b := Tensor{Name: "b", DType: U8, Shape: []int64{3}, Data: []byte("end")}
	require.NoError(t, Write(f, []Tensor{a, b}, nil))
	require.NoError(t, f.Close())
	c, err := OpenDir(dir)
	require.NoError(t, err)
	mapped, _ := c.Lookup("a")
	last, _ := c.Lookup("b")
	elsewhere := bytes.Clone(data)
	for _, part := range [][]byte{mapped.Data, mapped.Data[5000:20000], mapped.Data[:1], last.Data, elsewhere, nil} {
		c.Unload(part)
		require.Equal(t, data, mapped.Data)
		require.Equal(t, "end", string(last.Data))
		require.Equal(t, data, elsewhere)
	}
	require.NoError(t, c.Close())
}
