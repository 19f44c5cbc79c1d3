package optest

import (
	"fmt"
	"testing"

	"github.com/llama4go/llama4go/bindings"
)

func TestSwiGLU(t *testing.T) {
	for _, act := range acts {
		for _, size := range []struct{ tokens, f int }{{1, 1}, {3, 33}, {7, 128}, {64, 100}, {2, 1025}, {2, 1032}} {
			t.Run(fmt.Sprint(act, size), func(t *testing.T) {
				rng := newRand(t.Name())
				gateUp := random(rng, act, size.tokens*2*size.f)
				for i := range gateUp {
					gateUp[i] = Round(gateUp[i]*4, act)
				}
				testSwiGLU(t, act, gateUp, size.tokens, size.f)
			})
		}
		// Where the exponential leaves fp32, on both sides.
		t.Run(fmt.Sprint(act, " extremes"), func(t *testing.T) {
			gates := []float64{0, 17, -17, 87, -87, 88.5, -88.5, 90, -90, 104, -104, 150, -150, 1e4, -1e4, 1e30, -1e30, 1e-30}
			gateUp := make([]float64, 2*len(gates))
			for i, g := range gates {
				gateUp[i], gateUp[len(gates)+i] = Round(g, act), Round(1.5, act)
			}
			testSwiGLU(t, act, gateUp, 1, len(gates))
		})
	}
}

func testSwiGLU(t *testing.T, act bindings.DType, gateUp []float64, tokens, f int) {
	want := SwiGLU(gateUp, f, act)
	onTargets(t, func(t *testing.T, r *rig) {
		a := bindings.SwiGLUArgs{
			GateUp: r.floats("gate_up", act, gateUp, int64(tokens), int64(2*f)),
			Out:    r.out("out", act, int64(tokens), int64(f)),
		}
		r.ran(r.stream.SwiGLU(&a), act == bindings.F32)
		Compare(t, "out", r.read(a.Out), want)
	})
}
