package optest

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

func TestTopK(t *testing.T) {
	for _, s := range []struct {
		rows, n, k int
		distinct   int // values to draw from: few make ties
	}{
		{1, 1, 1, 0}, {3, 33, 1, 0}, {3, 33, 33, 0}, {2, 5000, 40, 0}, {40, 100, 5, 0},
		{3, 33, 33, 3}, {2, 1000, 100, 7}, {1, 64, 10, 1}, {2, 3000, 3000, 50},
		{2, 1500, 1024, 0}, {2, 1500, 1025, 300}, {2, 8192, 20, 9}, {2, 8193, 20, 9}, {1, 8200, 50, 0}, {2, 16390, 30, 2},
	} {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			rng := newRand(t.Name())
			x := make([]float32, s.rows*s.n)
			for i := range x {
				x[i] = float32(rng.NormFloat64())
				if s.distinct > 0 {
					x[i] = float32(rng.IntN(s.distinct)) - 1
				}
			}
			testTopK(t, x, s.n, s.k)
		})
	}
}

// A vocabulary of Llama 4's size, with ties.
func TestTopKVocabulary(t *testing.T) {
	rng := newRand(t.Name())
	x := make([]float32, 202048)
	for i := range x {
		x[i] = float32(math.Round(rng.NormFloat64() * 8))
	}
	testTopK(t, x, len(x), 20)
}

func TestTopKExtremes(t *testing.T) {
	inf, zero := float32(math.Inf(1)), float32(math.Copysign(0, -1))
	for name, row := range map[string][]float32{
		"masked":         {-inf, 2, -inf, 1, -inf},
		"all masked":     {-inf, -inf, -inf},
		"infinite":       {1, inf, 3, inf, -inf},
		"zeros are ties": {zero, 0, zero, 0},
		"ascending":      {1, 2, 3, 4, 5, 6, 7, 8, 9},
		"descending":     {9, 8, 7, 6, 5, 4, 3, 2, 1},
		"a NaN":          {1, nan32, 2, -inf, -nan32, inf},
		"a NaN first":    {-nan32, 0, zero, 1},
		"all NaN":        {nan32, -nan32, nan32},
	} {
		t.Run(name, func(t *testing.T) {
			for k := 1; k <= len(row); k++ {
				testTopK(t, row, len(row), k)
			}
		})
	}
}

func testTopK(t *testing.T, x []float32, n, k int) {
	values, indices := TopK(x, n, k)
	rows := int64(len(x) / n)
	onTargets(t, func(t *testing.T, r *rig) {
		a := bindings.TopKArgs{
			X:       put(r, "x", bindings.F32, x, rows, int64(n)),
			Values:  r.out("values", bindings.F32, rows, int64(k)),
			Indices: r.out("indices", bindings.I32, rows, int64(k)),
		}
		require.NoError(t, r.stream.TopK(&a))
		require.Equal(t, indices, r.readInts(a.Indices), "indices")
		// NaNs are equal as bits.
		require.Equal(t, raw(values), r.bytes(a.Values), "values")
	})
}
