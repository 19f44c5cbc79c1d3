package quant

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func appendFloat(b []byte, t Type, v float32) []byte {
	number := make([]byte, t.RowBytes(1))
	PutFloat(number, t, v)
	return append(b, number...)
}

// What is quantized comes back within half a step, whatever the group and the rest of
// a row.
func TestQuantizeRoundTrip(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, f := range []Format{
		{Type: I4, Group: 128, Scale: BF16}, {Type: I4, Group: 8, Scale: F32}, {Type: I4, Scale: F16},
		{Type: F8, Scale: F32}, {Type: F8, Group: 16, Scale: F32},
	} {
		for _, k := range []int64{1, 7, 128, 131} {
			w := make([]float32, 5*k)
			for i := range w {
				w[i] = float32(random.NormFloat64())
			}
			values, scales := Quantize(f, w, k)
			rowValues, rowScales := f.RowBytes(k)
			require.Len(t, values, int(5*rowValues))
			require.Len(t, scales, int(5*rowScales))
			require.Equal(t, f.Bytes(5, k), int64(len(values)+len(scales)))
			size := f.Scale.RowBytes(1)
			for i, v := range Dequantize(f, values, scales, nil, k) {
				group := int64(i)/k*f.Groups(k) + int64(i)%k/f.GroupOf(k)
				scale := Float(f.Scale, scales[group*size:])
				// Of I4 half a step, but a whole one for the largest, whose 8 steps are one
				// too many, and 8 times 2^-9 for the rounding of the scale to BF16. Of F8 a
				// 16th of the number, or half of the smallest step.
				bound := scale * (1 + 8.0/512)
				if f.Type == F8 {
					bound = max(float32(math.Abs(float64(w[i])))/16, scale/1024) * 1.01
				}
				require.InDelta(t, w[i], v, float64(bound), "%+v, row of %d, %d", f, k, i)
			}
		}
	}
}

func TestQuantizeExtremes(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	int4 := Format{Type: I4, Group: 2, Scale: BF16}
	fp8 := Format{Type: F8, Group: 2, Scale: F32}
	w := []float32{0, 0, 1, inf, nan, 1, -8, 7, 1e-9, -1e-9}
	values, scales := Quantize(int4, w, 10)
	require.Equal(t, []byte{0x88, 0x88, 0x88, 0xf0, 0x88}, values)
	got := Dequantize(int4, values, scales, nil, 10)
	for i, v := range got {
		require.Equal(t, i/2 == 1 || i/2 == 2, v != v, i)
	}
	require.Equal(t, []float32{-8, 7}, got[6:8])
	require.Equal(t, []float32{0, 0}, got[8:]) // under the smallest scale

	values, scales = Quantize(fp8, w, 10)
	got = Dequantize(fp8, values, scales, nil, 10)
	require.Equal(t, []float32{0, 0}, got[:2])
	for i, v := range got {
		require.Equal(t, i/2 == 1 || i/2 == 2, v != v, i)
	}
	require.InDelta(t, -8, got[6], 1e-6)
}

func TestPackI4(t *testing.T) {
	require.Equal(t, []byte{0x21, 0x43, 0x0f}, PackI4([]byte{1, 2, 3, 4, 15}))
	require.Empty(t, PackI4(nil))
}

func TestFloats(t *testing.T) {
	for _, kind := range []Type{F32, BF16, F16} {
		for _, v := range []float32{0, 1, -2.5, 0.125, 3} {
			require.Equal(t, v, Float(kind, appendFloat(nil, kind, v)), kind)
		}
		require.True(t, math.IsNaN(float64(Float(kind, appendFloat(nil, kind, float32(math.NaN()))))))
	}
	// Rounded to nearest, ties to even.
	require.Equal(t, float32(1), Float(BF16, appendFloat(nil, BF16, 1+1.0/256)))
	require.Equal(t, float32(1+4.0/256), Float(BF16, appendFloat(nil, BF16, 1+3.0/256)))
}
