package vision

import "github.com/llama4go/llama4go/llama4/vision/internal/jpeg"

func decodeJPEG(data []byte, check checker) (*decoded, error) {
	p, err := jpeg.Decode(data, check)
	if err != nil {
		return nil, err
	}
	return &decoded{&RGB{p.Width, p.Height, p.Pix}, p.Exif, p.XMP}, nil
}
