package optest

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

func TestLogSoftmax(t *testing.T) {
	for _, s := range []struct {
		rows, n int
		spread  float64
	}{
		{1, 1, 1}, {1, 2, 0}, {3, 33, 5}, {7, 1000, 1}, {2, 100, 200}, {2, 3000, 10},
		{1, 1027, 3}, {2, 8192, 3}, {2, 8193, 3}, {1, 16388, 3},
	} {
		for _, inPlace := range []bool{false, true} {
			t.Run(fmt.Sprint(s, inPlace), func(t *testing.T) {
				x := random(newRand(t.Name()), bindings.F32, s.rows*s.n)
				for i := range x {
					x[i] = Round(x[i]*s.spread, bindings.F32)
				}
				testLogSoftmax(t, x, s.n, inPlace)
			})
		}
	}
}

// A vocabulary of Llama 4's size.
func TestLogSoftmaxVocabulary(t *testing.T) {
	testLogSoftmax(t, random(newRand(t.Name()), bindings.F32, 202048), 202048, true)
}

// Pieces of a long row without a number in them, and rows that have no result.
func TestLogSoftmaxLongExtremes(t *testing.T) {
	const n = 8192*2 + 5
	for name, change := range map[string]func(row []float64){
		"a piece masked": func(row []float64) { fill(row[:9000], math.Inf(-1)) },
		"one left":       func(row []float64) { fill(row, math.Inf(-1)); row[n-1] = 3 },
		"all masked":     func(row []float64) { fill(row, math.Inf(-1)) },
		"a NaN":          func(row []float64) { row[8500] = math.NaN() },
		"infinite":       func(row []float64) { row[100] = math.Inf(1) },
	} {
		t.Run(name, func(t *testing.T) {
			row := random(newRand(t.Name()), bindings.F32, n)
			change(row)
			testLogSoftmax(t, row, n, false)
		})
	}
}

func fill(row []float64, value float64) {
	for i := range row {
		row[i] = value
	}
}

func TestLogSoftmaxExtremes(t *testing.T) {
	inf := math.Inf(1)
	for name, row := range map[string][]float64{
		"masked":       {1, -inf, 2, -inf, -inf},
		"one left":     {-inf, -inf, 3, -inf},
		"large":        {1e30, -1e30, 5},
		"equal, large": {3e38, 3e38, 3e38},
		"small":        {-3e38, -3e38},
		"vanishing":    {0, -87, -88, -104, -150, -1e5},
		"all masked":   {-inf, -inf},
		"a NaN":        {1, math.NaN(), -inf},
		"infinite":     {1, inf, -inf},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range row {
				row[i] = Round(row[i], bindings.F32)
			}
			testLogSoftmax(t, row, len(row), false)
			testLogSoftmax(t, row, len(row), true)
		})
	}
}

func testLogSoftmax(t *testing.T, x []float64, n int, inPlace bool) {
	want := LogSoftmax(x, n)
	shape := []int64{int64(len(x) / n), int64(n)}
	onTargets(t, func(t *testing.T, r *rig) {
		var a bindings.LogSoftmaxArgs
		if inPlace {
			a.X = r.inout("x", bindings.F32, x, shape...)
			a.Out = a.X
		} else {
			a.X = r.floats("x", bindings.F32, x, shape...)
			a.Out = r.out("out", bindings.F32, shape...)
		}
		require.NoError(t, r.stream.LogSoftmax(&a))
		Compare(t, "out", r.read(a.Out), want)
	})
}
