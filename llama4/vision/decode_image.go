package vision

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
)

// FromImage converts any Go image. Transparent pixels are composed onto white. To get
// the reference's pixels of a file, use [Decode] on the file instead: the decoders of
// Go's image packages round otherwise.
func FromImage(img image.Image) (*RGB, error) {
	if img == nil {
		return nil, errors.New("no image given")
	}
	if err := checkSize(img.Bounds().Dx(), img.Bounds().Dy()); err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	return overWhite(img), nil
}

func newRGB(bounds image.Rectangle) *RGB {
	return &RGB{bounds.Dx(), bounds.Dy(), make([]byte, 3*bounds.Dx()*bounds.Dy())}
}

// overWhite composes an image onto white.
func overWhite(img image.Image) *RGB {
	b := img.Bounds()
	p := newRGB(b)
	rows := func(pix []byte, stride, step, channel int, convert func(out, in []byte, step, channel int)) {
		for y := range p.Height {
			convert(p.row(y), pix[y*stride:], step, channel)
		}
	}
	switch m := img.(type) {
	case *image.NRGBA:
		rows(m.Pix, m.Stride, 4, 1, straight)
	case *image.NRGBA64:
		rows(m.Pix, m.Stride, 8, 2, straight)
	case *image.RGBA:
		rows(m.Pix, m.Stride, 4, 1, premultiplied)
	case *image.RGBA64:
		rows(m.Pix, m.Stride, 8, 2, premultiplied)
	case *image.Gray:
		for y := range p.Height {
			out := p.row(y)
			for x, v := range m.Pix[y*m.Stride:][:p.Width] {
				out[3*x], out[3*x+1], out[3*x+2] = v, v, v
			}
		}
	case *image.Paletted:
		p.paint(m, flat(m.Palette), image.Point{})
	default:
		// Row by row, for a whole copy would take more memory than the result.
		row := image.NewRGBA(image.Rect(0, 0, p.Width, 1))
		for y := range p.Height {
			draw.Draw(row, row.Rect, img, b.Min.Add(image.Pt(0, y)), draw.Src)
			premultiplied(p.row(y), row.Pix, 4, 1)
		}
	}
	return p
}

// paint puts the pixels of a paletted image into the picture, the first one at a point.
func (p *RGB) paint(m *image.Paletted, colors *[256][3]byte, at image.Point) {
	for y := range m.Rect.Dy() {
		out := p.row(at.Y + y)[3*at.X:]
		for x, index := range m.Pix[y*m.Stride:][:m.Rect.Dx()] {
			copy(out[3*x:3*x+3], colors[index][:])
		}
	}
}

// straight converts a row with alpha that the colours are not multiplied by. Pixels are
// step bytes apart and their channels channel bytes, the upper one first.
func straight(out, in []byte, step, channel int) {
	for len(out) >= 3 {
		a := in[3*channel]
		out[0], out[1], out[2] = blend(in[0], a), blend(in[channel], a), blend(in[2*channel], a)
		out, in = out[3:], in[step:]
	}
}

// premultiplied converts a row whose colours are multiplied by alpha.
func premultiplied(out, in []byte, step, channel int) {
	for len(out) >= 3 {
		white := 255 - int(in[3*channel])
		for c := range 3 {
			out[c] = byte(min(int(in[c*channel])+white, 255))
		}
		out, in = out[3:], in[step:]
	}
}

// blend lays a value with alpha over white, rounded as in Pillow's paste.
func blend(v, alpha byte) byte {
	t := 255*(255-int(alpha)) + int(v)*int(alpha) + 128
	return byte((t>>8 + t) >> 8)
}

// flat composes a palette onto white. Indices past it are black.
func flat(palette color.Palette) *[256][3]byte {
	var out [256][3]byte
	for i, c := range palette[:min(len(palette), 256)] {
		if n, ok := c.(color.NRGBA); ok {
			out[i] = [3]byte{blend(n.R, n.A), blend(n.G, n.A), blend(n.B, n.A)}
			continue
		}
		r, g, b, a := c.RGBA()
		for j, v := range [3]uint32{r, g, b} {
			out[i][j] = byte(min(v+0xffff-a, 0xffff) >> 8)
		}
	}
	return &out
}
