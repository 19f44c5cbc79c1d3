package optest

import (
	"math"

	"github.com/llama4go/llama4go/bindings"
)

// SwiGLU returns silu(gate) * up for rows of f gates and f ups: [T, f].
func SwiGLU(gateUp []float64, f int, act bindings.DType) Values {
	p := Precision{Out: act}
	var v Values
	for row := 0; row < len(gateUp); row += 2 * f {
		for i := range f {
			want, err := gated(gateUp[row+i], 0, gateUp[row+f+i], 0)
			v.append(Values{Want: []float64{want}, Tol: []float64{p.stored(want, err)}})
		}
	}
	return v
}

// gated returns silu(gate) * up, and its error from those of its operands.
func gated(gate, gateErr, up, upErr float64) (want, err float64) {
	silu := gate / (1 + math.Exp(-gate))
	want = silu * up
	// The slope of silu is below 1.1 everywhere. The exponential, a sum, a quotient
	// and a product are rounded. Where the exponential is beyond fp32 the sigmoid may
	// be flushed to zero or clamped at the smallest normal number.
	siluErr := 1.1*gateErr + math.Abs(silu)*(elementary+3*unit32) + math.Abs(gate)*2*tiny32
	return want, siluErr*(math.Abs(up)+upErr) + math.Abs(silu)*upErr + math.Abs(want)*unit32
}
