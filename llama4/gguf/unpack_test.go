package gguf_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/gguf"
	"github.com/llama4go/llama4go/llama4/quant"
)

var types = []gguf.Type{
	gguf.F16, gguf.BF16, gguf.Q4_0, gguf.Q4_1, gguf.Q5_0, gguf.Q5_1, gguf.Q8_0, gguf.Q4_K, gguf.Q5_K, gguf.Q6_K,
}

// formats are what the types are unpacked to; BF16 where there is none.
var formats = map[gguf.Type]quant.Format{
	gguf.Q4_0: {Type: quant.I4, Group: 32, Scale: quant.F16},
	gguf.Q4_1: {Type: quant.I4, Group: 32, Scale: quant.F32, Offset: true},
	gguf.Q5_0: {Type: quant.I8, Group: 32, Scale: quant.F16},
	gguf.Q5_1: {Type: quant.I8, Group: 32, Scale: quant.F16, Offset: true},
	gguf.Q8_0: {Type: quant.I8, Group: 32, Scale: quant.F16},
	gguf.Q4_K: {Type: quant.I4, Group: 32, Scale: quant.F32, Offset: true},
	gguf.Q5_K: {Type: quant.I8, Group: 32, Scale: quant.F32, Offset: true},
	gguf.Q6_K: {Type: quant.I8, Group: 16, Scale: quant.F32},
}

