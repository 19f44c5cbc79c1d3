package vision

// Tiles is a picture cut into tiles, as bytes.
type Tiles struct {
	Rows, Columns int // of the canvas
	Size          int // of a tile, in pixels
	// Pix has for each tile its red, green and blue plane of Size rows by Size: the
	// tiles of the canvas row by row, then, if that is more than one, the whole
	// picture squeezed into one tile.
	Pix []byte
}

// Count returns the number of tiles in Pix.
func (t *Tiles) Count() int {
	if n := t.Rows * t.Columns; n > 1 {
		return n + 1
	}
	return 1
}

// Tiles resizes a picture to its canvas and cuts it into tiles. What the picture
// leaves of the canvas, on the right or below, is 0. The work is divided among
// GOMAXPROCS goroutines; the result does not depend on it.
func (s *Settings) Tiles(p *RGB) *Tiles {
	rows, columns := s.Canvas(p.Width, p.Height)
	t := &Tiles{Rows: rows, Columns: columns, Size: s.Size}
	canvas := rows * columns * 3 * s.Size * s.Size
	t.Pix = make([]byte, t.Count()*3*s.Size*s.Size)
	width, height := s.fit(p.Width, p.Height, rows, columns)
	resize(p, width, height, target{t.Pix[:canvas], columns, s.Size})
	if rows*columns > 1 {
		resize(p, s.Size, s.Size, target{t.Pix[canvas:], 1, s.Size})
	}
	return t
}

// target is where the rows of a resized picture go: rows of tiles of three planes.
type target struct {
	pix           []byte
	columns, size int
}

// segment returns where the part of row y from x on goes in a channel. x is a
// multiple of size, and the segment ends with its tile.
func (t target) segment(x, y, channel int) []byte {
	plane := (y/t.size*t.columns+x/t.size)*3 + channel
	return t.pix[(plane*t.size+y%t.size)*t.size:][:t.size]
}

// copy stores row y as it is in a picture.
func (t target) copy(y int, row []byte) {
	for x := 0; 3*x < len(row); x += t.size {
		n := min(t.size, len(row)/3-x)
		red, green, blue := t.segment(x, y, 0)[:n], t.segment(x, y, 1)[:n], t.segment(x, y, 2)[:n]
		for i := range n {
			p := row[3*(x+i):][:3]
			red[i], green[i], blue[i] = p[0], p[1], p[2]
		}
	}
}

// store stores row y: the sums of its red, green and blue are in the high halves, in
// units of 2^-precision.
func (t target) store(y int, sums []uint64, precision uint) {
	shift := precision + 32
	half := uint64(1) << (shift - 1)
	width := len(sums) / 3
	for c := range 3 {
		for x := 0; x < width; x += t.size {
			src := sums[c*width:][x:min(x+t.size, width)]
			dst := t.segment(x, y, c)[:len(src)]
			for i, v := range src {
				dst[i] = byte(min((v+half)>>shift, 255))
			}
		}
	}
}
