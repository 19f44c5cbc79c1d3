package optest

import "math"

// LogSoftmax returns x[r] - log(sum(exp(x[r]))) for rows of n.
func LogSoftmax(x []float64, n int) Values {
	v := newValues(len(x))
	for start := 0; start < len(x); start += n {
		row := x[start : start+n]
		largest := math.Inf(-1)
		for _, e := range row {
			largest = math.Max(largest, e)
		}
		var sum, moved float64
		for _, e := range row {
			if p := math.Exp(e - largest); p > 0 {
				sum += p
				moved += p * (largest - e) * unit32 // the rounding of an exponent
			}
		}
		logarithm := math.Log(sum)
		// Exponentials, n sums and the logarithm: relative to the sum, so absolute
		// in its logarithm.
		err := moved/sum + float64(n)*unit32 + 2*elementary + logarithm*unit32
		for i, e := range row {
			want := e - largest - logarithm
			v.Want[start+i] = want
			if !math.IsInf(want, 0) {
				// The largest may be subtracted first or added to the logarithm.
				v.Tol[start+i] = err + unit32*(2*math.Abs(want)+math.Abs(largest)+math.Abs(e-largest))
			}
		}
	}
	return v
}
