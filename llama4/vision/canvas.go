package vision

// Canvas returns how many tiles high and wide the canvas of a picture is.
//
// The canvases are all rows x columns of at most MaxPatches tiles. The scale of
// one is the largest at which the picture fits it. The smallest scale of at least
// 1 wins, with ResizeToMaxCanvas the largest, and if every canvas is too small the
// largest scale below 1. Among canvases of that scale the one with the fewest
// tiles wins.
func (s *Settings) Canvas(width, height int) (rows, columns int) {
	// Of two canvases with the same scale, one limited by its rows and one by its
	// columns, those rows and columns together are a smaller canvas of that scale.
	// So the fewest tiles are one canvas, whatever the order.
	var across [maxMaxPatches + 1]float32
	for c := 1; c <= s.MaxPatches; c++ {
		across[c] = float32(c*s.Size) / float32(width)
	}
	best := float32(0)
	for r := 1; r <= s.MaxPatches; r++ {
		down := float32(r*s.Size) / float32(height)
		for c := 1; r*c <= s.MaxPatches; c++ {
			scale := min(down, across[c])
			if s.better(scale, best) || scale == best && r*c < rows*columns {
				best, rows, columns = scale, r, c
			}
		}
	}
	return rows, columns
}

// better reports whether scale is to be preferred to another.
func (s *Settings) better(scale, other float32) bool {
	if fits := scale >= 1; fits != (other >= 1) {
		return fits
	} else if fits && !s.ResizeToMaxCanvas {
		return scale < other
	}
	return scale > other
}

// limit is how long a side of the resized picture may become.
type limit struct {
	pixels int
	scale  float64 // pixels / the side of the picture
	single bool    // the reference computes with the scale in float32
}

// limit returns the limit on a side, which is of the canvas. The reference has the
// side of a canvas as a tensor and every other size as a Python integer, so where
// the canvas limits, it divides in float32, and elsewhere in float64.
func (s *Settings) limit(side, canvas int) limit {
	most := max(side, s.Size)
	switch {
	case s.ResizeToMaxCanvas:
		most = canvas
	case canvas < most:
		return limit{canvas, float64(float32(canvas) / float32(side)), true}
	}
	return limit{most, float64(most) / float64(side), false}
}

// less reports whether l has the smaller scale.
func (l limit) less(other limit) bool {
	if l.single || other.single {
		return float32(l.scale) < float32(other.scale)
	}
	return l.scale < other.scale
}

// scaled returns a side at the scale of l, rounded down and within its own limit.
func (l limit) scaled(side int, own limit) int {
	v := float64(side) * l.scale
	if l.single {
		v = float64(float32(side) * float32(l.scale))
	}
	return max(min(int(v), own.pixels), 1)
}

// fit returns the size of a picture on its canvas: as large as the canvas and
// max(side, Size) allow, with its proportions kept.
func (s *Settings) fit(width, height, rows, columns int) (w, h int) {
	across, down := s.limit(width, columns*s.Size), s.limit(height, rows*s.Size)
	if across.less(down) {
		return across.pixels, across.scaled(height, down)
	}
	return down.scaled(width, across), down.pixels
}
