package optest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

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
	{name: "tile edges", tokens: 60, k: 72, n: 144, rows: []int{1, 15, 16, 17, 0, 31, 33}, layout: kn, gather: true, scores: true, swiglu: true},
	{name: "tile edges nk", tokens: 60, k: 40, n: 144, rows: []int{16, 1, 63, 0, 65}, gather: true, scores: true, swiglu: true},
	{name: "many experts", tokens: 9, k: 40, n: 48, rows: few(128, 0, 31, 32, 32, 90, 127, 127), layout: kn, gather: true, scores: true, swiglu: true},
	{name: "an expert a row", tokens: 66, k: 16, n: 16, rows: slices.Repeat([]int{1}, 66), layout: kn, scatter: true},
	{name: "one row, scattered", tokens: 1, k: 520, n: 72, rows: []int{0, 1, 0}, layout: kn, scatter: true},
	{name: "two experts a token", tokens: 40, k: 64, n: 80, rows: []int{30, 21, 0, 29}, layout: kn, gather: true, scores: true, scatter: true, swiglu: true},
	{name: "large tiles", tokens: 256, k: 72, n: 512, rows: []int{126, 130}, layout: kn, gather: true, scores: true, swiglu: true},
	{name: "large tiles nk", tokens: 128, k: 136, n: 520, rows: []int{128}, scatter: true},
	{name: "many rows, scattered", tokens: 250, k: 24, n: 40, rows: []int{150, 0, 130, 40}, layout: kn, scatter: true},
	{name: "many tokens, scattered", tokens: 1100, k: 8, n: 3, rows: []int{200, 100}, scatter: true},
	{name: "many columns, scattered", tokens: 4, k: 8, n: 1033, rows: []int{3, 2}, scatter: true},
	// More tiles than a GPU has room for at a time, over experts of which many have none.
	{name: "several tiles a block", tokens: 300, k: 40, n: 1320, rows: spread(70, 300), layout: kn, gather: true, scores: true, swiglu: true},
	{name: "several tiles a block nk", tokens: 90, k: 72, n: 2600, rows: spread(33, 90), scatter: true},
	{name: "wide", tokens: 70, k: 257, n: 130, rows: []int{33, 37}, layout: kn, gather: true, scores: true},
}

// few returns the rows of n experts of which each of some has one row, or one each
// time that it is named.
func few(n int, experts ...int) []int {
	rows := make([]int, n)
	for _, e := range experts {
		rows[e]++
	}
	return rows
}

// fewGrouped are around the row counts up to which a GPU takes rows one by one: of one
// expert, of several, with empty ones between, and two rows a token.
func fewGrouped() []groupedCase {
	var cases []groupedCase
	for n := 1; n <= 9; n++ {
		for _, layout := range []bindings.Layout{nk, kn} {
			name := fmt.Sprint(n, " rows ", layout)
			one := []int{n}
			several := few(67, slices.Repeat([]int{0, 33, 33, 66}, 3)[:n]...)
			cases = append(cases,
				groupedCase{name: name + " of one expert", tokens: n, k: 72, n: 48, rows: one, layout: layout, scores: true},
				groupedCase{name: name + " of one expert, odd", tokens: n, k: 67, n: 70, rows: one, layout: layout, swiglu: true},
				groupedCase{name: name + " of several", tokens: 5, k: 328, n: 80, rows: several, layout: layout,
					gather: true, scores: true, swiglu: true},
				groupedCase{name: name + " of several, odd", tokens: 5, k: 33, n: 35, rows: several, layout: layout,
					gather: true, scores: true},
				groupedCase{name: name + ", two a token", tokens: (n + 1) / 2, k: 72, n: 40, rows: several, layout: layout, scatter: true},
				groupedCase{name: name + ", all of it", tokens: 3, k: 40, n: 80, rows: several, layout: layout,
					gather: true, scores: true, scatter: true, swiglu: true})
		}
	}
	// More tokens than rows: up to 64 have blocks of their own.
	for _, tokens := range []int{63, 64, 65} {
		cases = append(cases, groupedCase{name: fmt.Sprint("two rows to ", tokens), tokens: tokens, k: 16, n: 24,
			rows: []int{0, 1, 1}, layout: kn, scatter: true})
	}
	return cases
}

// spread returns rows of n experts: none for every third, else one more each time,
// until `rows` are given and the last has what is left.
func spread(n, rows int) []int {
	each := make([]int, n)
	for e := range each {
		if e%3 != 1 {
			each[e] = min(e/3, rows)
			rows -= each[e]
		}
	}
	each[n-1] += rows
	return each
}

func TestGroupedMatmul(t *testing.T) {
	cases := slices.Concat(groupedCases, fewGrouped())
	if testing.Short() {
		// What is there for the tiles of GPUs is left out, and the race detector is slow.
		cases = slices.DeleteFunc(slices.Clone(groupedCases), func(c groupedCase) bool {
			return (c.tokens+len(c.rows))*c.k*c.n > 1<<20
		})
	}
	for _, c := range cases {
		for _, m := range wideModes() {
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
func (c groupedCase) args(r *rig, m wideMode, g Grouped) bindings.GroupedMatmulArgs {
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
	a.Out = r.out("out", m.out, outRows, width)
	return a
}

func testGroupedMatmul(t *testing.T, c groupedCase, m wideMode) {
	compareGrouped(t, c, m, c.draw(newRand(t.Name()), m.act))
}

// compareGrouped runs a case with the arguments that it drew.
func compareGrouped(t *testing.T, c groupedCase, m wideMode, g Grouped) {
	wants := make(map[Precision]Values)
	onTargets(t, func(t *testing.T, r *rig) {
		a := c.args(r, m, g)
		r.ran(r.stream.GroupedMatmul(&a), m.act == bindings.F32)
		p := m.precision(r.info)
		if _, ok := wants[p]; !ok {
			g.Precision = p
			wants[p] = GroupedMatmul(g)
		}
		Compare(t, "out", r.read(a.Out), wants[p])
	})
}
