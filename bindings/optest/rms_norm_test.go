package optest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

func TestRMSNorm(t *testing.T) {
	type size struct {
		tokens, hidden int
		scale          float64 // of x
	}
	for _, act := range acts {
		for _, weightType := range acts {
			for _, s := range []size{{1, 1, 1}, {3, 33, 1}, {40, 100, 1000}, {2, 5120, 1}, {5, 64, 1e-3}, {2, 8, 0}} {
				for _, add := range []bool{false, true} {
					name := fmt.Sprintf("%v,weight-%v,%v,add-%v", act, weightType, s, add)
					t.Run(name, func(t *testing.T) { testRMSNorm(t, act, weightType, s.tokens, s.hidden, s.scale, add) })
				}
			}
		}
	}
}

func testRMSNorm(t *testing.T, act, weightType bindings.DType, tokens, hidden int, scale float64, add bool) {
	rng := newRand(t.Name())
	scaled := func() []float64 {
		out := random(rng, act, tokens*hidden)
		for i := range out {
			out[i] = Round(out[i]*scale, act)
		}
		return out
	}
	x, branch := scaled(), scaled()
	weight := random(rng, weightType, hidden)
	const eps = 1e-5
	eps32 := float64(float32(eps))
	shape := []int64{int64(tokens), int64(hidden)}
	onTargets(t, func(t *testing.T, r *rig) {
		a := bindings.RMSNormArgs{
			Eps:    eps,
			Weight: r.floats("weight", weightType, weight, int64(hidden)),
			Out:    r.out("out", act, shape...),
		}
		if !add {
			a.X = r.floats("x", act, x, shape...)
			require.NoError(t, r.stream.RMSNorm(&a))
			Compare(t, "out", r.read(a.Out), RMSNorm(x, weight, eps32, act))
			return
		}
		a.X = r.inout("x", act, x, shape...)
		a.Add = r.floats("add", act, branch, shape...)
		require.NoError(t, r.stream.RMSNorm(&a))
		sum := r.read(a.X)
		Compare(t, "x", sum, Residual(x, branch, act))
		// The norm is that of the sum as it was stored.
		Compare(t, "out", r.read(a.Out), RMSNorm(widen(sum), weight, eps32, act))
	})
}
