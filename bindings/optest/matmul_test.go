package optest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

const (
	nk = bindings.LayoutNK
	kn = bindings.LayoutKN
)

// product is the shape of a matmul.
type product struct {
	m, k int
	// One output count and one layout a part.
	n          []int
	layouts    []bindings.Layout
	accumulate bool
	biases     []bool // which parts have one; or nil
	gelu       bool
}

var products = []product{
	{m: 1, k: 1, n: []int{1}, layouts: []bindings.Layout{nk}},
	{m: 1, k: 1, n: []int{1}, layouts: []bindings.Layout{kn}},
	{m: 1, k: 128, n: []int{96}, layouts: []bindings.Layout{nk}},
	{m: 1, k: 100, n: []int{72}, layouts: []bindings.Layout{kn}, accumulate: true},
	{m: 2, k: 33, n: []int{3}, layouts: []bindings.Layout{nk}, accumulate: true},
	{m: 3, k: 72, n: []int{1}, layouts: []bindings.Layout{kn}},
	{m: 5, k: 3, n: []int{100}, layouts: []bindings.Layout{kn}},
	{m: 7, k: 72, n: []int{33, 3}, layouts: []bindings.Layout{nk, nk}},
	{m: 4, k: 100, n: []int{40, 8, 8}, layouts: []bindings.Layout{nk, kn, nk}, accumulate: true},
	{m: 6, k: 64, n: []int{1, 2, 3, 4}, layouts: []bindings.Layout{kn, nk, kn, nk}},
	{m: 17, k: 513, n: []int{31}, layouts: []bindings.Layout{nk}},
	{m: 33, k: 257, n: []int{130}, layouts: []bindings.Layout{kn}},
	{m: 40, k: 64, n: []int{65}, layouts: []bindings.Layout{nk}, accumulate: true},
	{m: 65, k: 32, n: []int{48}, layouts: []bindings.Layout{kn}, accumulate: true},
	{m: 1, k: 5120, n: []int{5}, layouts: []bindings.Layout{nk}},
	{m: 2, k: 1500, n: []int{16}, layouts: []bindings.Layout{kn}},

	// Rows of multiples of 16 bytes, which a GPU loads whole: depths that fill a pipeline in part,
	// exactly and several times over.
	{m: 1, k: 8, n: []int{8}, layouts: []bindings.Layout{kn}},
	{m: 3, k: 64, n: []int{40}, layouts: []bindings.Layout{nk}},
	{m: 16, k: 448, n: []int{32}, layouts: []bindings.Layout{kn}},
	{m: 2, k: 512, n: []int{64}, layouts: []bindings.Layout{nk}, accumulate: true},
	{m: 9, k: 1160, n: []int{72}, layouts: []bindings.Layout{kn}},
	{m: 1, k: 584, n: []int{520}, layouts: []bindings.Layout{nk}},
	{m: 40, k: 392, n: []int{264}, layouts: []bindings.Layout{nk}},
	{m: 40, k: 264, n: []int{200, 8, 56}, layouts: []bindings.Layout{kn, kn, kn}},
	{m: 20, k: 40, n: []int{48, 16, 24}, layouts: []bindings.Layout{nk, kn, nk}, accumulate: true},
	// The largest tiles, in each layout, whole and cut off.
	{m: 256, k: 200, n: []int{512}, layouts: []bindings.Layout{nk}},
	{m: 250, k: 72, n: []int{520}, layouts: []bindings.Layout{kn}, accumulate: true},
	{m: 65, k: 200, n: []int{520}, layouts: []bindings.Layout{kn}},
	{m: 128, k: 72, n: []int{256, 264}, layouts: []bindings.Layout{nk, nk}, accumulate: true},
	// Two columns of out are stored at a time where they are aligned to two.
	{m: 3, k: 16, n: []int{3, 8, 5}, layouts: []bindings.Layout{nk, nk, nk}},
	{m: 18, k: 16, n: []int{33}, layouts: []bindings.Layout{nk}, accumulate: true},
}

