package optest

import (
	"math"

	"github.com/llama4go/llama4go/bindings"
)

// Quantize returns a matrix in F8 or I4. All of it is single operations of fp32, so
// there is one right result. A group that is not finite is NaN in all that it has.
func Quantize(w Matrix, dtype bindings.DType, group int, scaleType bindings.DType) *Quantized {
	q := &Quantized{DType: dtype, N: w.N, K: w.K, Group: group, ScaleType: scaleType}
	for n := range w.N {
		for from := 0; from < w.K; from += group {
			var values []float64
			for k := from; k < min(from+group, w.K); k++ {
				values = append(values, w.At(n, k))
			}
			scale := q.scale(values)
			q.Scale = append(q.Scale, scale)
			for _, v := range values {
				q.Q = append(q.Q, q.number(v, scale))
			}
		}
	}
	return q
}

// scale returns the scale of a group, as it is stored.
func (q *Quantized) scale(values []float64) float64 {
	largest := float32(extent(values))
	switch {
	case math.IsInf(float64(largest), 0) || largest != largest:
		return math.NaN()
	case q.DType == bindings.I4:
		return Round(float64(max(largest, 1e-6)/8), q.ScaleType)
	case largest == 0:
		return 1
	}
	return Round(float64(largest/448), q.ScaleType)
}

// number returns the number of a weight.
func (q *Quantized) number(w, scale float64) float64 {
	x := float64(float32(w) / float32(scale))
	if q.DType == bindings.F8 {
		return E4M3(EncodeE4M3(x))
	}
	return max(-8, min(7, math.RoundToEven(x)))
}
