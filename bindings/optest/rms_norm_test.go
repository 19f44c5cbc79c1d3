package optest

import (
	"fmt"
	"testing"

	"github.com/llama4go/llama4go/bindings"
)

func TestRMSNorm(t *testing.T) {
	type size struct {
		tokens, hidden int
		scale          float64 // of x
	}
	for _, m := range []normTypes{
		{bindings.F32, bindings.F32, bindings.F32}, {bindings.BF16, bindings.BF16, bindings.BF16},
		{bindings.F32, bindings.BF16, bindings.BF16}, {bindings.F32, bindings.F32, bindings.BF16},
	} {
		for _, weightType := range acts {
			for _, s := range []size{
				{1, 1, 1}, {3, 33, 1}, {40, 100, 1000}, {2, 5120, 1}, {5, 64, 1e-3}, {2, 8, 0},
				{2, 1536, 1}, {2, 1537, 1}, {1, 5121, 1}, {1, 7688, 1}, {1, 7681, 1},
			} {
				for _, with := range []normOptions{{}, {unrounded: true}, {add: true}, {add: true, unrounded: true}} {
					name := fmt.Sprintf("%+v,weight-%v,%v,%+v", m, weightType, s, with)
					t.Run(name, func(t *testing.T) { testRMSNorm(t, m, weightType, s.tokens, s.hidden, s.scale, with) })
				}
			}
		}
	}
}

// normTypes are the types of the residual stream, of what is added and of the result.
type normTypes struct{ x, add, act bindings.DType }

type normOptions struct{ add, unrounded bool }

func testRMSNorm(t *testing.T, m normTypes, weightType bindings.DType, tokens, hidden int, scale float64, with normOptions) {
	rng := newRand(t.Name())
	scaled := func(dtype bindings.DType) []float64 {
		out := random(rng, dtype, tokens*hidden)
		for i := range out {
			out[i] = Round(out[i]*scale, dtype)
		}
		return out
	}
	x, branch := scaled(m.x), scaled(m.add)
	weight := random(rng, weightType, hidden)
	const eps = 1e-5
	eps32 := float64(float32(eps))
	shape := []int64{int64(tokens), int64(hidden)}
	onTargets(t, func(t *testing.T, r *rig) {
		a := bindings.RMSNormArgs{
			Eps:    eps,
			Weight: r.floats("weight", weightType, weight, int64(hidden)),
			Out:    r.out("out", m.act, shape...),
		}
		check := func(x []float64) {
			Compare(t, "out", r.read(a.Out), RMSNorm(x, weight, eps32, m.act))
			if with.unrounded {
				unrounded := r.read(a.Unrounded)
				Compare(t, "unrounded", unrounded, RMSNorm(x, weight, eps32, bindings.F32))
				Compare(t, "out of unrounded", r.read(a.Out), Rounded(widen(unrounded), m.act))
			}
		}
		if with.unrounded {
			a.Unrounded = r.out("unrounded", bindings.F32, shape...)
		}
		if !with.add {
			a.X = r.floats("x", m.x, x, shape...)
			r.ran(r.stream.RMSNorm(&a), m.act == bindings.F32)
			check(x)
			return
		}
		a.X = r.inout("x", m.x, x, shape...)
		a.Add = r.floats("add", m.add, branch, shape...)
		r.ran(r.stream.RMSNorm(&a), m.act == bindings.F32)
		sum := r.read(a.X)
		Compare(t, "x", sum, Residual(x, branch, m.x))
		// The norm is that of the sum as it was stored.
		check(widen(sum))
	})
}
