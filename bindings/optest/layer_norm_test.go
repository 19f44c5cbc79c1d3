package optest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// rowsOf says how rows to be normalised are made: of a mean, a deviation around it,
// and one element that stands out.
type rowsOf struct {
	tokens, hidden           int
	mean, deviation, outlier float64
}

var layerNormRows = []rowsOf{
	{1, 1, 0, 1, 0}, {5, 1, 3, 2, 0}, {3, 2, 0, 1, 0}, {3, 33, 0, 1, 0}, {40, 100, 0, 1, 0}, {2, 1408, 0, 1, 0},
	{2, 5120, 1, 1, 0}, {2, 1537, 0, 1, 0}, {1, 7688, 0, 1, 0}, {1, 7681, 0, 1, 0}, {1, 13001, 0, 1, 0}, {9, 8, 0, 1, 0},
	// Fractions that a mean much larger than the deviation leaves.
	{3, 1408, 30000, 1, 0}, {3, 72, -4e6, 4, 0}, {2, 33, 1e5, 0.25, 0},
	// A deviation that eps outweighs, and one whose square is far from 1.
	{3, 100, 0, 1e-7, 0}, {3, 100, 1, 1e-3, 0}, {3, 100, 0, 1e15, 0},
	// One element, first or not, that is most of the variance.
	{4, 1408, 0, 1, 1e4}, {2, 40, 0, 1e-3, -1e6},
}

func (s rowsOf) draw(t *testing.T, dtype bindings.DType) []float64 {
	rng := newRand(t.Name())
	x := random(rng, dtype, s.tokens*s.hidden)
	for i := range x {
		x[i] = Round(s.mean+s.deviation*x[i], dtype)
	}
	for row := range s.tokens {
		if s.outlier != 0 {
			x[row*s.hidden+row*7%s.hidden] = Round(s.outlier, dtype)
		}
	}
	return x
}

func TestLayerNorm(t *testing.T) {
	for _, types := range []normTypes{
		{x: bindings.F32, act: bindings.F32}, {x: bindings.BF16, act: bindings.BF16},
		{x: bindings.F32, act: bindings.BF16}, {x: bindings.BF16, act: bindings.F32},
	} {
		for _, weightType := range acts {
			for _, s := range layerNormRows {
				t.Run(fmt.Sprintf("%v,%v,weight-%v,%v", types.x, types.act, weightType, s), func(t *testing.T) {
					testLayerNorm(t, s.draw(t, types.x), types, weightType, s.hidden, false)
				})
			}
		}
	}
}

// out may be x.
func TestLayerNormInPlace(t *testing.T) {
	for _, act := range acts {
		for _, s := range []rowsOf{{3, 33, 0, 1, 0}, {5, 1408, 2, 1, 0}, {1, 7688, 0, 1, 0}} {
			t.Run(fmt.Sprintf("%v,%v", act, s), func(t *testing.T) {
				testLayerNorm(t, s.draw(t, act), normTypes{x: act, act: act}, bindings.BF16, s.hidden, true)
			})
		}
	}
}

// A row of equal numbers has no differences, whatever the numbers are: its result is
// the bias, and so is that of a row of one.
func TestLayerNormConstantRows(t *testing.T) {
	for _, act := range acts {
		for _, hidden := range []int{1, 3, 100, 1408} {
			t.Run(fmt.Sprint(act, hidden), func(t *testing.T) {
				var x []float64
				for _, value := range []float64{0, 0.1, -1e4, 3e7, 1e-20} {
					for range hidden {
						x = append(x, Round(value, act))
					}
				}
				testLayerNorm(t, x, normTypes{x: act, act: act}, bindings.F32, hidden, false)
			})
		}
	}
}

func testLayerNorm(t *testing.T, x []float64, types normTypes, weightType bindings.DType, hidden int, inPlace bool) {
	const eps = 1e-5
	rng := newRand(t.Name() + " weights")
	weight, bias := random(rng, weightType, hidden), random(rng, weightType, hidden)
	want := LayerNorm(x, weight, bias, float64(float32(eps)), types.act)
	shape := []int64{int64(len(x) / hidden), int64(hidden)}
	onTargets(t, func(t *testing.T, r *rig) {
		a := bindings.LayerNormArgs{
			Eps:    eps,
			Weight: r.floats("weight", weightType, weight, int64(hidden)),
			Bias:   r.floats("bias", weightType, bias, int64(hidden)),
		}
		if inPlace {
			a.X = r.inout("x", types.x, x, shape...)
			a.Out = a.X
		} else {
			a.X = r.floats("x", types.x, x, shape...)
			a.Out = r.out("out", types.act, shape...)
		}
		require.NoError(t, r.stream.LayerNorm(&a))
		Compare(t, "out", r.read(a.Out), want)
	})
}

// The bound follows the differences: a large mean does not widen it.
func TestLayerNormBound(t *testing.T) {
	widest := func(mean float64) float64 {
		s := rowsOf{1, 1408, mean, 1, 0}
		ones := make([]float64, s.hidden)
		for i := range ones {
			ones[i] = 1
		}
		v := LayerNorm(s.draw(t, bindings.F32), ones, make([]float64, s.hidden), 1e-5, bindings.F32)
		return slices.Max(v.Tol)
	}
	require.InEpsilon(t, widest(0), widest(30000), 0.01)
}
