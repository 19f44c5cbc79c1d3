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
	}{{1, 1, 1}, {1, 2, 0}, {3, 33, 5}, {7, 1000, 1}, {2, 100, 200}, {2, 3000, 10}} {
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

func TestLogSoftmaxExtremes(t *testing.T) {
	inf := math.Inf(1)
	for name, row := range map[string][]float64{
		"masked":       {1, -inf, 2, -inf, -inf},
		"one left":     {-inf, -inf, 3, -inf},
		"large":        {1e30, -1e30, 5},
		"equal, large": {3e38, 3e38, 3e38},
		"small":        {-3e38, -3e38},
		"vanishing":    {0, -87, -88, -104, -150, -1e5},
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
