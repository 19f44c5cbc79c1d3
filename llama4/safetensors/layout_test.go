package safetensors_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/safetensors"
)

// A file that is filled by its layout is the file that Write makes.
func TestLayout(t *testing.T) {
	tensors := []safetensors.Tensor{
		{Name: "c", DType: safetensors.U8, Shape: []int64{3}, Data: []byte{1, 2, 3}},
		{Name: "b", DType: safetensors.BF16, Shape: []int64{1, 2}, Data: []byte{4, 5, 6, 7}},
		{Name: "a", DType: safetensors.I64, Shape: nil, Data: []byte{8, 9, 10, 11, 12, 13, 14, 15}},
		{Name: "none", DType: safetensors.F32, Shape: []int64{0}, Data: []byte{}},
	}
	meta := map[string]string{"format": "pt"}
	var want bytes.Buffer
	require.NoError(t, safetensors.Write(&want, tensors, meta))

	headers := append([]safetensors.Tensor{}, tensors...)
	for i := range headers {
		headers[i].Data = nil
	}
	l, err := safetensors.NewLayout(headers, meta)
	require.NoError(t, err)
	require.Equal(t, int64(want.Len()), l.Size)
	file := make([]byte, l.Size)
	copy(file, l.Head)
	for _, x := range tensors {
		require.Zero(t, l.Offsets[x.Name]%int64(x.DType.Bits()/8), x.Name)
		copy(file[l.Offsets[x.Name]:], x.Data)
	}
	require.Equal(t, want.Bytes(), file)

	_, err = safetensors.NewLayout([]safetensors.Tensor{{Name: "a", DType: safetensors.U8}, {Name: "a", DType: safetensors.U8}}, nil)
	require.ErrorContains(t, err, "given twice")
	huge := []int64{math.MaxInt64 / 16}
	_, err = safetensors.NewLayout([]safetensors.Tensor{
		{Name: "a", DType: safetensors.I64, Shape: huge}, {Name: "b", DType: safetensors.I64, Shape: huge},
		{Name: "c", DType: safetensors.I64, Shape: huge},
	}, nil)
	require.ErrorContains(t, err, "overflows")
}
