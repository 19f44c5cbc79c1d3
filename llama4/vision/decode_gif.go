package vision

import (
	"bytes"
	"image"
	"image/gif"
)

// decodeGIF decodes the first frame. Around it the screen has the transparent colour,
// or, as in Pillow, the palette's first.
func decodeGIF(data []byte, check checker) (*decoded, error) {
	config, err := gif.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if err := check(config.Width, config.Height); err != nil {
		return nil, err
	}
	img, err := gif.Decode(bytes.NewReader(data))
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
	p := newRGB(image.Rect(0, 0, config.Width, config.Height))
	for i := 0; i < len(p.Pix); i += 3 {
		copy(p.Pix[i:i+3], around[:])
	}
	p.paint(frame, colors, frame.Rect.Min)
	return &decoded{RGB: p}, nil
}