// tileEdges are around the row counts that tiles have.
func tileEdges() []product {
	var edges []product
	for _, m := range []int{1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 300} {
		for _, layout := range []bindings.Layout{nk, kn} {
			edges = append(edges,
				product{m: m, k: 72, n: []int{136}, layouts: []bindings.Layout{layout}},
				product{m: m, k: 19, n: []int{37}, layouts: []bindings.Layout{layout}})
		}
	}
	return edges
}

// fewRows are around the row count up to which a GPU reads W once for all rows, in
// groups of 8 columns (NK) and 32 (KN), with depths around what its warps take at a
// time: 256 each (NK) and 64 (KN).
func fewRows() []product {
	var few []product
	for m := 1; m <= 9; m++ {
		for _, layout := range []bindings.Layout{nk, kn} {
			few = append(few,
				product{m: m, k: 328, n: []int{40}, layouts: []bindings.Layout{layout}, accumulate: m%2 == 0},
				product{m: m, k: 67, n: []int{35}, layouts: []bindings.Layout{layout}, accumulate: m%2 == 1},
				product{m: m, k: 48, n: []int{8, 33, 7}, layouts: []bindings.Layout{layout, layout, layout}},
				product{m: m, k: 24, n: []int{16, 32, 48, 8}, layouts: []bindings.Layout{layout, layout, layout, layout}, accumulate: true})
		}
	}
	for _, k := range []int{64, 72, 256, 264, 512, 520, 1024, 1032, 2056} {
		for _, layout := range []bindings.Layout{nk, kn} {
			few = append(few,
				product{m: 1, k: k, n: []int{64}, layouts: []bindings.Layout{layout}},
				product{m: 3, k: k + 1, n: []int{9}, layouts: []bindings.Layout{layout}})
		}
	}
	return few
}

func TestMatmul(t *testing.T) {
	for _, p := range slices.Concat(tileEdges(), fewRows(), products, epilogues()) {
		for _, m := range wideModes() {
			t.Run(fmt.Sprintf("%+v,%v", p, m), func(t *testing.T) { testMatmul(t, p, m) })
		}
	}
}

func testMatmul(t *testing.T, p product, m wideMode) {
	rng := newRand(t.Name())
	x := random(rng, m.act, p.m*p.k)
	l := Linear{X: x}
	n := 0
	for i := range p.n {
		l.Parts = append(l.Parts, matrix(rng, p.n[i], p.k, p.layouts[i]))
		n += p.n[i]
	}
	for i, has := range p.biases {
		l.Bias = append(l.Bias, nil)
		if has {
			l.Bias[i] = random(rng, bindings.F32, p.n[i])
		}
	}
	if p.gelu {
		l.Activation = bindings.ActivationGELU
	}
	if p.accumulate {
		l.Old = random(rng, m.out, p.m*n)
	}
	l.compare(t, m)
}

// compare runs the product on every target.
func (l Linear) compare(t *testing.T, m wideMode) {
	wants := make(map[Precision]Values) // one with and one without native bf16
	onTargets(t, func(t *testing.T, r *rig) {
		a := l.args(r, m)
		r.ran(r.stream.Matmul(&a), m.act == bindings.F32)
		l.Precision = m.precision(r.info)
		if _, ok := wants[l.Precision]; !ok {
			wants[l.Precision] = Matmul(l)
		}
		Compare(t, "out", r.read(a.Out), wants[l.Precision])
	})
}

