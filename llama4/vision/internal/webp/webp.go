package webp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"

	"golang.org/x/image/webp"
)

var errTruncated = errors.New("the file ends before the picture does")

// Picture is a decoded file.
type Picture struct {
	Width, Height int
	Pix           []byte // RGB, 3 bytes a pixel, row by row
	Alpha         []byte // 1 byte a pixel, or nil if all pixels are opaque
	Exif          []byte // the EXIF chunk, if the file has one
	XMP           []byte // the XMP packet, if the file has one
}

// Decode reads a whole file, of an animation the first frame on an empty canvas. The
// size is handed to check before memory is taken for the picture; its error is returned
// as it is.
func Decode(data []byte, check func(width, height int) error) (*Picture, error) {
	c, err := parse(data)
	if err != nil {
		return nil, err
	}
	if err := check(c.width, c.height); err != nil {
		return nil, err
	}
	p := &Picture{
		Width: c.width, Height: c.height,
		Pix:  make([]byte, 3*c.width*c.height),
		Exif: c.exif, XMP: c.xmp,
	}
	if c.alpha {
		p.Alpha = make([]byte, c.width*c.height)
	}
	img, err := webp.Decode(bytes.NewReader(c.frame.file()))
	if err != nil {
		return nil, err
	}
	return p, p.place(img, &c.frame)
}

// place writes a decoded frame into the canvas.
func (p *Picture) place(img image.Image, f *frame) error {
	at := f.y*p.Width + f.x
	switch m := img.(type) {
	case *image.YCbCr:
		p.convert(m, at)
		p.setAlpha(at, f, func(int, int) byte { return 255 })
	case *image.NYCbCrA:
		p.convert(&m.YCbCr, at)
		p.setAlpha(at, f, func(x, y int) byte { return m.A[y*m.AStride+x] })
	case *image.NRGBA:
		for y := range f.height {
			in, out := m.Pix[y*m.Stride:], p.Pix[3*(at+y*p.Width):]
			for x := range f.width {
				copy(out[3*x:3*x+3], in[4*x:])
			}
		}
		p.setAlpha(at, f, func(x, y int) byte { return m.Pix[y*m.Stride+4*x+3] })
	default:
		return fmt.Errorf("pixels of an unknown kind %T", img)
	}
	return nil
}

func (p *Picture) setAlpha(at int, f *frame, value func(x, y int) byte) {
	if p.Alpha == nil {
		return
	}
	for y := range f.height {
		for x := range f.width {
			p.Alpha[at+y*p.Width+x] = value(x, y)
		}
	}
}

// container is what is known of a file before its pixels are decoded.
type container struct {
	width, height int  // of the canvas
	alpha         bool // whether alpha counts
	frame         frame
	exif, xmp     []byte
}

// frame is one still picture on the canvas.
type frame struct {
	x, y, width, height int
	alph, vp8, vp8l     []byte // chunks; one of the last two
}

// The flags of a VP8X chunk that matter.
const (
	flagAnimation = 1 << 1
	flagAlpha     = 1 << 4
)

// parse reads the chunks of a file.
func parse(data []byte) (*container, error) {
	if len(data) < 20 {
		return nil, errTruncated
	}
	size := int64(binary.LittleEndian.Uint32(data[4:])) + 8
	if size > int64(len(data)) {
		return nil, errTruncated
	}
	c := &container{}
	body := data[12:max(size, 12)]
	first, extended, err := nextChunk(&body)
	if err != nil {
		return nil, err
	}
	if first != "VP8X" {
		if err := c.frame.add(first, extended); err != nil {
			return nil, err
		}
		return c, c.simple()
	}
	if len(extended) < 10 {
		return nil, errTruncated
	}
	c.width, c.height = 1+uint24(extended[4:]), 1+uint24(extended[7:])
	if err := c.chunks(body); err != nil {
		return nil, err
	}
	return c, c.extended(extended[0])
}

// simple completes a file of one chunk.
func (c *container) simple() error {
	c.width, c.height = c.frame.width, c.frame.height
	c.alpha = c.frame.vp8l != nil && c.frame.losslessAlpha()
	if c.frame.vp8 == nil && c.frame.vp8l == nil {
		return errors.New("no picture in the file")
	}
	return nil
}

