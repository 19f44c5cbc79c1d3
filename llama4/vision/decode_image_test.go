package vision

import (
	"image"
	"image/color"
	"testing"

	"github.com/stretchr/testify/require"
)

// opaque hides an image's type, so that it is converted through its colours.
type opaque struct{ image.Image }

func TestFromImage(t *testing.T) {
	b := image.Rect(-2, 3, 3, 7) // an origin that is not 0
	colors := color.Palette{color.NRGBA{200, 100, 0, 255}, color.NRGBA{200, 100, 0, 128}, color.Transparent}
	images := map[string]interface {
		image.Image
		Set(x, y int, c color.Color)
	}{
		"NRGBA": image.NewNRGBA(b), "RGBA": image.NewRGBA(b), "NRGBA64": image.NewNRGBA64(b),
		"RGBA64": image.NewRGBA64(b), "paletted": image.NewPaletted(b, colors),
	}
	// Half of a colour over white: the mean, whichever way it is rounded.
	want := map[image.Point][3]int{{-2, 3}: {200, 100, 0}, {2, 6}: {227, 177, 127}, {0, 4}: {255, 255, 255}}
	for name, img := range images {
		for y := b.Min.Y; y < b.Max.Y; y++ {
			for x := b.Min.X; x < b.Max.X; x++ {
				img.Set(x, y, colors[0])
			}
		}
		img.Set(2, 6, colors[1])
		img.Set(0, 4, colors[2])
		for kind, m := range map[string]image.Image{"": img, " by colour": opaque{img}} {
			t.Run(name+kind, func(t *testing.T) {
				p, err := FromImage(m)
				require.NoError(t, err)
				require.Equal(t, []int{5, 4, 60}, []int{p.Width, p.Height, len(p.Pix)})
				for at, c := range want {
					for i, v := range c {
						require.InDelta(t, v, p.row(at.Y - b.Min.Y)[3*(at.X-b.Min.X)+i], 1)
					}
				}
			})
		}
	}
}

func TestFromImageOfPart(t *testing.T) {
	gray := image.NewGray(image.Rect(0, 0, 4, 4))
	for i := range gray.Pix {
		gray.Pix[i] = byte(i)
	}
	p, err := FromImage(gray.SubImage(image.Rect(1, 2, 3, 4)))
	require.NoError(t, err)
	require.Equal(t, &RGB{2, 2, []byte{9, 9, 9, 10, 10, 10, 13, 13, 13, 14, 14, 14}}, p)
}

func TestFromImageRefuses(t *testing.T) {
	_, err := FromImage(nil)
	require.ErrorContains(t, err, "no image")
	_, err = FromImage(image.NewGray(image.Rect(0, 0, 0, 5)))
	require.ErrorContains(t, err, "0x5 pixels is empty")
	_, err = FromImage(image.NewUniform(color.White)) // without bounds, nearly
	require.ErrorContains(t, err, "over the limit")
}

// Pillow's paste divides by 255 with rounding; the closed form has to agree everywhere.
func TestBlendIsRoundedMean(t *testing.T) {
	for v := range 256 {
		for a := range 256 {
			exact := 255*(255-a) + v*a
			require.Equal(t, (2*exact+255)/510, int(blend(byte(v), byte(a))), "%d with alpha %d", v, a)
		}
	}
}
