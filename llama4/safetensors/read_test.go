package safetensors_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/safetensors"
)

var torchNames = map[safetensors.DType]string{
	safetensors.BOOL: "torch.bool", safetensors.U8: "torch.uint8", safetensors.I8: "torch.int8",
	safetensors.F8_E5M2: "torch.float8_e5m2", safetensors.F8_E4M3: "torch.float8_e4m3fn",
	safetensors.I16: "torch.int16", safetensors.U16: "torch.uint16", safetensors.F16: "torch.float16", safetensors.BF16: "torch.bfloat16",
	safetensors.I32: "torch.int32", safetensors.U32: "torch.uint32", safetensors.F32: "torch.float32",
	safetensors.F64: "torch.float64", safetensors.I64: "torch.int64", safetensors.U64: "torch.uint64",
}

// TestReference reads a file of the reference implementation: every type, every
// 8-bit float, and values as torch converts them.
func TestReference(t *testing.T) {
	raw, err := os.ReadFile("testdata/all.json")
	require.NoError(t, err)
	var want map[string]struct {
		DType string
		Shape []int64
		Bits  []*uint32
	}
	require.NoError(t, json.Unmarshal(raw, &want))
	f, err := safetensors.Open("testdata/all.safetensors")
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	require.Equal(t, map[string]string{"format": "pt <é>"}, f.Metadata())
	require.Len(t, f.Names(), len(want))
	var total int64
	for name, w := range want {
		tensor, ok := f.Lookup(name)
		require.True(t, ok, name)
		require.Equal(t, name, tensor.Name)
		require.Equal(t, "testdata/all.safetensors", tensor.Shard)
		require.Equal(t, w.DType, torchNames[tensor.DType], name)
		require.Equal(t, w.Shape, tensor.Shape, name)
		require.EqualValues(t, len(w.Bits), tensor.Elements(), name)
		require.EqualValues(t, len(tensor.Data), tensor.Bytes(), name)
		total += tensor.Bytes()
		got := tensor.Float32s(nil)
		require.Len(t, got, len(w.Bits), name)
		for i, b := range w.Bits {
			if b == nil {
				require.True(t, math.IsNaN(float64(got[i])), "%s[%d] = %v", name, i, got[i])
			} else {
				require.Equal(t, *b, math.Float32bits(got[i]), "%s[%d]", name, i)
			}
		}
	}
	require.Equal(t, total, f.Bytes())
	_, ok := f.Lookup("nothing")
	require.False(t, ok)
}

func TestFloat32sReusesDst(t *testing.T) {
	tensor := safetensors.Tensor{DType: safetensors.BF16, Shape: []int64{2}, Data: []byte{0x80, 0x3f, 0, 0x40}}
	dst := make([]float32, 5)
	got := tensor.Float32s(dst)
	require.Equal(t, []float32{1, 2}, got)
	require.Same(t, &dst[0], &got[0])
	require.Empty(t, safetensors.Tensor{Data: []byte{1}}.Float32s(nil))
}

// TestWriteEqualsReference writes the tensors of the reference's file and
// demands its bytes.
func TestWriteEqualsReference(t *testing.T) {
	want, err := os.ReadFile("testdata/all.safetensors")
	require.NoError(t, err)
	f, err := safetensors.Parse("all", want)
	require.NoError(t, err)
	var got bytes.Buffer
	require.NoError(t, safetensors.Write(&got, tensorsOf(t, f), f.Metadata()))
	require.Equal(t, want, got.Bytes())
}

func tensorsOf(t testing.TB, f *safetensors.File) []safetensors.Tensor {
	var tensors []safetensors.Tensor
	for _, name := range f.Names() {
		tensor, ok := f.Lookup(name)
		require.True(t, ok)
		tensors = append(tensors, tensor)
	}
	return tensors
}

// TestUnaligned reads a file whose float32 tensor starts at an odd byte: it is
// copied, and the byte tensor beside it is not.
func TestUnaligned(t *testing.T) {
	raw, err := os.ReadFile("testdata/odd.safetensors")
	require.NoError(t, err)
	// A copy at a known address: one byte that is not the file's, then the file.
	raw = append(make([]byte, 8, 8+len(raw)), raw...)[8:]
	f, err := safetensors.Parse("odd", raw)
	require.NoError(t, err)
	y, _ := f.Lookup("y")
	require.Zero(t, uintptr(unsafe.Pointer(&y.Data[0]))%4)
	require.Equal(t, []float32{1.25, -3}, y.Float32s(nil))
	x, _ := f.Lookup("x")
	require.Same(t, &raw[len(raw)-9], &x.Data[0], "aligned data is a view")

	mapped, err := safetensors.Open("testdata/odd.safetensors")
	require.NoError(t, err)
	y, _ = mapped.Lookup("y")
	require.Equal(t, []float32{1.25, -3}, y.Float32s(nil))
	require.NoError(t, mapped.Close())
	require.NoError(t, mapped.Close(), "closing twice does nothing")
}

