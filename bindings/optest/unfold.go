package optest

import "github.com/llama4go/llama4go/bindings"

// Picture are the sizes of [Unfold]: tiles of channels x side x side pixels, and rows
// and columns of the result.
type Picture struct {
	Channels, Side, Patch int
	Rows, Columns         int
}

// Unfold returns the patches of the tiles x as rows, [I, rows, columns], zeros where
// there is no pixel.
func Unfold(p Picture, x []float64, act bindings.DType) Values {
	size := p.Channels * p.Side * p.Side
	g := p.Side / p.Patch
	want := make([]float64, len(x)/size*p.Rows*p.Columns)
	for i, e := range x {
		tile, channel := i/size, i/(p.Side*p.Side)%p.Channels
		y, x := i/p.Side%p.Side, i%p.Side
		row := y/p.Patch*g + x/p.Patch
		column := (channel*p.Patch+y%p.Patch)*p.Patch + x%p.Patch
		want[(tile*p.Rows+row)*p.Columns+column] = e
	}
	return Rounded(want, act)
}
