package vision

// RGB is a picture: three bytes a pixel, row by row from the top, without gaps.
type RGB struct {
	Width, Height int    // at least 1
	Pix           []byte // red, green and blue of Width*Height pixels
}

// MaxSide is the most pixels that a side of a picture can have, what JPEG and GIF
// can hold. The time to resize a picture grows with its longer side, however
// narrow it is.
const MaxSide = 1<<16 - 1

// row returns the bytes of row y.
func (p *RGB) row(y int) []byte {
	n := 3 * p.Width
	return p.Pix[y*n:][:n:n]
}
