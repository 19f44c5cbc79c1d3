package optest

import (
	"math"

	"github.com/llama4go/llama4go/bindings"
)

// Matrix is a weight matrix of N outputs and K inputs, in either layout.
type Matrix struct {
	Data      []float64
	N, K      int
	Layout    bindings.Layout
	Quantized *Quantized // what Data is computed from; nil: it is bf16
}

// At returns the weight of input k in output n.
func (m Matrix) At(n, k int) float64 {
	if m.Layout == bindings.LayoutKN {
		return m.Data[k*m.N+n]
	}
	return m.Data[n*m.K+k]
}

// Linear are the arguments of [Matmul].
type Linear struct {
	X          []float64 // [T, K]
	Parts      []Matrix
	Bias       [][]float64 // one a part, nil where it has none; or nil
	Activation bindings.Activation
	Old        []float64 // [T, sum of N]: what is added to; or nil
	Precision
}

// Matmul returns activation(x W^T + bias) for the parts stacked along N, plus old:
// [T, sum of N].
func Matmul(a Linear) Values {
	var v Values
	k := a.Parts[0].K
	for row := 0; row < len(a.X); row += k {
		for i, part := range a.Parts {
			in := a.input(part, a.X[row:row+k], 1)
			for n := range part.N {
				want, err := a.element(in, i, n)
				if a.Old != nil {
					before := a.Old[len(v.Want)]
					err += unit32 * (math.Abs(before) + math.Abs(want) + err)
					want += before
				}
				v.append(Values{Want: []float64{want}, Tol: []float64{a.stored(want, err)}})
			}
		}
	}
	return v
}

// element returns output n of a part for a row of x.
func (a Linear) element(x input, part, n int) (want, err float64) {
	want, err, abs := a.times(x, a.Parts[part], n)
	if a.Bias != nil && a.Bias[part] != nil {
		bias := a.Bias[part][n]
		err += unit32 * (abs + math.Abs(bias))
		want += bias
	}
	if a.Activation == bindings.ActivationGELU {
		return gelu(want, err)
	}
	return want, err
}

// gelu returns x (1 + erf(x / sqrt(2))) / 2, and its error from that of x.
func gelu(x, xErr float64) (want, err float64) {
	want = x * math.Erfc(-x/math.Sqrt2) / 2
	if y := x + xErr; y < saturated {
		// The sum is 0 where erf is rounded first, and as small as it is where not. The
		// slope falls towards 0.
		slope := math.Erfc(-y/math.Sqrt2)/2 + math.Abs(y)*math.Exp(-y*y/2)
		return want, xErr*slope + math.Abs(want)
	}
	err = 1.13 * xErr // no slope is larger
	// The argument of erf is rounded twice, which moves erf by less than 2^-24; erf is not
	// exact, and its sum with 1 is rounded. Two products follow.
	return want, err + math.Abs(x)/2*(elementary+2*unit32) + 2*unit32*math.Abs(want) + tiny32
}

// saturated is where fp32 has no number but -1 near erf(x / sqrt(2)).
const saturated = -6
