package safetensors_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/llama4go/llama4go/llama4/safetensors"
)

// FuzzHeader reads arbitrary bytes. What is accepted must be JSON, cover the data
// exactly, and come back from Write unchanged.
func FuzzHeader(f *testing.F) {
	for _, path := range []string{"testdata/all.safetensors", "testdata/odd.safetensors"} {
		raw, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Add(build(f, `{}`, 0))
	f.Add(build(f, `{"a":{"dtype":"F32","shape":[0,9],"data_offsets":[0,0],"more":[{}]}}`, 0))
	f.Add(build(f, `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}`, 4))
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := safetensors.Parse("fuzz", raw)
		if err != nil {
			return
		}
		var total int64
		tensors := tensorsOf(t, file)
		for _, tensor := range tensors {
			require.Len(t, tensor.Data, int(tensor.Bytes()))
			require.Len(t, tensor.Float32s(nil), int(tensor.Elements()))
			total += tensor.Bytes()
		}
		head := raw[8 : int64(len(raw))-total]
		require.True(t, json.Valid(head))
		for _, tensor := range tensors {
			if tensor.Name == "" {
				return // the format allows what Write does not
			}
		}
		var out bytes.Buffer
		require.NoError(t, safetensors.Write(&out, tensors, file.Metadata()))
		again, err := safetensors.Parse("fuzz", out.Bytes())
		require.NoError(t, err)
		require.Equal(t, tensors, tensorsOf(t, again))
	})
}

// TestRoundTrip writes arbitrary tensors and reads them back; each starts at a
// multiple of its element size.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tensors []safetensors.Tensor
		for i := range rapid.IntRange(0, 6).Draw(t, "count") {
			tensor := safetensors.Tensor{
				Name:  fmt.Sprintf("%d%s", i, rapid.String().Draw(t, "name")),
				DType: safetensors.DType(rapid.IntRange(int(safetensors.BOOL), int(safetensors.U64)).Draw(t, "dtype")),
				Shape: rapid.SliceOfN(rapid.Int64Range(0, 4), 0, 3).Draw(t, "shape"),
				Shard: "mem",
			}
			n := int(tensor.Bytes())
			tensor.Data = rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "data")
			tensors = append(tensors, tensor)
		}
		meta := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "meta")
		var out bytes.Buffer
		require.NoError(t, safetensors.Write(&out, tensors, meta))
		f, err := safetensors.Parse("mem", out.Bytes())
		require.NoError(t, err)
		require.Len(t, f.Names(), len(tensors))
		if len(meta) > 0 {
			require.Equal(t, meta, f.Metadata())
		}
		for _, want := range tensors {
			got, ok := f.Lookup(want.Name)
			require.True(t, ok)
			require.Equal(t, want, got)
			if len(got.Data) > 0 {
				place := uintptr(unsafe.Pointer(&got.Data[0])) - uintptr(unsafe.Pointer(&out.Bytes()[0]))
				require.Less(t, place, uintptr(out.Len()), "a view, so aligned in the file as well")
				require.Zero(t, place%uintptr(got.DType.Bits()/8))
			}
		}
	})
}