func TestParseIsAView(t *testing.T) {
	raw := build(t, `{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}`, 4)
	f, err := safetensors.Parse("mem", raw)
	require.NoError(t, err)
	a, _ := f.Lookup("a")
	require.Same(t, &raw[len(raw)-4], &a.Data[0])
	require.Equal(t, 3, cap(a.Data), "a tensor must not be able to grow into its neighbour")
	require.Equal(t, "mem", f.Name())
	require.NoError(t, f.Close())
}

func TestCheckpoint(t *testing.T) {
	memory := fstest.MapFS{}
	entries, err := os.ReadDir("testdata/sharded")
	require.NoError(t, err)
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join("testdata/sharded", e.Name()))
		require.NoError(t, err)
		memory[e.Name()] = &fstest.MapFile{Data: data}
	}
	dir := func() (*safetensors.Checkpoint, error) { return safetensors.OpenDir("testdata/sharded") }
	fromFS := func() (*safetensors.Checkpoint, error) { return safetensors.OpenFS(memory) }
	for name, open := range map[string]func() (*safetensors.Checkpoint, error){"dir": dir, "memory": fromFS} {
		t.Run(name, func(t *testing.T) {
			c, err := open()
			require.NoError(t, err)
			require.Equal(t, []string{"a", "b", "c"}, c.Names())
			require.EqualValues(t, 44, c.Bytes())
			require.Len(t, c.Files(), 2)
			b, ok := c.Lookup("b")
			require.True(t, ok)
			require.Equal(t, "model-00001-of-00002.safetensors", b.Shard)
			require.Equal(t, []float32{1, 2}, b.Float32s(nil))
			tensor, _ := c.Lookup("c")
			require.Equal(t, []float32{1.5, -2}, tensor.Float32s(nil))
			_, ok = c.Lookup("d")
			require.False(t, ok)
			require.NoError(t, c.Close())
		})
	}
	h, err := safetensors.OpenHeaders(os.DirFS("testdata/sharded"))
	require.NoError(t, err)
	require.EqualValues(t, 44, h.Bytes())
	a, _ := h.Lookup("a")
	require.Nil(t, a.Data)
	require.EqualValues(t, 24, a.Bytes())
	require.Equal(t, []int64{2, 3}, a.Shape)
	require.NoError(t, h.Close())
}

func TestSingleFileFirst(t *testing.T) {
	single := build(t, `{"s":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}`, 1)
	c, err := safetensors.OpenFS(fstest.MapFS{
		safetensors.SingleFile: {Data: single},
		safetensors.IndexFile:  {Data: []byte("not read")},
	})
	require.NoError(t, err)
	require.Equal(t, []string{"s"}, c.Names())
}

func TestDType(t *testing.T) {
	for d := range torchNames {
		got, err := safetensors.ParseDType(d.String())
		require.NoError(t, err)
		require.Equal(t, d, got)
		require.Contains(t, []int{8, 16, 32, 64}, d.Bits())
	}
	require.Len(t, torchNames, int(safetensors.U64))
	_, err := safetensors.ParseDType("F4")
	require.ErrorContains(t, err, "F4")
	require.Equal(t, "DType(0)", safetensors.DType(0).String())
	require.Zero(t, safetensors.DType(99).Bits())
}

func TestTensorOverflow(t *testing.T) {
	huge := safetensors.Tensor{DType: safetensors.U8, Shape: []int64{1 << 40, 1 << 40}}
	require.EqualValues(t, -1, huge.Elements())
	require.EqualValues(t, -1, huge.Bytes())
	require.EqualValues(t, -1, safetensors.Tensor{DType: safetensors.U8, Shape: []int64{-1}}.Elements())
}

// build returns a file with that header, unpadded, and n bytes of data.
func build(t testing.TB, head string, n int) []byte {
	t.Helper()
	b := make([]byte, 8, 8+len(head)+n)
	b[0], b[1], b[2] = byte(len(head)), byte(len(head)>>8), byte(len(head)>>16)
	b = append(b, head...)
	return append(b, []byte(strings.Repeat("\x01", n))...)
}
