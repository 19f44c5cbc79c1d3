package optest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/x448/float16"

	"github.com/llama4go/llama4go/bindings"
)

// scaleTypes are the types that scales may have.
var scaleTypes = []bindings.DType{bindings.F32, bindings.BF16, bindings.F16}

// quantizeCase is a stack of weights, or one for 0 experts.
type quantizeCase struct {
	experts, n, k, group int
}

var quantizeCases = []quantizeCase{
	{0, 1, 1, 1}, {0, 1, 1, 128}, {0, 3, 31, 7}, {0, 5, 32, 32}, {0, 65, 64, 16}, {0, 8, 256, 128}, {0, 33, 300, 128},
	{0, 7, 129, 64}, {0, 70, 130, 130}, {0, 2, 700, 1000}, {0, 9, 65, 1}, {2, 3, 33, 33}, {3, 20, 136, 32}, {1, 66, 96, 48},
	{5, 1, 5, 3}, {0, 4, 1027, 512}, {0, 4, 1027, 1 << 40},
}

func TestQuantize(t *testing.T) {
	for _, c := range quantizeCases {
		for _, dtype := range []bindings.DType{bindings.F8, bindings.I4} {
			for _, scale := range scaleTypes {
				for _, layout := range []bindings.Layout{nk, kn} {
					t.Run(fmt.Sprint(c, dtype, scale, layout), func(t *testing.T) {
						testQuantize(t, c, dtype, scale, layout)
					})
				}
			}
		}
	}
}

func testQuantize(t *testing.T, c quantizeCase, dtype, scale bindings.DType, layout bindings.Layout) {
	rng := newRand(t.Name())
	weights := []Matrix{quantizable(rng, c, layout)}
	for len(weights) < c.experts {
		weights = append(weights, quantizable(rng, c, layout))
	}
	onTargets(t, func(t *testing.T, r *rig) {
		a := c.args(r, dtype, scale, weights)
		r.ran(r.stream.Quantize(&a), false)
		data, scales := r.bytes(a.Out.Data), r.numbers(a.Out.Scale)
		for _, w := range weights {
			want := Quantize(w, dtype, min(c.group, c.k), scale)
			row, groups := int(dtype.RowBytes(int64(c.k))), want.Groups()
			for n := range c.n {
				what := fmt.Sprintf("row %d", n)
				requireQuantized(t, what, want, n, data[n*row:(n+1)*row], scales[n*groups:(n+1)*groups])
			}
			data, scales = data[c.n*row:], scales[c.n*groups:]
		}
	})
}

// args places a case.
func (c quantizeCase) args(r *rig, dtype, scale bindings.DType, weights []Matrix) bindings.QuantizeArgs {
	groups := (c.k-1)/c.group + 1
	shape, scales := []int64{int64(c.n), int64(c.k)}, []int64{int64(c.n), int64(groups)}
	a := bindings.QuantizeArgs{X: r.weight("x", weights...)}
	if c.experts > 0 {
		shape, scales = append([]int64{int64(c.experts)}, shape...), append([]int64{int64(c.experts)}, scales...)
		if c.experts == 1 {
			a.X.Data = a.X.Data.Reshape(append([]int64{1}, a.X.Data.Shape()...)...)
		}
	}
	a.Out = bindings.Weight{
		Data: r.out("out", dtype, shape...), Group: int64(c.group), Scale: r.out("out.scale", scale, scales...),
	}
	return a
}

// quantizable draws weights whose groups are of many sizes: zeros, zeros of both signs,
// the smallest and largest that fp16 has scales for, those at the floor of I4, ties,
// and groups with one that is no number or infinite.
func quantizable(rng *rand.Rand, c quantizeCase, layout bindings.Layout) Matrix {
	m := Matrix{Data: make([]float64, c.n*c.k), N: c.n, K: c.k, Layout: layout}
	for n := range c.n {
		for from := 0; from < c.k; from += min(c.group, c.k) {
			end := min(from+min(c.group, c.k), c.k)
			size := math.Ldexp(1, rng.IntN(24)-12)
			kind := rng.IntN(12)
			for k := from; k < end; k++ {
				v := size * rng.NormFloat64()
				switch kind {
				case 0:
					v = 0
				case 1:
					v = math.Copysign(0, rng.Float64()-0.5)
				case 2:
					v = 1e-6 * float64(rng.IntN(5)-2) // about the floor, and 0
				case 3:
					v = size * float64(rng.IntN(33)-16) / 16 // ties of I4 where 1 is the largest
				case 4:
					v = size * float64(rng.IntN(57)-28) * 16 // and of F8 where 448 is
				}
				m.Data[m.index(n, k)] = Round(v, bindings.BF16)
			}
			odd := m.index(n, from+rng.IntN(end-from))
			switch kind {
			case 3:
				m.Data[odd] = size
			case 4:
				m.Data[odd] = -448 * size
			case 5:
				m.Data[odd] = []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[rng.IntN(3)]
			}
		}
	}
	return m
}