// extended completes a file with a VP8X chunk, as libwebp decides what counts.
func (c *container) extended(flags byte) error {
	f := &c.frame
	if f.vp8 == nil && f.vp8l == nil {
		return errors.New("no picture in the file")
	}
	if f.x+f.width > c.width || f.y+f.height > c.height {
		return fmt.Errorf("a frame of %dx%d at %d, %d is not inside the canvas of %dx%d", f.width, f.height, f.x, f.y, c.width, c.height)
	}
	switch {
	case flags&flagAnimation != 0:
		c.alpha = flags&flagAlpha != 0
	case f.width != c.width || f.height != c.height:
		return fmt.Errorf("a picture of %dx%d on a canvas of %dx%d", f.width, f.height, c.width, c.height)
	case f.vp8l != nil:
		c.alpha = f.losslessAlpha()
	default:
		c.alpha = f.alph != nil
	}
	return nil
}

// chunks reads those after VP8X.
func (c *container) chunks(body []byte) error {
	for len(body) > 0 {
		id, chunk, err := nextChunk(&body)
		if err != nil {
			return err
		}
		switch id {
		case "EXIF":
			c.exif = chunk
		case "XMP ":
			c.xmp = chunk
		case "ANMF":
			err = c.animation(chunk)
		default:
			err = c.frame.add(id, chunk)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// animation takes the first frame of an animation.
func (c *container) animation(chunk []byte) error {
	if c.frame.vp8 != nil || c.frame.vp8l != nil {
		return nil
	}
	if len(chunk) < 16 {
		return errTruncated
	}
	f := frame{x: 2 * uint24(chunk), y: 2 * uint24(chunk[3:])}
	width, height := 1+uint24(chunk[6:]), 1+uint24(chunk[9:])
	for body := chunk[16:]; len(body) > 0; {
		id, part, err := nextChunk(&body)
		if err != nil {
			return err
		}
		if err := f.add(id, part); err != nil {
			return err
		}
	}
	if f.width != width || f.height != height {
		return fmt.Errorf("a frame of %dx%d holds a picture of %dx%d", width, height, f.width, f.height)
	}
	c.frame = f
	return nil
}

// add takes a chunk of pixels or alpha; others mean nothing here. The first of a kind counts.
func (f *frame) add(id string, chunk []byte) error {
	switch {
	case id == "ALPH" && f.alph == nil && f.vp8 == nil:
		f.alph = chunk
	case id == "VP8 " && f.vp8 == nil && f.vp8l == nil:
		if len(chunk) < 10 {
			return errTruncated
		}
		f.vp8 = chunk
		f.width = int(binary.LittleEndian.Uint16(chunk[6:])) & 0x3fff
		f.height = int(binary.LittleEndian.Uint16(chunk[8:])) & 0x3fff
	case id == "VP8L" && f.vp8 == nil && f.vp8l == nil:
		if len(chunk) < 5 {
			return errTruncated
		}
		f.vp8l = chunk
		bits := int(binary.LittleEndian.Uint32(chunk[1:]))
		f.width, f.height = 1+bits&0x3fff, 1+bits>>14&0x3fff
	}
	return nil
}

// losslessAlpha is the header's word on whether VP8L pixels have alpha.
func (f *frame) losslessAlpha() bool { return f.vp8l[4]&0x10 != 0 }

// file returns the frame as a file of its own, for the decoder of still pictures.
func (f *frame) file() []byte {
	out := []byte("RIFF\x00\x00\x00\x00WEBP")
	if f.vp8l != nil {
		out = appendChunk(out, "VP8L", f.vp8l)
	} else {
		if f.alph != nil {
			w, h := f.width-1, f.height-1
			out = appendChunk(out, "VP8X", []byte{
				flagAlpha, 0, 0, 0,
				byte(w), byte(w >> 8), 0, byte(h), byte(h >> 8), 0,
			})
			out = appendChunk(out, "ALPH", f.alph)
		}
		out = appendChunk(out, "VP8 ", f.vp8)
	}
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

func appendChunk(out []byte, id string, chunk []byte) []byte {
	out = append(out, id...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(chunk)))
	out = append(out, chunk...)
	if len(chunk)%2 != 0 {
		out = append(out, 0)
	}
	return out
}

// nextChunk cuts a chunk off. Chunks are padded to an even length.
func nextChunk(data *[]byte) (id string, chunk []byte, err error) {
	d := *data
	if len(d) < 8 {
		return "", nil, errTruncated
	}
	n := int64(binary.LittleEndian.Uint32(d[4:]))
	if n > int64(len(d)-8) {
		return "", nil, errTruncated
	}
	*data = d[min(8+n+n%2, int64(len(d))):]
	return string(d[:4]), d[8 : 8+n], nil
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
