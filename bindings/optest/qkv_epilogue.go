package optest

import (
	"fmt"
	"math"

	"github.com/llama4go/llama4go/bindings"
)

// QKV are the sizes and switches of [QKVEpilogue].
type QKV struct {
	Heads, KVHeads, Dim int
	InvFreq             []float64 // nil: no rotation, unless there are angles
	Angles              []float64 // [positions, D/2]; nil: none
	Norm                bool
	Eps                 float64
	AttnScale           float64 // 0: no temperature
	FloorScale          float64
	Act, Cache          bindings.DType // of q, and of k and v
}

// QKVEpilogue returns q [T, Hq, D] and k and v [T, Hkv, D] of the tokens at
// positions, from the rows q, k, v of qkv. For a cache that is quantized k and v are
// what becomes so: see [QuantizedHead].
func QKVEpilogue(a QKV, qkv []float64, positions []int) (q, k, v Values) {
	width := (a.Heads + 2*a.KVHeads) * a.Dim
	for t, position := range positions {
		row := qkv[t*width : (t+1)*width]
		for h := range a.Heads + 2*a.KVHeads {
			head := row[h*a.Dim : (h+1)*a.Dim]
			switch {
			case h < a.Heads:
				q.append(a.turned(head, position, true))
			case h < a.Heads+a.KVHeads:
				k.append(a.turned(head, position, false))
			default:
				v.append(a.cached(head))
			}
		}
	}
	return q, k, v
}

// cached returns a head that nothing is computed of, as the cache has it.
func (a QKV) cached(head []float64) Values {
	if quantized(a.Cache) {
		return Exact(head)
	}
	return Rounded(head, a.Cache)
}

// quantized reports whether a cache of a type has scales.
func quantized(cache bindings.DType) bool { return cache == bindings.F8 || cache == bindings.I4 }

// QuantizedHead checks the scale and the numbers of a head that should be v, in F8 or
// I4. They must be those of some head within the bounds of v: where these are 0, of v.
func QuantizedHead(v Values, dtype bindings.DType, scale float64, numbers []float64) error {
	largest, err := extent(v.Want), extent(v.Tol)
	if math.IsNaN(largest) || math.IsInf(largest, 0) {
		for _, q := range numbers {
			if !math.IsNaN(scale * q) {
				return fmt.Errorf("%v times %v for a head that is not finite", scale, q)
			}
		}
		return nil
	}
	most := float32(448)
	round := func(x float64) float64 { return E4M3(EncodeE4M3(x)) }
	if dtype == bindings.I4 {
		most, round = 7, func(x float64) float64 { return max(-7, min(7, math.RoundToEven(x))) }
	}
	if low, high := headScale(largest-err, most), headScale(largest+err, most); !(low <= scale && scale <= high) {
		return fmt.Errorf("scale %v, want %v to %v", scale, low, high)
	}
	for i, q := range numbers {
		low := round(float64(float32(v.Want[i]-v.Tol[i]) / float32(scale)))
		high := round(float64(float32(v.Want[i]+v.Tol[i]) / float32(scale)))
		if !(low <= q && q <= high) {
			return fmt.Errorf("number %d is %v, want %v to %v: %v ± %v in %v", i, q, low, high, v.Want[i], v.Tol[i], scale)
		}
	}
	return nil
}

// headScale returns the scale of a head whose largest number is given.
func headScale(largest float64, most float32) float64 {
	if largest == 0 {
		return 1
	}
	return float64(float32(largest) / most)
}

func (v *Values) append(more Values) {
	v.Want = append(v.Want, more.Want...)
	v.Tol = append(v.Tol, more.Tol...)
}

// turned rotates, normalises and scales one head of q or k.
func (a QKV) turned(head []float64, position int, isQ bool) Values {
	scaled := isQ && a.AttnScale != 0
	dtype := a.Cache
	if isQ {
		dtype = a.Act
	}
	rotated := a.InvFreq != nil || a.Angles != nil
	if !rotated && !a.Norm && !scaled { // nothing is computed, so it is the same number
		if isQ {
			return Rounded(head, dtype)
		}
		return a.cached(head)
	}
	v := newValues(len(head))
	copy(v.Want, head)
	if rotated {
		a.rotate(v, position)
	}
	if a.Norm {
		inverse, relative := inverseRMS(v.Want, v.Tol, a.Eps)
		for i := range v.Want {
			v.Want[i] *= inverse
			v.Tol[i] = v.Tol[i]*inverse*(1+relative) + math.Abs(v.Want[i])*(relative+unit32)
		}
	}
	if scaled {
		logarithm := math.Log(1 + math.Floor((float64(position)+1)/a.FloorScale))
		temperature := 1 + a.AttnScale*logarithm
		// The logarithm, its product and its sum.
		err := math.Abs(a.AttnScale)*logarithm*(elementary+unit32) + math.Abs(temperature)*unit32
		for i := range v.Want {
			v.Tol[i] = v.Tol[i]*(math.Abs(temperature)+err) + math.Abs(v.Want[i])*err
			v.Want[i] *= temperature
			v.Tol[i] += math.Abs(v.Want[i]) * unit32
		}
	}
	if quantized(dtype) {
		return v
	}
	p := Precision{Out: dtype}
	for i := range v.Want {
		v.Tol[i] = p.stored(v.Want[i], v.Tol[i])
	}
	return v
}

// rotate turns the pairs (2i, 2i+1) by their angles at a position.
func (a QKV) rotate(v Values, position int) {
	for i := range a.Dim / 2 {
		angle, angleErr := a.angle(position, i)
		if angle == 0 {
			continue // sine and cosine are exactly 0 and 1
		}
		sin, cos := math.Sincos(angle)
		x, y := v.Want[2*i], v.Want[2*i+1]
		v.Want[2*i] = x*cos - y*sin
		v.Want[2*i+1] = x*sin + y*cos
		// An error of the angle turns the pair further. Sine and cosine are at most 1, so
		// their errors are absolute ones here.
		err := (angleErr + elementary + 3*unit32) * (math.Abs(x) + math.Abs(y))
		v.Tol[2*i], v.Tol[2*i+1] = err, err
	}
}

// angle returns by how much pair i turns at a position, and the error of that: where
// it is position * InvFreq[i], it is a product in fp32.
func (a QKV) angle(position, i int) (angle, err float64) {
	if a.Angles != nil {
		return a.Angles[position*a.Dim/2+i], 0
	}
	angle = float64(position) * a.InvFreq[i]
	return angle, math.Abs(angle) * unit32
}
