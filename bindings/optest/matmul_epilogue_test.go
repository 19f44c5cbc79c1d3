package optest

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// epilogues are matmuls with biases and activations: for each row count that has its
// own kernel on a GPU, and for tiles that are whole and cut off.
func epilogues() []product {
	list := []product{
		{m: 1, k: 1, n: []int{1}, layouts: []bindings.Layout{nk}, biases: []bool{true}, gelu: true},
		{m: 3, k: 33, n: []int{40, 9, 8}, layouts: []bindings.Layout{nk, kn, nk}, biases: []bool{true, false, true}, accumulate: true},
		{m: 9, k: 40, n: []int{7, 16, 24}, layouts: []bindings.Layout{kn, kn, nk}, biases: []bool{false, true, false}, gelu: true},
		{m: 20, k: 72, n: []int{48, 16, 24, 33}, layouts: []bindings.Layout{kn, nk, kn, nk}, biases: []bool{true, true, true, true},
			gelu: true, accumulate: true},
		{m: 40, k: 264, n: []int{200, 8, 56}, layouts: []bindings.Layout{nk, nk, nk}, biases: []bool{true, true, true}},
		{m: 7, k: 72, n: []int{33}, layouts: []bindings.Layout{kn}, gelu: true},
		{m: 256, k: 72, n: []int{512}, layouts: []bindings.Layout{nk}, biases: []bool{true}, gelu: true},
		{m: 65, k: 200, n: []int{520}, layouts: []bindings.Layout{kn}, biases: []bool{true}, accumulate: true},
	}
	for _, m := range []int{1, 2, 4, 5, 8, 9, 17, 70, 130} {
		for _, layout := range []bindings.Layout{nk, kn} {
			list = append(list,
				product{m: m, k: 72, n: []int{72}, layouts: []bindings.Layout{layout}, biases: []bool{true}, gelu: true, accumulate: m%2 == 0},
				product{m: m, k: 35, n: []int{37}, layouts: []bindings.Layout{layout}, biases: []bool{true}, accumulate: m%2 == 1})
		}
	}
	return list
}

// unit is the matrix that changes nothing.
func unit(n int, layout bindings.Layout) Matrix {
	m := Matrix{Data: make([]float64, n*n), N: n, K: n, Layout: layout}
	for i := range n {
		m.Data[i*n+i] = 1
	}
	return m
}

// geluInputs are numbers of a type: all around where the function bends, and some as
// far out as fp32 goes. Extremes are for a row of their own, as a sum takes in all.
func geluInputs(dtype bindings.DType) (inputs []float64) {
	steps := 6000
	if dtype == bindings.BF16 {
		steps = 1500
	}
	for i := -steps; i <= steps; i++ {
		inputs = append(inputs, Round(9*float64(i)/float64(steps), dtype))
	}
	for exponent := -126.0; exponent < 127; exponent++ {
		inputs = append(inputs, math.Exp2(exponent), -math.Exp2(exponent))
	}
	for len(inputs)%8 != 0 {
		inputs = append(inputs, 0)
	}
	return inputs
}

// GELU itself, without the error of a product: x times the unit matrix is x.
func TestMatmulGELU(t *testing.T) {
	const k = 8
	for _, m := range wideModes() {
		for _, layout := range []bindings.Layout{nk, kn} {
			t.Run(fmt.Sprint(m, layout), func(t *testing.T) {
				dtype := m.act
				if m.compute != bindings.ComputeF32 {
					dtype = bindings.BF16 // what rounding leaves as it is
				}
				l := Linear{X: geluInputs(dtype), Parts: []Matrix{unit(k, layout)}, Activation: bindings.ActivationGELU}
				p := Precision{Out: m.out}
				var want Values
				for _, x := range l.X {
					y, err := gelu(x, 0)
					want.append(Values{Want: []float64{y}, Tol: []float64{p.stored(y, err)}})
				}
				onTargets(t, func(t *testing.T, r *rig) {
					a := l.args(r, m)
					r.ran(r.stream.Matmul(&a), m.act == bindings.F32)
					Compare(t, "out", r.read(a.Out), want)
					few := l
					few.X = l.X[:4*k]
					a = few.args(r, m)
					require.NoError(t, r.stream.Matmul(&a))
					Compare(t, "few rows", r.read(a.Out), Values{Want: want.Want[:4*k], Tol: want.Tol[:4*k]})
				})
			})
		}
	}
}

// What is no number, and infinities: as x (1 + erf(x / sqrt(2))) / 2 has them.
func TestMatmulGELUExtremes(t *testing.T) {
	m := wideMode{mode{bindings.BF16, bindings.ComputeF32}, bindings.F32}
	inf := math.Inf(1)
	for _, rows := range []int{3, 30} {
		for i, tt := range []struct{ x, want float64 }{
			{math.NaN(), math.NaN()}, {inf, inf}, {-inf, math.NaN()}, {0, 0},
			{-1e30, 0}, {1e30, Round(1e30, bindings.BF16)}, {-3e38, 0}, {-1e-40, Round(-5e-41, bindings.F32)},
		} {
			t.Run(fmt.Sprint(rows, tt.x), func(t *testing.T) {
				l := Linear{X: make([]float64, rows*8), Parts: []Matrix{unit(8, nk)}, Activation: bindings.ActivationGELU}
				x := Round(tt.x, bindings.BF16)
				// A bias makes it, as a product would make NaN of the zeros beside it.
				l.Bias = [][]float64{make([]float64, 8)}
				l.Bias[0][i%8] = x
				var want Values
				for range rows {
					row := newValues(8)
					row.Want[i%8], row.Tol[i%8] = tt.want, tiny32
					if tt.want > 1 {
						row.Tol[i%8] = 4 * unit32 * tt.want
					}
					want.append(row)
				}
				onTargets(t, func(t *testing.T, r *rig) {
					a := l.args(r, m)
					require.NoError(t, r.stream.Matmul(&a))
					Compare(t, "out", r.read(a.Out), want)
				})
			})
		}
	}
}

// The binding counts the biases.
func TestMatmulBiasCount(t *testing.T) {
	onTargets(t, func(t *testing.T, r *rig) {
		l := Linear{X: make([]float64, 8), Parts: []Matrix{unit(8, nk), unit(8, nk)}}
		a := l.args(r, wideMode{mode{bindings.BF16, bindings.ComputeAuto}, bindings.BF16})
		for _, n := range []int{1, 3, 5} {
			a.Bias = make([]bindings.Tensor, n)
			requireInvalid(t, r.stream.Matmul(&a), "matmul", fmt.Sprintf("bias: %d for 2 parts", n))
		}
	})
}
