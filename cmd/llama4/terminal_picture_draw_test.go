package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/llama4go/llama4go/llama4/vision"
)

// readDrawn reads what drawPicture writes, by the protocol's description alone.
func readDrawn(protocol, drawn string) (m image.Image, options map[string]string, err error) {
	switch protocol {
	case picturesKitty:
		return readKitty(drawn)
	case picturesITerm2:
		return readITerm2(drawn)
	}
	m, err = readSixel(drawn)
	return m, nil, err
}

// cutAround returns the text between a beginning and an end, and what follows.
func cutAround(text, begin, end string) (inner, rest string, err error) {
	text, begins := strings.CutPrefix(text, begin)
	inner, rest, ends := strings.Cut(text, end)
	if !begins || !ends {
		return "", "", errors.New("not within its marks")
	}
	return inner, rest, nil
}

func readOptions(text, separator string) map[string]string {
	options := map[string]string{}
	for _, entry := range strings.Split(text, separator) {
		key, value, _ := strings.Cut(entry, "=")
		options[key] = value
	}
	return options
}

func readPNG(encoded string) (image.Image, error) {
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, err
	}
	return png.Decode(bytes.NewReader(data))
}

// readKitty reads https://sw.kovidgoyal.net/kitty/graphics-protocol/.
func readKitty(drawn string) (m image.Image, first map[string]string, err error) {
	var encoded strings.Builder
	for more := true; more; {
		var chunk string
		if chunk, drawn, err = cutAround(drawn, "\x1b_G", "\x1b\\"); err != nil {
			return nil, nil, err
		}
		head, payload, _ := strings.Cut(chunk, ";")
		options := readOptions(head, ",")
		if first == nil {
			first = options
		} else if len(options) != 2 || options["q"] != "2" {
			return nil, nil, errors.New("a later chunk has other options than m and q")
		}
		more = options["m"] == "1"
		if len(payload) > 4096 || more && len(payload)%4 != 0 {
			return nil, nil, errors.New("the size of a chunk is not allowed")
		}
		encoded.WriteString(payload)
	}
	if drawn != "" {
		return nil, nil, errors.New("something follows the last chunk")
	}
	m, err = readPNG(encoded.String())
	return m, first, err
}

// readITerm2 reads https://iterm2.com/documentation-images.html.
func readITerm2(drawn string) (image.Image, map[string]string, error) {
	inner, rest, err := cutAround(drawn, "\x1b]1337;File=", "\x07")
	if err != nil || rest != "" {
		return nil, nil, errors.Join(err, errors.New("something follows "+strconv.Quote(rest)))
	}
	head, encoded, _ := strings.Cut(inner, ":")
	m, err := readPNG(encoded)
	return m, readOptions(head, ";"), err
}

var (
	sixelStart = regexp.MustCompile(`^"1;1;(\d+);(\d+)`)
	sixelToken = regexp.MustCompile(`^(?:#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~])|(\$)|(-))`)
)

// readSixel reads the DEC's sixels: six pixels under each other a character, in the
// colour chosen last.
func readSixel(drawn string) (image.Image, error) {
	inner, rest, err := cutAround(drawn, "\x1bP0;1q", "\x1b\\")
	start := sixelStart.FindStringSubmatch(inner)
	if err != nil || rest != "" || start == nil {
		return nil, errors.Join(err, errors.New("no sixels"))
	}
	number := func(text string) int {
		n, _ := strconv.Atoi(text)
		return n
	}
	m := image.NewRGBA(image.Rect(0, 0, number(start[1]), number(start[2])))
	palette := map[string]color.RGBA{}
	part := func(percent string) byte { return byte((number(percent)*255 + 50) / 100) }
	pen, x, y := color.RGBA{}, 0, 0
	for inner = inner[len(start[0]):]; inner != ""; {
		token := sixelToken.FindStringSubmatch(inner)
		if token == nil {
			return nil, errors.New("not a sixel: " + inner[:1])
		}
		inner = inner[len(token[0]):]
		switch {
		case token[1] != "":
			palette[token[1]] = color.RGBA{part(token[2]), part(token[3]), part(token[4]), 255}
		case token[5] != "":
			pen = palette[token[5]]
		case token[9] != "":
			x = 0
		case token[10] != "":
			x, y = 0, y+6
		default:
			for range max(1, number(token[6])) {
				for bit := range 6 {
					if ((token[7] + token[8])[0]-'?')>>bit&1 == 1 {
						m.SetRGBA(x, y+bit, pen)
					}
				}
				x++
			}
		}
	}
	return m, nil
}

