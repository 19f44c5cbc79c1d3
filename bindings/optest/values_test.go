package optest

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// The comparator is what every other test relies on.
func TestDifference(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	tests := []struct {
		name string
		got  float32
		want float64
		tol  float64
		ok   bool
	}{
		{"equal", 1, 1, 0, true},
		{"zeros of both signs", 0, math.Copysign(0, -1), 0, true},
		{"within", 1.01, 1, 0.02, true},
		{"beyond", 1.03, 1, 0.02, false},
		{"no tolerance", 1.0001, 1, 0, false},
		{"NaN for a number", nan, 1, math.Inf(1), false},
		{"number for a NaN", 1, math.NaN(), math.Inf(1), false},
		{"NaN for a NaN", nan, math.NaN(), 0, true},
		{"infinity for a number", inf, 1, math.Inf(1), false},
		{"number for infinity", 1e38, math.Inf(1), math.Inf(1), false},
		{"infinity", inf, math.Inf(1), 0, true},
		{"the other infinity", -inf, math.Inf(1), 1, false},
		{"a bound that is NaN", 1.01, 1, math.NaN(), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := Difference([]float32{tt.got}, Values{Want: []float64{tt.want}, Tol: []float64{tt.tol}})
			require.Equal(t, tt.ok, err == nil, "%v", err)
		})
	}
	err := Difference([]float32{1, 2.5, 4}, Values{Want: []float64{1, 2, 3}, Tol: []float64{0.1, 0.1, 0.5}})
	require.EqualError(t, err, "2 of 3 elements are wrong, the worst at 1: 2.5, want 2, off by 0.5 of 0.1 allowed")
	require.EqualError(t, Difference(nil, newValues(1)), "0 elements, want 1")
}

func TestRound(t *testing.T) {
	// Just above the tie of 1 and 1 + 2^-7: rounding to fp32 first gives the tie,
	// which goes to even, down.
	require.Equal(t, 1+0x1p-7, Round(1+0x1p-8+0x1p-40, bindings.BF16))
	require.Equal(t, 1.0, Round(1+0x1p-8-0x1p-40, bindings.BF16))
	require.Equal(t, 1.0, Round(1+0x1p-8, bindings.BF16))
	require.Equal(t, -1-0x1p-7, Round(-1-0x1p-8-0x1p-40, bindings.BF16))
	require.Equal(t, 1+0x1p-23, Round(1+0x1p-23+0x1p-50, bindings.F32))
	require.True(t, math.IsInf(Round(1e60, bindings.BF16), 1))
}