// args places everything.
func (l Linear) args(r *rig, m wideMode) bindings.MatmulArgs {
	k, n := l.Parts[0].K, 0
	rows := int64(len(l.X) / k)
	a := bindings.MatmulArgs{
		Compute: m.compute, Accumulate: l.Old != nil, Activation: l.Activation,
		X: r.floats("x", m.act, l.X, rows, int64(k)),
	}
	for i, part := range l.Parts {
		a.Weights = append(a.Weights, r.weight(fmt.Sprintf("weight[%d]", i), part))
		n += part.N
	}
	for i, bias := range l.Bias {
		var tensor bindings.Tensor
		if bias != nil {
			tensor = r.floats(fmt.Sprintf("bias[%d]", i), bindings.F32, bias, int64(len(bias)))
		}
		a.Bias = append(a.Bias, tensor)
	}
	if l.Old != nil {
		a.Out = r.inout("out", m.out, l.Old, rows, int64(n))
	} else {
		a.Out = r.out("out", m.out, rows, int64(n))
	}
	return a
}

// Tensors are aligned to their elements, no more.
func TestMatmulUnaligned(t *testing.T) {
	for _, m := range []int64{2, 5} {
		for _, layout := range []bindings.Layout{nk, kn} {
			for _, shifted := range []string{"x", "weight", "out"} {
				for _, out := range acts {
					t.Run(fmt.Sprint(m, layout, shifted, out), func(t *testing.T) { testUnaligned(t, m, layout, shifted, out) })
				}
			}
		}
	}
}

func testUnaligned(t *testing.T, m int64, layout bindings.Layout, shifted string, out bindings.DType) {
	const k, n = 32, 24
	rng := newRand(t.Name())
	x, w := random(rng, bindings.BF16, int(m)*k), matrix(rng, n, k, layout)
	onTargets(t, func(t *testing.T, r *rig) {
		// shift views a tensor of one more element than the shape from the second on.
		shift := func(name string, whole bindings.Tensor, shape ...int64) bindings.Tensor {
			tensor := whole.Buffer.Tensor(whole.DType, shape...)
			tensor.Offset = whole.Offset
			if name == shifted {
				tensor.Offset += whole.DType.Size()
			}
			return tensor
		}
		longer := func(name string, values []float64) []float64 {
			if name == shifted {
				return append([]float64{0}, values...)
			}
			return append(values[:len(values):len(values)], 0)
		}
		weight := r.weight("weight", w)
		weight.Data = shift("weight", r.floats("weight", bindings.BF16, longer("weight", w.Data), n*k+1),
			weight.Data.Shape()...)
		a := bindings.MatmulArgs{
			X:       shift("x", r.floats("x", bindings.BF16, longer("x", x), m*k+1), m, k),
			Weights: []bindings.Weight{weight},
			Out:     shift("out", r.out("out", out, m*n+1), m, n),
		}
		require.NoError(t, r.stream.Matmul(&a))
		p := wideMode{mode{bindings.BF16, bindings.ComputeAuto}, out}.precision(r.info)
		Compare(t, "out", r.read(a.Out), Matmul(Linear{X: x, Parts: []Matrix{w}, Precision: p}))
	})
}

// A GPU's tiles differ in speed only: each computes an element in the same order. Up
// to four rows have no tiles.
func TestMatmulTiles(t *testing.T) {
	const most, k, n = 250, 104, 520
	for _, layout := range []bindings.Layout{nk, kn} {
		t.Run(layout.String(), func(t *testing.T) {
			rng := newRand(t.Name())
			x, w := random(rng, bindings.BF16, most*k), matrix(rng, n, k, layout)
			onTargets(t, func(t *testing.T, r *rig) {
				a := bindings.MatmulArgs{
					X:       r.floats("x", bindings.BF16, x, most, k),
					Weights: []bindings.Weight{r.weight("weight", w)},
					Out:     r.out("out", bindings.BF16, most, n),
				}
				require.NoError(t, r.stream.Matmul(&a))
				together := r.bytes(a.Out)
				part := r.out("part", bindings.BF16, most, n)
				for _, rows := range []int64{5, 16, 17, 33, 65, 129} {
					b := a
					b.X, b.Out = a.X.Rows(most-rows, most), part.Rows(0, rows)
					require.NoError(t, r.stream.Matmul(&b))
					require.Equal(t, together[(most-rows)*n*2:], r.bytes(b.Out), "%d rows", rows)
				}
			})
		})
	}
}
