package optest

// PixelShuffle returns squares of factor x factor patches as rows: of each tile of x,
// [I, rows, channels], the first g*g rows are patches.
func PixelShuffle(x []float64, rows, channels, g, factor int) Values {
	side, area := g/factor, factor*factor
	var want []float64
	for tile := 0; tile < len(x); tile += rows * channels {
		for square := range side * side {
			for patch := range area {
				row := square/side*factor + patch/factor
				column := square%side*factor + patch%factor
				at := tile + (row*g+column)*channels
				want = append(want, x[at:at+channels]...)
			}
		}
	}
	return Exact(want)
}
