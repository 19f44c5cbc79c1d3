package bindings

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/x448/float16"
	"pgregory.net/rapid"
)

func TestBF16FromFloat32(t *testing.T) {
	tests := []struct {
		name string
		in   uint32
		want BFloat16
	}{
		{"one", 0x3f800000, 0x3f80},
		{"below the tie", 0x3f807fff, 0x3f80},
		{"tie to even, down", 0x3f808000, 0x3f80},
		{"above the tie", 0x3f808001, 0x3f81},
		{"tie to even, up", 0x3f818000, 0x3f82},
		{"negative tie", 0xbf818000, 0xbf82},
		{"carry into the exponent", 0x3fffffff, 0x4000},
		{"largest float32 becomes infinite", 0x7f7fffff, 0x7f80},
		{"infinity", 0xff800000, 0xff80},
		{"negative zero", 0x80000000, 0x8000},
		{"subnormal", 0x00018000, 0x0002},
		{"quiet NaN", 0x7fc00000, 0x7fc0},
		{"signalling NaN becomes quiet", 0x7f800001, 0x7fc0},
		{"negative NaN keeps its sign and payload", 0xffa00000, 0xffe0},
		{"NaN that rounding up would wrap", 0x7fffffff, 0x7fff},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, BF16FromFloat32(math.Float32frombits(tt.in)))
		})
	}
}

// Every BFloat16 survives the way to float32 and back.
func TestBFloat16RoundTrip(t *testing.T) {
	for i := range 1 << 16 {
		b := BFloat16(i)
		f := b.Float32()
		if f != f {
			require.Equal(t, b|0x40, BF16FromFloat32(f))
			continue
		}
		require.Equal(t, b, BF16FromFloat32(f))
	}
}

// The nearest of the two neighbours, by distance in float64.
func TestBF16Nearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float32Range(-1e30, 1e30).Draw(t, "f")
		b := BF16FromFloat32(f)
		distance := math.Abs(float64(b.Float32()) - float64(f))
		for _, n := range []BFloat16{b - 1, b + 1} {
			if v := float64(n.Float32()); !math.IsNaN(v) {
				require.LessOrEqual(t, distance, math.Abs(v-float64(f)))
			}
		}
	})
}

func TestDTypeOf(t *testing.T) {
	require.Equal(t, F32, dtypeOf[float32]())
	require.Equal(t, I32, dtypeOf[int32]())
	require.Equal(t, BF16, dtypeOf[BFloat16]())
	require.Equal(t, F16, dtypeOf[float16.Float16]())
	require.Zero(t, DType(0).Size())
	require.Equal(t, "dtype 9", DType(9).String())
}

func TestDTypeSizes(t *testing.T) {
	for _, tt := range []struct {
		dtype           DType
		name            string
		bits, one, nine int64
	}{
		{F32, "f32", 32, 4, 36},
		{BF16, "bf16", 16, 2, 18},
		{F16, "f16", 16, 2, 18},
		{I32, "i32", 32, 4, 36},
		{F8, "f8", 8, 1, 9},
		{I8, "i8", 8, 1, 9},
		{I4, "i4", 4, 1, 5}, // the last byte is half full
		{DType(99), "dtype 99", 0, 0, 0},
	} {
		require.Equal(t, tt.name, tt.dtype.String())
		require.Equal(t, tt.bits, tt.dtype.Bits(), tt.name)
		require.Equal(t, tt.one, tt.dtype.Size(), tt.name)
		require.Equal(t, tt.nine, tt.dtype.RowBytes(9), tt.name)
		require.Zero(t, tt.dtype.RowBytes(0), tt.name)
	}
}

func TestParseCompute(t *testing.T) {
	for _, c := range []Compute{ComputeAuto, ComputeF32, ComputeBF16} {
		got, err := ParseCompute(c.String())
		require.NoError(t, err)
		require.Equal(t, c, got)
	}
	got, err := ParseCompute("BF16")
	require.NoError(t, err)
	require.Equal(t, ComputeBF16, got)
	_, err = ParseCompute("f64")
	require.EqualError(t, err, `compute "f64": want auto, f32 or bf16`)
}
