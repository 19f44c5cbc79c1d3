package vision

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/gif"
	"io"
)

// decodeGIF decodes the first frame. Around it the screen has the transparent colour,
// or, as in Pillow, the palette's first.
func decodeGIF(data []byte, check checker) (*decoded, error) {
	width, height, err := gifSize(data)
	if err != nil {
		return nil, err
	}
	if err := check(width, height); err != nil {
		return nil, err
	}
	// The decoder refuses a frame that reaches past the file's own screen.
	screen := binary.LittleEndian.AppendUint16(nil, uint16(width))
	screen = binary.LittleEndian.AppendUint16(screen, uint16(height))
	img, err := gif.Decode(io.MultiReader(bytes.NewReader(data[:6]), bytes.NewReader(screen), bytes.NewReader(data[10:])))
	if err != nil {
		return nil, err
	}
	frame := img.(*image.Paletted)
	colors := flat(frame.Palette)
	around := colors[0]
	for _, c := range frame.Palette {
		if _, _, _, a := c.RGBA(); a == 0 {
			around = [3]byte{255, 255, 255}
		}
	}
	p := newRGB(image.Rect(0, 0, width, height))
	for i := 0; i < len(p.Pix); i += 3 {
		copy(p.Pix[i:i+3], around[:])
	}
	p.paint(frame, colors, frame.Rect.Min)
	return &decoded{RGB: p}, nil
}

// gifSize returns the size of the screen, or up to where the first frame reaches past it.
func gifSize(data []byte) (width, height int, err error) {
	if len(data) < 13 {
		return 0, 0, errTruncated
	}
	u16 := func(at []byte) int { return int(binary.LittleEndian.Uint16(at)) }
	width, height = u16(data[6:]), u16(data[8:])
	rest := data[13:]
	if flags := data[10]; flags&0x80 != 0 { // a table of colours
		rest = rest[min(6<<(flags&7), len(rest)):]
	}
	for len(rest) >= 2 && rest[0] == '!' { // an extension: its kind, and blocks up to an empty one
		rest = rest[2:]
		for len(rest) > 0 && rest[0] != 0 {
			rest = rest[min(1+int(rest[0]), len(rest)):]
		}
		rest = rest[min(1, len(rest)):]
	}
	if len(rest) >= 9 && rest[0] == ',' {
		width = max(width, u16(rest[1:])+u16(rest[5:]))
		height = max(height, u16(rest[3:])+u16(rest[7:]))
	}
	return width, height, nil
}
