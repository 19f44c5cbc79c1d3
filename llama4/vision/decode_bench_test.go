package vision

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// photo returns an image with a photograph's mixture of smooth parts, edges and noise.
func photo(width, height int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	noise := rand.New(rand.NewPCG(1, 2))
	for y := range height {
		for x := range width {
			fx, fy := float64(x)/float64(width), float64(y)/float64(height)
			v := 120 + 60*math.Sin(9*fx+5*fy*fx) + float64((x/97+y/131)%7)*5 + 6*noise.NormFloat64()
			pixel := m.Pix[m.PixOffset(x, y):]
			pixel[0], pixel[1], pixel[2], pixel[3] = byte(v), byte(v*0.8+40*fy), byte(200*fy), 255
		}
	}
	return m
}

// BenchmarkDecode decodes a photograph of 12 megapixels, and what codecs it has in Go.
func BenchmarkDecode(b *testing.B) {
	img := photo(4000, 3000)
	var files [2]bytes.Buffer
	require.NoError(b, jpeg.Encode(&files[0], img, &jpeg.Options{Quality: 85}))
	require.NoError(b, png.Encode(&files[1], img))
	for i, name := range []string{"jpeg", "png"} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(img.Pix)))
			for b.Loop() {
				_, err := Decode(files[i].Bytes())
				require.NoError(b, err)
			}
		})
	}
}
