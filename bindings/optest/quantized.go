package optest

import (
	"math"
	"sort"

	"github.com/llama4go/llama4go/bindings"
)

// Quantized is what a matrix of F8, I8 or I4 is made of:
// W[n, k] = Scale[n, g] Q[n, k] + Offset[n, g] with g = k / Group.
type Quantized struct {
	DType       bindings.DType
	N, K, Group int
	Q           []float64      // [N, K], numbers of DType
	ScaleType   bindings.DType // of Scale and Offset
	Scale       []float64      // [N, G]
	Offset      []float64      // [N, G]; nil: 0
	Activations bindings.Activations
	Limit       float64
	sizes       []float64 // [N, K], the sums of the absolute terms of the weights
}

// Groups returns G, how many groups a row has.
func (q *Quantized) Groups() int { return (q.K + q.Group - 1) / q.Group }

// Matrix returns the weights themselves.
func (q *Quantized) Matrix() Matrix {
	m := Matrix{Data: make([]float64, q.N*q.K), N: q.N, K: q.K, Quantized: q}
	q.sizes = make([]float64, q.N*q.K)
	for i := range m.Data {
		scaled, offset := q.terms(i/q.K, i%q.K)
		m.Data[i] = scaled + offset
		q.sizes[i] = math.Abs(scaled) + math.Abs(offset)
	}
	return m
}

// terms returns the two terms of a weight.
func (q *Quantized) terms(n, k int) (scaled, offset float64) {
	g := n*q.Groups() + k/q.Group
	if q.Offset != nil {
		offset = q.Offset[g]
	}
	return q.Scale[g] * q.Q[n*q.K+k], offset
}

// size returns the sum of the absolute terms of a weight.
func (m Matrix) size(n, k int) float64 {
	if m.Quantized == nil {
		return math.Abs(m.At(n, k))
	}
	return m.Quantized.sizes[n*m.K+k]
}

// input is a row of x as a product takes it.
type input struct {
	x []float64
	// slack is how far from x each may be, nil for nowhere: it does not shrink with the
	// precision of sums.
	slack     []float64
	roundings float64 // of each product, beside that of a sum of products
}

// quantizedRoundings are those of a product with a quantized weight in fp32: the scale
// of x times its number, the scale of W times its own, or the two scales and their
// products with a partial sum; the offset added, or its product with the sum of x; and
// the partial sums of groups added.
const quantizedRoundings = 6

// input makes x, times a score, ready for a matrix. Only a score that is not 1 is
// rounded with.
func (p Precision) input(m Matrix, x []float64, score float64) input {
	in := input{x: make([]float64, len(x))}
	for k := range x {
		in.x[k] = x[k] * score
	}
	if score != 1 {
		in.roundings = 1
	}
	q := m.Quantized
	if q == nil {
		if p.BF16 {
			in.round(unit16)
		}
		return in
	}
	in.roundings += quantizedRoundings
	switch {
	case q.Activations != bindings.ActivationsPlain:
		in.toF8(q)
	case p.Int8 && q.DType != bindings.F8:
		in.toInt8()
	case p.BF16 && score != 1:
		in.round(unit16)
	case p.BF16:
		for k := range in.x {
			in.x[k] = Round(in.x[k], bindings.BF16)
		}
	}
	return in
}

// round allows every number an error relative to it.
func (in *input) round(unit float64) {
	in.slack = make([]float64, len(in.x))
	for k, e := range in.x {
		in.slack[k] = unit * math.Abs(e)
	}
}

// toF8 fake-quantizes the row. Scale and quotient are single operations of fp32 on
// numbers that are given, so that there is one right number of F8.
func (in *input) toF8(q *Quantized) {
	group := len(in.x)
	if q.Activations == bindings.ActivationsF8Group {
		group = q.Group
	}
	for from := 0; from < len(in.x); from += group {
		x := in.x[from:min(from+group, len(in.x))]
		scale := float32(q.Limit)
		if q.Activations != bindings.ActivationsF8Tensor {
			scale = f8Scale(x, q.Limit)
		}
		for k, e := range x {
			if scale != 0 { // else all are 0
				x[k] = float64(scale) * E4M3(EncodeE4M3(float64(float32(e)/scale)))
			}
		}
	}
}

// f8Scale returns min(max |x|, limit) / 448 in fp32.
func f8Scale(x []float64, limit float64) float32 {
	largest := extent(x)
	if limit != 0 && !math.IsNaN(largest) {
		largest = math.Min(largest, limit)
	}
	return float32(largest) / 448
}

// toInt8 quantizes each 32 values to multiples of a 127th of the largest. Scale and
// quotient are rounded, in whatever order, so that a number may fall to either side
// of a tie.
func (in *input) toInt8() {
	const values, tie = 32, 127 * 4 * unit32
	in.slack = make([]float64, len(in.x))
	for from := 0; from < len(in.x); from += values {
		x := in.x[from:min(from+values, len(in.x))]
		scale := extent(x) / 127
		for k, e := range x {
			if scale == 0 {
				continue
			}
			whole := math.RoundToEven(e / scale)
			x[k] = scale * whole
			if math.Abs(math.Abs(e/scale-whole)-0.5) < tie {
				in.slack[from+k] = scale
			}
		}
	}
}

// extent returns max |x|.
func extent(x []float64) float64 {
	most := 0.0
	for _, e := range x {
		most = max(most, math.Abs(e)) // NaN if one is
	}
	return most
}

// times returns output n of a row, its error before it is stored, and the sum of the
// absolute products.
func (p Precision) times(in input, m Matrix, n int) (want, err, abs float64) {
	for k, e := range in.x {
		want += e * m.At(n, k)
		size := m.size(n, k)
		abs += math.Abs(e) * size
		if in.slack != nil {
			err += in.slack[k] * size
		}
	}
	return want, err + p.sum(len(in.x), abs, in.roundings), abs
}

// E4M3 returns the number that a byte of F8 is.
func E4M3(code byte) float64 {
	size := uint64(code & 0x7f)
	x := math.Float64frombits((1023-7)<<52 + size<<49) // 4 bits of exponent, 3 of fraction
	switch {
	case size == 0x7f:
		return math.NaN()
	case size < 8: // no implicit bit
		x = float64(size) / 512
	}
	if code&0x80 != 0 {
		return math.Copysign(x, -1)
	}
	return x
}

// EncodeE4M3 returns the byte of the nearest number of F8, ties to even; beyond the
// largest it is that.
func EncodeE4M3(x float64) byte {
	const most = 0x7e
	if math.IsNaN(x) {
		return 0x7f
	}
	var sign byte
	if math.Signbit(x) {
		sign = 0x80
	}
	x = math.Abs(x)
	above := byte(sort.Search(most, func(i int) bool { return E4M3(byte(i)) >= x }))
	if above == 0 {
		return sign
	}
	low, high := x-E4M3(above-1), E4M3(above)-x
	if low < high || low == high && above%2 == 1 {
		above--
	}
	return sign | above
}

// pack returns the bytes of rows of k numbers that a type holds.
func pack(dtype bindings.DType, values []float64, k int) []byte {
	var out []byte
	for i, v := range values {
		switch dtype {
		case bindings.F8:
			out = append(out, EncodeE4M3(v))
		case bindings.I8:
			out = append(out, byte(int8(v)))
		default:
			if nibble := byte(v + 8); i%k%2 == 0 {
				out = append(out, nibble)
			} else {
				out[len(out)-1] |= nibble << 4
			}
		}
	}
	return out
}