func open(t testing.TB, path string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func tensor(t testing.TB, f *gguf.File, name string) *gguf.Tensor {
	t.Helper()
	tensor, ok := f.Tensor(name)
	require.True(t, ok, name)
	return tensor
}

// exact returns the elements in fp32.
func exact(t testing.TB, x *gguf.Tensor) []float32 {
	t.Helper()
	data, err := x.Convert(quant.F32)
	require.NoError(t, err)
	return floats(quant.F32, data)
}

func floats(typ quant.Type, data []byte) []float32 {
	size := typ.RowBytes(1)
	out := make([]float32, int64(len(data))/size)
	for i := range out {
		out[i] = quant.Float(typ, data[int64(i)*size:])
	}
	return out
}

// matrix is rows of a format.
type matrix struct{ values, scales, offsets []byte }

// unpack unpacks rows first to first+n-1.
func unpack(t testing.TB, x *gguf.Tensor, f quant.Format, first, n int64) (m matrix) {
	t.Helper()
	s, err := x.Unpack(f)
	require.NoError(t, err)
	values, scales := f.RowBytes(x.Columns())
	m.values = make([]byte, n*values)
	s.Values(m.values, first, n)
	if !f.Quantized() {
		return m
	}
	m.scales = make([]byte, n*scales)
	if f.Offset {
		m.offsets = make([]byte, n*scales)
	}
	s.Scales(m.scales, m.offsets, first, n)
	return m
}

// numbers returns the weights as an operation computes them.
func numbers(t testing.TB, x *gguf.Tensor, f quant.Format) []float32 {
	t.Helper()
	m := unpack(t, x, f, 0, x.Rows())
	return quant.Dequantize(f, m.values, m.scales, m.offsets, x.Columns())
}

// ulp is the distance from |x| to the next larger float32.
func ulp(x float32) float64 {
	x = max(x, -x)
	return float64(math.Nextafter32(x, math.MaxFloat32)) - float64(x)
}

// TestUnpack compares every type with gguf's dequantize, bit for bit, but for the
// rounded offsets of Q4_K and Q4_1 in their own format: half an ulp of the offset
// and one of the sum, which is rounded here and there.
func TestUnpack(t *testing.T) {
	f := open(t, "testdata/types.gguf")
	for _, typ := range types {
		t.Run(typ.String(), func(t *testing.T) {
			x := tensor(t, f, typ.String())
			require.Equal(t, typ, x.Type)
			want := exact(t, tensor(t, f, typ.String()+".f32"))
			equalBits(t, want, exact(t, x))

			format := typ.Format()
			require.Equal(t, formats[typ], format)
			if !format.Quantized() {
				return
			}
			got := numbers(t, x, format)
			if typ != gguf.Q4_K && typ != gguf.Q4_1 {
				equalValues(t, want, got)
				return
			}
			offsets := floats(quant.F32, unpack(t, x, format, 0, x.Rows()).offsets)
			rounded := 0
			for i := range want {
				require.InDelta(t, want[i], got[i], ulp(offsets[i/32])/2+ulp(want[i]), "value %d", i)
				if want[i] != got[i] {
					rounded++
				}
			}
			t.Logf("%d of %d values are rounded otherwise", rounded, len(want))
		})
	}
}

// TestUnpackWider puts every quantized type into the formats that joining it with
// each of the others gives.
func TestUnpackWider(t *testing.T) {
	f := open(t, "testdata/types.gguf")
	for _, typ := range types[2:] {
		x := tensor(t, f, typ.String())
		plain, own := exact(t, x), numbers(t, x, typ.Format())
		for _, other := range types[2:] {
			t.Run(fmt.Sprintf("%v with %v", typ, other), func(t *testing.T) {
				format := gguf.Join(typ.Format(), other.Format())
				require.Equal(t, format, gguf.Join(other.Format(), typ.Format()))
				want := plain
				if format.Type == quant.I4 {
					want = own
				}
				equalValues(t, want, numbers(t, x, format))
			})
		}
	}
	require.Equal(t, quant.Format{}, gguf.Join(gguf.Q4_K.Format(), gguf.F16.Format()))
	require.Equal(t, gguf.Q5_K.Format(), gguf.Join(gguf.Q4_K.Format(), gguf.Q5_K.Format()))
}

// TestUnpackBF16 rounds to nearest, ties to even.
func TestUnpackBF16(t *testing.T) {
	f := open(t, "testdata/types.gguf")
	for _, typ := range types {
		x := tensor(t, f, typ.String())
		rounded := unpack(t, x, quant.Format{}, 0, x.Rows()).values
		converted, err := x.Convert(quant.BF16)
		require.NoError(t, err)
		require.Equal(t, rounded, converted)
		plain := exact(t, x)
		for i, got := range floats(quant.BF16, rounded) {
			bits := math.Float32bits(plain[i])
			want := bits &^ 0xffff
			if low := bits & 0xffff; low > 0x8000 || low == 0x8000 && bits>>16&1 == 1 {
				want += 0x10000
			}
			require.Equal(t, want, math.Float32bits(got), "%v, value %d", typ, i)
		}
	}
}

// TestMapped finds that BF16 needs no unpacking.
func TestMapped(t *testing.T) {
	f := open(t, "testdata/types.gguf")
	for _, typ := range types {
		s, err := tensor(t, f, typ.String()).Unpack(quant.Format{})
		require.NoError(t, err)
		m, ok := s.(quant.Mapped)
		require.True(t, ok)
		require.Equal(t, typ == gguf.BF16, m.Mapped() != nil, typ)
	}
	buffer, mapped := make([]byte, 4), 0
	for at := range 2 { // one of the two is at an odd address
		x := gguf.Tensor{Type: gguf.BF16, Shape: []int64{1}, Data: buffer[at : at+2]}
		s, err := x.Unpack(quant.Format{})
		require.NoError(t, err)
		if s.(quant.Mapped).Mapped() != nil {
			mapped++
		}
	}
	require.Equal(t, 1, mapped)
}

// TestUnpackRows unpacks some rows of all.
func TestUnpackRows(t *testing.T) {
	f := open(t, "testdata/types.gguf")
	for _, typ := range types[2:] {
		x := tensor(t, f, typ.String())
		whole, some := unpack(t, x, typ.Format(), 0, 3), unpack(t, x, typ.Format(), 1, 2)
		require.Equal(t, whole.values[len(whole.values)/3:], some.values)
		require.Equal(t, whole.scales[len(whole.scales)/3:], some.scales)
		require.Equal(t, whole.offsets[len(whole.offsets)/3:], some.offsets)
		require.Empty(t, unpack(t, x, typ.Format(), 3, 0).values)
	}
}

func TestUnpackFaults(t *testing.T) {
	f := open(t, "testdata/types.gguf")
	for name, format := range map[string]quant.Format{
		"Q4_K": gguf.Q4_0.Format(), "Q5_K": gguf.Q4_K.Format(), "Q6_K": gguf.Q8_0.Format(), "F16": gguf.Q8_0.Format(),
	} {
		_, err := tensor(t, f, name).Unpack(format)
		require.ErrorContains(t, err, "tensor "+name+": "+name+" does not fit the format")
	}
	_, err := tensor(t, f, "F16").Convert(quant.I8)
	require.EqualError(t, err, "tensor F16: F16 cannot become i8")
}

// TestConvertParallel converts more than one piece.
func TestConvertParallel(t *testing.T) {
	f := open(t, "testdata/types.gguf")
	x := *tensor(t, f, "Q6_K")
	want := exact(t, &x)
	const copies = 400
	x.Shape, x.Data = []int64{copies * 3, 512}, bytes.Repeat(x.Data, copies)
	got := exact(t, &x)
	for i := range copies {
		equalBits(t, want, got[i*len(want):(i+1)*len(want)])
	}
}

func equalBits(t *testing.T, want, got []float32) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, math.Float32bits(want[i]), math.Float32bits(got[i]), "value %d: want %v, got %v", i, want[i], got[i])
	}
}

// equalValues takes 0 and -0 for the same.
func equalValues(t *testing.T, want, got []float32) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		if want[i] != got[i] {
			t.Fatalf("value %d: want %v, got %v", i, want[i], got[i])
		}
	}
}

func BenchmarkUnpack(b *testing.B) {
	f := open(b, "testdata/types.gguf")
	for _, typ := range types[2:] {
		x := *tensor(b, f, typ.String())
		const copies = 500
		x.Shape, x.Data = []int64{copies * 3, 512}, bytes.Repeat(x.Data, copies)
		s, err := x.Unpack(typ.Format())
		require.NoError(b, err)
		m := unpack(b, &x, typ.Format(), 0, x.Rows())
		b.Run(typ.String(), func(b *testing.B) {
			b.SetBytes(int64(len(x.Data)))
			for b.Loop() {
				s.Values(m.values, 0, x.Rows())
				s.Scales(m.scales, m.offsets, 0, x.Rows())
			}
		})
	}
}
