package optest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// groupedCase is one shape of a grouped matmul. rows is how many rows each expert
// has.
type groupedCase struct {
	name                            string
	tokens, k, n                    int
	rows                            []int
	layout                          bindings.Layout
	gather, scores, scatter, swiglu bool
}

var groupedCases = []groupedCase{
	{name: "one row", tokens: 1, k: 1, n: 1, rows: []int{1}},
	{name: "one token of 16 experts", tokens: 1, k: 64, n: 48, rows: []int{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		layout: kn, gather: true, scores: true, swiglu: true},
	{name: "plain", tokens: 12, k: 33, n: 3, rows: []int{4, 1, 7}},
	{name: "plain kn", tokens: 12, k: 33, n: 35, rows: []int{4, 1, 7}, layout: kn},
	{name: "empty experts", tokens: 9, k: 72, n: 100, rows: []int{0, 5, 0, 0, 4, 0}, layout: kn, gather: true, scores: true},
	{name: "all to one", tokens: 40, k: 100, n: 72, rows: []int{0, 0, 40, 0}, layout: kn, gather: true, scores: true, swiglu: true},
	{name: "no rows", tokens: 3, k: 8, n: 4, rows: []int{0, 0}, gather: true, scatter: true},
	{name: "gate and up", tokens: 10, k: 64, n: 66, rows: []int{3, 0, 7}, layout: kn, gather: true, scores: true, swiglu: true},
	{name: "gate and up nk", tokens: 10, k: 31, n: 66, rows: []int{3, 0, 7}, gather: true, scores: true, swiglu: true},
	{name: "down, scattered", tokens: 10, k: 33, n: 64, rows: []int{3, 0, 7}, layout: kn, scatter: true},
	{name: "down of two, scattered", tokens: 10, k: 64, n: 40, rows: []int{9, 1, 4, 6}, layout: kn, scatter: true},
	{name: "everything", tokens: 7, k: 40, n: 24, rows: []int{5, 0, 6, 3}, gather: true, scores: true, scatter: true, swiglu: true},
	{name: "many to few", tokens: 2, k: 16, n: 16, rows: []int{8, 8, 8}, layout: kn, gather: true, scatter: true, scores: true},
	{name: "wide", tokens: 70, k: 257, n: 130, rows: []int{33, 37}, layout: kn, gather: true, scores: true},
}

func TestGroupedMatmul(t *testing.T) {
	for _, c := range groupedCases {
		for _, m := range modes {
			t.Run(fmt.Sprintf("%s,%v", c.name, m), func(t *testing.T) { testGroupedMatmul(t, c, m) })
		}
	}
}

// draw makes the arguments of a case.
func (c groupedCase) draw(rng *rand.Rand, act bindings.DType) Grouped {
	g := Grouped{Offsets: []int32{0}, Tokens: c.tokens, SwiGLU: c.swiglu}
	rows := 0
	for _, n := range c.rows {
		rows += n
		g.Offsets = append(g.Offsets, int32(rows))
		g.Experts = append(g.Experts, matrix(rng, c.n, c.k, c.layout))
	}
	sources := rows
	if c.gather {
		sources = c.tokens
		g.Gather = []int32{}
		for range rows {
			g.Gather = append(g.Gather, int32(rng.IntN(c.tokens)))
		}
	}
	g.X = random(rng, act, sources*c.k)
	if c.scores {
		for range rows {
			g.RowScores = append(g.RowScores, float64(rng.Float32()))
		}
	}
	if c.scatter {
		g.Scatter = []int32{}
		for range rows {
			g.Scatter = append(g.Scatter, int32(rng.IntN(c.tokens))) // some tokens get none
		}
	}
	return g
}

// args places them.
func (c groupedCase) args(r *rig, m mode, g Grouped) bindings.GroupedMatmulArgs {
	rows := int64(g.Offsets[len(g.Offsets)-1])
	a := bindings.GroupedMatmulArgs{
		Compute: m.compute, SwiGLU: c.swiglu,
		X:       r.floats("x", m.act, g.X, int64(len(g.X)/c.k), int64(c.k)),
		Weight:  r.weight("weight", g.Experts...),
		Offsets: r.ints("offsets", g.Offsets, int64(len(g.Offsets))),
	}
	if len(g.Experts) == 1 {
		a.Weight.Data = a.Weight.Data.Reshape(append([]int64{1}, a.Weight.Data.Shape()...)...)
	}
	outRows, width := rows, int64(c.n)
	if c.swiglu {
		width /= 2
	}
	if g.Gather != nil {
		a.Gather = r.ints("gather", g.Gather, rows)
	}
	if g.RowScores != nil {
		a.RowScores = r.floats("row_scores", bindings.F32, g.RowScores, rows)
	}
	if g.Scatter != nil {
		a.Scatter = r.ints("scatter", g.Scatter, rows)
		outRows = int64(c.tokens)
	}
	a.Out = r.out("out", m.act, outRows, width)
	return a
}

func testGroupedMatmul(t *testing.T, c groupedCase, m mode) {
	g := c.draw(newRand(t.Name()), m.act)
	wants := make(map[Precision]Values)
	onTargets(t, func(t *testing.T, r *rig) {
		a := c.args(r, m, g)
		require.NoError(t, r.stream.GroupedMatmul(&a))
		p := m.precision(r.info)
		if _, ok := wants[p]; !ok {
			g.Precision = p
			wants[p] = GroupedMatmul(g)
		}
		Compare(t, "out", r.read(a.Out), wants[p])
	})
}
