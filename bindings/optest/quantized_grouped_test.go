package optest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/llama4go/llama4go/bindings"
)

// quantizedGrouped are one row and few, which a GPU takes one by one, tiles of several
// experts, and empty experts between.
var quantizedGrouped = []groupedCase{
	{name: "one row", tokens: 1, k: 33, n: 6, rows: []int{0, 1}, gather: true, scores: true, swiglu: true},
	{name: "one row, scattered", tokens: 1, k: 136, n: 40, rows: []int{0, 1, 0}, scatter: true},
	{name: "plain", tokens: 12, k: 65, n: 35, rows: []int{4, 1, 7}},
	{name: "scores", tokens: 9, k: 96, n: 24, rows: []int{0, 5, 0, 0, 4, 0}, gather: true, scores: true},
	{name: "gate and up", tokens: 10, k: 128, n: 66, rows: []int{3, 0, 7}, gather: true, scores: true, swiglu: true},
	{name: "down of two, scattered", tokens: 10, k: 160, n: 40, rows: []int{9, 1, 4, 6}, scatter: true},
	{name: "everything", tokens: 7, k: 130, n: 24, rows: []int{5, 0, 6, 3}, gather: true, scores: true, scatter: true, swiglu: true},
	{name: "tile edges", tokens: 60, k: 40, n: 48, rows: []int{16, 1, 17, 0, 65}, gather: true, scores: true, swiglu: true},
}

// drawQuantized makes the arguments of a case with weights in a format.
func (c groupedCase) drawQuantized(rng *rand.Rand, act bindings.DType, f format) Grouped {
	g := c.draw(rng, act)
	g.X = uneven(rng, act, len(g.X)/c.k, c.k)
	for e := range g.Experts {
		g.Experts[e] = f.draw(rng, c.n, c.k)
	}
	return g
}

func TestGroupedMatmulQuantized(t *testing.T) {
	for _, f := range formats {
		for _, c := range quantizedGrouped {
			for _, m := range wideModes() {
				t.Run(fmt.Sprint(f, ",", c.name, ",", m), func(t *testing.T) {
					compareGrouped(t, c, m, c.drawQuantized(newRand(t.Name()), m.act, f))
				})
			}
		}
	}
}

// Many experts of few rows, as Maverick has them.
func TestGroupedMatmulQuantizedExperts(t *testing.T) {
	c := groupedCase{tokens: 9, k: 64, n: 48, rows: few(128, slices.Repeat([]int{0, 31, 32, 127}, 4)...),
		gather: true, scores: true, swiglu: true}
	for _, f := range formats[:3] {
		m := wideMode{mode{bindings.BF16, bindings.ComputeAuto}, bindings.BF16}
		t.Run(f.name, func(t *testing.T) {
			compareGrouped(t, c, m, c.drawQuantized(newRand(t.Name()), m.act, f))
		})
	}
}
