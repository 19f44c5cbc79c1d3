package optest

import (
	"fmt"
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
}

func TestMatmul(t *testing.T) {
	for _, p := range products {
		for _, m := range modes {
			t.Run(fmt.Sprintf("%+v,%v", p, m), func(t *testing.T) { testMatmul(t, p, m) })
		}
	}
}

func testMatmul(t *testing.T, p product, m mode) {
	rng := newRand(t.Name())
	x := random(rng, m.act, p.m*p.k)
	var parts []Matrix
	n := 0
	for i := range p.n {
		parts = append(parts, matrix(rng, p.n[i], p.k, p.layouts[i]))
		n += p.n[i]
	}
	var old []float64
	if p.accumulate {
		old = random(rng, m.act, p.m*n)
	}
	wants := make(map[Precision]Values) // one with and one without native bf16
	onTargets(t, func(t *testing.T, r *rig) {
		a := bindings.MatmulArgs{
			Compute: m.compute, Accumulate: p.accumulate,
			X: r.floats("x", m.act, x, int64(p.m), int64(p.k)),
		}
		if p.accumulate {
			a.Out = r.inout("out", m.act, old, int64(p.m), int64(n))
		} else {
			a.Out = r.out("out", m.act, int64(p.m), int64(n))
		}
		for i, part := range parts {
			a.Weights = append(a.Weights, r.weight(fmt.Sprintf("weight[%d]", i), part))
		}
		require.NoError(t, r.stream.Matmul(&a))
		precision := m.precision(r.info)
		if _, ok := wants[precision]; !ok {
			wants[precision] = Matmul(x, parts, old, precision)
		}
		Compare(t, "out", r.read(a.Out), wants[precision])
	})
}
