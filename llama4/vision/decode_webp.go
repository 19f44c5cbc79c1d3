package vision

import "github.com/llama4go/llama4go/llama4/vision/internal/webp"

func decodeWebP(data []byte, check checker) (*decoded, error) {
	p, err := webp.Decode(data, check)
	if err != nil {
		return nil, err
	}
	for i, a := range p.Alpha {
		if a == 255 {
			continue
		}
		pixel := p.Pix[3*i : 3*i+3]
		for c, v := range pixel {
			pixel[c] = blend(v, a)
		}
	}
	return &decoded{&RGB{p.Width, p.Height, p.Pix}, p.Exif, p.XMP}, nil
}
