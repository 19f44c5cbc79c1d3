package optest

import (
	"math"

	"github.com/llama4go/llama4go/bindings"
)

// Matrix is a weight matrix of N outputs and K inputs, in either layout.
type Matrix struct {
	Data   []float64
	N, K   int
	Layout bindings.Layout
}

// At returns the weight of input k in output n.
func (m Matrix) At(n, k int) float64 {
	if m.Layout == bindings.LayoutKN {
		return m.Data[k*m.N+n]
	}
	return m.Data[n*m.K+k]
}

// dot returns output n of the input x, and the sum of the absolute products.
func (m Matrix) dot(x []float64, n int) (sum, abs float64) {
	for k, e := range x {
		p := e * m.At(n, k)
		sum += p
		abs += math.Abs(p)
	}
	return sum, abs
}

// Matmul returns x W^T for the parts stacked along N, plus old where that is not
// nil: [T, sum of N].
func Matmul(x []float64, parts []Matrix, old []float64, p Precision) Values {
	var v Values
	k := parts[0].K
	for row := 0; row < len(x); row += k {
		for _, part := range parts {
			for n := range part.N {
				sum, abs := part.dot(x[row:row+k], n)
				err := p.product(k, abs, 0)
				if old != nil {
					before := old[len(v.Want)]
					sum += before
					err += unit32 * (math.Abs(before) + abs)
				}
				v.append(Values{Want: []float64{sum}, Tol: []float64{p.stored(sum, err)}})
			}
		}
	}
	return v
}