// farthest returns the largest difference of two pictures in a channel, and the mean.
func farthest(t *testing.T, want, got image.Image) (largest int, mean float64) {
	t.Helper()
	require.Equal(t, want.Bounds(), got.Bounds())
	sum, n := 0, 0
	for y := range want.Bounds().Dy() {
		for x := range want.Bounds().Dx() {
			a, b := color.RGBAModel.Convert(want.At(x, y)).(color.RGBA), color.RGBAModel.Convert(got.At(x, y)).(color.RGBA)
			for _, pair := range [][2]byte{{a.R, b.R}, {a.G, b.G}, {a.B, b.B}, {a.A, b.A}} {
				d := max(int(pair[0])-int(pair[1]), int(pair[1])-int(pair[0]))
				largest, sum, n = max(largest, d), sum+d, n+1
			}
		}
	}
	return largest, float64(sum) / float64(n)
}

// smooth is a picture of more colours than sixels have.
func smooth(width, height int) *vision.RGB {
	p := &vision.RGB{Width: width, Height: height}
	for y := range height {
		for x := range width {
			p.Pix = append(p.Pix, byte(255*x/width), byte(255*y/height), byte(255*(x+y)/(width+height)))
		}
	}
	return p
}

func noise(width, height int) *vision.RGB {
	p := &vision.RGB{Width: width, Height: height, Pix: make([]byte, 3*width*height)}
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(p.Pix)
	return p
}

// A terminal finds in what is written the picture in the size in which it is shown.
// Sixels have 101 steps a channel, 2.55 apart, and 256 colours: of more colours, each
// gets one of its neighbourhood, which is small where colours are smooth.
func TestDrawPicture(t *testing.T) {
	data, err := os.ReadFile(square)
	require.NoError(t, err)
	demo, err := vision.Decode(data)
	require.NoError(t, err)
	for name, row := range map[string]struct {
		picture       *vision.RGB
		largest, mean float64 // of sixels
	}{
		"demo":   {demo, 2, 1},
		"smooth": {smooth(500, 310), 32, 4},
		"noise":  {noise(120, 90), 64, 12},
		"pixel":  {noise(1, 1), 2, 1},
		"line":   {smooth(2000, 1), 2, 1},
		"column": {smooth(1, 2000), 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWindow(&unix.Winsize{})
			width, height := fit(row.picture.Width, row.picture.Height, 400, 300)
			want := resized(row.picture, width, height)
			for _, protocol := range []string{picturesKitty, picturesITerm2, picturesSixel} {
				drawn, err := drawPicture(row.picture, protocol, w)
				require.NoError(t, err)
				got, _, err := readDrawn(protocol, string(drawn))
				require.NoError(t, err, protocol)
				largest, mean := farthest(t, want, got)
				if protocol == picturesSixel {
					require.LessOrEqual(t, float64(largest), row.largest)
					require.LessOrEqual(t, mean, row.mean)
				} else {
					require.Zero(t, largest, protocol)
				}
			}
		})
	}
}

func TestDrawOptions(t *testing.T) {
	w := newWindow(&unix.Winsize{})
	for name, row := range map[string]struct {
		protocol string
		picture  *vision.RGB
		want     map[string]string
	}{
		"kitty, wide": {picturesKitty, noise(400, 100), map[string]string{"f": "100", "q": "2", "a": "T", "c": "40", "m": "1"}},
		"kitty, tall": {picturesKitty, smooth(2, 600), map[string]string{"f": "100", "q": "2", "a": "T", "r": "15"}},
		"iterm2, wide": {picturesITerm2, smooth(800, 200), map[string]string{"inline": "1", "width": "40",
			"height": "auto"}},
		"iterm2, tall": {picturesITerm2, smooth(200, 600), map[string]string{"inline": "1", "width": "auto", "height": "15"}},
	} {
		t.Run(name, func(t *testing.T) {
			drawn, err := drawPicture(row.picture, row.protocol, w)
			require.NoError(t, err)
			_, options, err := readDrawn(row.protocol, string(drawn))
			require.NoError(t, err)
			delete(options, "size") // of the PNG
			require.Equal(t, row.want, options)
		})
	}
}
