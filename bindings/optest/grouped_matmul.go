package optest

import "math"

// Grouped are the arguments of [GroupedMatmul].
type Grouped struct {
	X         []float64 // [T, K] with Gather, else [R, K]
	Experts   []Matrix  // one an expert
	Offsets   []int32   // [E+1]
	Gather    []int32   // [R]; nil: row r is x[r]
	RowScores []float64 // [R]; nil: 1
	Scatter   []int32   // [R]; nil: out[r] is row r
	Tokens    int       // rows of the output with Scatter
	SwiGLU    bool
	Precision
}

// GroupedMatmul returns the rows of each expert times its matrix, scaled before
// and gated and summed after as the arguments say.
func GroupedMatmul(g Grouped) Values {
	k, width := g.Experts[0].K, g.Experts[0].N
	if g.SwiGLU {
		width /= 2
	}
	rows := newValues(int(g.Offsets[len(g.Offsets)-1]) * width)
	for e, expert := range g.Experts {
		for r := int(g.Offsets[e]); r < int(g.Offsets[e+1]); r++ {
			source := r
			if g.Gather != nil {
				source = int(g.Gather[r])
			}
			score := 1.0
			if g.RowScores != nil {
				score = g.RowScores[r]
			}
			in := g.input(expert, g.X[source*k:(source+1)*k], score)
			for n := range width {
				i := r*width + n
				rows.Want[i], rows.Tol[i] = g.element(expert, in, n)
			}
		}
	}
	if g.Scatter != nil {
		rows = g.scatter(rows, width)
	}
	for i := range rows.Want {
		rows.Tol[i] = g.stored(rows.Want[i], rows.Tol[i])
	}
	return rows
}

// element returns one element of a row and its error before it is stored.
func (g Grouped) element(expert Matrix, x input, n int) (want, err float64) {
	want, err, _ = g.times(x, expert, n)
	if !g.SwiGLU {
		return want, err
	}
	up, upErr, _ := g.times(x, expert, n+expert.N/2)
	return gated(want, err, up, upErr)
}

// scatter sums the rows of each token in fp32.
func (g Grouped) scatter(rows Values, width int) Values {
	out := newValues(g.Tokens * width)
	count := make([]float64, g.Tokens)
	for _, token := range g.Scatter {
		count[token]++
	}
	for r, token := range g.Scatter {
		for n := range width {
			i, o := r*width+n, int(token)*width+n
			out.Want[o] += rows.Want[i]
			out.Tol[o] += rows.Tol[i] + count[token]*unit32*math.Abs(rows.Want[i])
		}
	}
	return out
}
