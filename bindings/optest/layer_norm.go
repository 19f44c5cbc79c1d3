package optest

import (
	"math"
	"slices"

	"github.com/llama4go/llama4go/bindings"
)

// LayerNorm returns (x[t] - mean) / sqrt(variance + eps) * weight + bias for each row
// of x, which has as many columns as weight.
func LayerNorm(x, weight, bias []float64, eps float64, out bindings.DType) Values {
	hidden := len(weight)
	p := Precision{Out: out}
	v := newValues(len(x))
	for row := 0; row < len(x); row += hidden {
		centred, errs := differences(x[row : row+hidden])
		inverse, relative := inverseRMS(centred, errs, eps)
		for i, c := range centred {
			scaled := c * inverse * weight[i]
			want := scaled + bias[i]
			// Two products after the square root, and the sum with the bias.
			err := math.Abs(weight[i])*inverse*errs[i]*(1+relative) + math.Abs(scaled)*(relative+2*unit32)
			v.Want[row+i], v.Tol[row+i] = want, p.stored(want, err+unit32*(math.Abs(scaled)+math.Abs(bias[i])))
		}
	}
	return v
}

// differences returns x - mean(x), and how far off they may be in fp32. However large
// the mean is: sums are of the differences from an element of the row, which are as
// large as two differences from the mean at most.
func differences(x []float64) (centred, errs []float64) {
	n := float64(len(x))
	var mean float64
	for _, e := range x {
		mean += e / n
	}
	var average, largest float64
	for _, e := range x {
		centred = append(centred, e-mean)
		average += math.Abs(e-mean) / n
		largest = math.Max(largest, math.Abs(e-mean))
	}
	if slices.Max(x) == slices.Min(x) {
		return make([]float64, len(x)), make([]float64, len(x))
	}
	for _, c := range centred {
		// The difference from the element, n of which are summed; the mean of these is a
		// quotient, and taking it off is a difference again.
		errs = append(errs, unit32*((n+2)*(average+largest)+2*(math.Abs(c)+largest)))
	}
	return centred, errs
}
