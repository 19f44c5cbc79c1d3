package optest

import (
	"math"

	"github.com/llama4go/llama4go/bindings"
)

// Residual returns x + add, rounded to the type of activations once.
func Residual(x, add []float64, act bindings.DType) Values {
	p := Precision{Out: act}
	v := newValues(len(x))
	for i := range x {
		v.Want[i] = x[i] + add[i]
		// The addition in fp32 and the rounding of its result.
		v.Tol[i] = p.stored(v.Want[i], unit32*math.Abs(v.Want[i]))
	}
	return v
}

// RMSNorm returns x[t] / sqrt(mean(x[t]^2) + eps) * weight for each row of x,
// which has as many columns as weight.
func RMSNorm(x, weight []float64, eps float64, act bindings.DType) Values {
	hidden := len(weight)
	p := Precision{Out: act}
	v := newValues(len(x))
	for row := 0; row < len(x); row += hidden {
		inverse, relative := inverseRMS(x[row:row+hidden], nil, eps)
		for i, w := range weight {
			v.Want[row+i] = x[row+i] * inverse * w
			// Two products after the square root.
			v.Tol[row+i] = p.stored(v.Want[row+i], math.Abs(v.Want[row+i])*(relative+2*unit32))
		}
	}
	return v
}

// inverseRMS returns 1/sqrt(mean(x^2) + eps) and its relative error, given the
// absolute errors of x, if any.
func inverseRMS(x, errs []float64, eps float64) (inverse, relative float64) {
	var sum, moved float64
	for i, e := range x {
		sum += e * e
		if errs != nil {
			moved += 2*math.Abs(e)*errs[i] + errs[i]*errs[i]
		}
	}
	n := float64(len(x))
	square := sum/n + eps
	// The squares are positive, so their sum is off by n roundings of itself; the
	// mean and eps are two more. The root halves relative errors.
	relative = ((n+3)*unit32 + moved/n/square) / 2
	return 1 / math.Sqrt(square), relative + elementary
}
