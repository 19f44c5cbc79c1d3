package optest

import (
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
// positions, from the rows q, k, v of qkv.
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
				v.append(Rounded(head, a.Cache))
			}
		}
	}
	return q, k, v
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
	if !rotated && !a.Norm && !scaled {
		return Rounded(head, dtype) // nothing is computed, so it is the same number
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