// index returns where a weight is in Data.
func (m Matrix) index(n, k int) int {
	if m.Layout == kn {
		return k*m.N + n
	}
	return n*m.K + k
}

// numbers returns a tensor of any floating-point type.
func (r *rig) numbers(tensor bindings.Tensor) []float64 {
	r.t.Helper()
	if tensor.DType != bindings.F16 {
		return widen(r.read(tensor))
	}
	halves := make([]float16.Float16, tensor.Elements())
	require.NoError(r.t, bindings.Read(r.stream, tensor, halves))
	out := make([]float64, len(halves))
	for i, h := range halves {
		out[i] = float64(h.Float32())
	}
	return out
}

// requireQuantized checks the bytes and the scales of a row. In a group that is NaN
// only that is looked at; where a scale is too small for its type, which makes all
// weights 0, only that none is NaN; and never at what fills the last byte of a row.
func requireQuantized(t *testing.T, what string, want *Quantized, n int, data []byte, scales []float64) {
	t.Helper()
	codes := pack(want.DType, want.Q[n*want.K:(n+1)*want.K], want.K)
	for g, got := range scales {
		scale := want.Scale[n*want.Groups()+g]
		if math.IsNaN(scale) {
			require.True(t, want.DType == bindings.F8 || math.IsNaN(got), "%s, group %d: scale %v of NaN", what, g, got)
		} else {
			require.Equal(t, scale, got, "%s: scale of group %d", what, g)
		}
		for k := g * want.Group; k < min((g+1)*want.Group, want.K); k++ {
			wantCode, gotCode := code(want.DType, codes, k), code(want.DType, data, k)
			if scale != 0 && !math.IsNaN(scale) {
				require.Equal(t, wantCode, gotCode, "%s: value %d", what, k)
			} else if want.DType == bindings.F8 {
				require.Equal(t, math.IsNaN(scale), gotCode&0x7f == 0x7f, "%s: value %d with scale %v", what, k, scale)
			}
		}
	}
}

// code returns the bits of one number of a row.
func code(dtype bindings.DType, row []byte, k int) byte {
	if dtype == bindings.I4 {
		return row[k/2] >> (k % 2 * 4) & 15
	}
	return row[k]
}

// What is quantized on the device is what matmul computes with.
func TestQuantizeThenMatmul(t *testing.T) {
	c := quantizeCase{0, 40, 136, 32}
	for _, dtype := range []bindings.DType{bindings.F8, bindings.I4} {
		for _, layout := range []bindings.Layout{nk, kn} {
			t.Run(fmt.Sprint(dtype, layout), func(t *testing.T) {
				rng := newRand(t.Name())
				w, x := matrix(rng, c.n, c.k, layout), random(rng, bindings.BF16, 3*c.k)
				onTargets(t, func(t *testing.T, r *rig) {
					a := c.args(r, dtype, bindings.BF16, []Matrix{w})
					r.ran(r.stream.Quantize(&a), false)
					m := bindings.MatmulArgs{
						Weights: []bindings.Weight{a.Out}, X: r.floats("x", bindings.BF16, x, 3, int64(c.k)),
						Out: r.out("out", bindings.F32, 3, int64(c.n)),
					}
					r.ran(r.stream.Matmul(&m), false)
					p := wideMode{mode{bindings.BF16, bindings.ComputeAuto}, bindings.F32}.precision(r.info)
					want := Matmul(Linear{X: x, Parts: []Matrix{Quantize(w, dtype, c.group, bindings.BF16).Matrix()}, Precision: p})
					Compare(t, "out", r.read(m.Out), want)
				})
			})
		}
	}
}
