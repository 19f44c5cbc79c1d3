package llama4

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"image"
	"image/color"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/chat"
)

// drawn is a picture of a coloured disc or square on white, as the demo model
// knows them.
func drawn(width, height int, c color.RGBA, disc bool) image.Image {
	p := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			p.SetRGBA(x, y, color.RGBA{240, 240, 240, 255})
			dx, dy := x-width/2, y-height/2
			if disc && dx*dx+dy*dy < 36*36 || !disc && max(dx, -dx) < 30 && max(dy, -dy) < 30 {
				p.SetRGBA(x, y, c)
			}
		}
	}
	return p
}

var (
	redDisc    = drawn(112, 112, color.RGBA{220, 40, 40, 255}, true)
	blueSquare = drawn(112, 112, color.RGBA{40, 70, 210, 255}, false)
	wide       = drawn(224, 112, color.RGBA{40, 160, 60, 255}, true)
)

func encodePNG(t *testing.T, p image.Image) []byte {
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, p))
	return b.Bytes()
}

func ask(text string, pictures ...image.Image) chat.Message {
	var parts []chat.Part
	for _, p := range pictures {
		parts = append(parts, chat.Picture(p))
	}
	return chat.Message{Role: "user", Content: chat.Parts(append(parts, chat.TextPart(text))...)}
}

func TestAnswersAboutPictures(t *testing.T) {
	for _, device := range testDevices(t) {
		t.Run(device, func(t *testing.T) {
			m := openDemo(t, Options{Device: device})
			for want, message := range map[string]chat.Message{
				"A red circle.": ask("What is in the picture?", redDisc),
				"It is blue.":   ask("What color is it?", blueSquare),
				"The first shows a red circle. The second shows a blue square.": ask(
					"How do the two pictures differ?", redDisc, blueSquare),
			} {
				c, err := m.Complete(context.Background(), &Request{
					Messages: []chat.Message{message}, Sampling: greedy(), MaxTokens: 40,
				})
				require.NoError(t, err)
				require.Equal(t, want, c.Text)
			}
		})
	}
}

// A picture may come in a part in several ways, all of which are the same prompt.
func TestWaysToGiveAPicture(t *testing.T) {
	m := openDemo(t, Options{Device: "cpu"})
	data := encodePNG(t, redDisc)
	encoded := base64.StdEncoding.EncodeToString(data)
	read := func(path string) ([]byte, error) {
		if path != "disc.png" {
			return nil, errors.New("no such file")
		}
		return data, nil
	}
	image := func(p chat.Part) chat.Part { p.Type = chat.TypeImage; return p }
	want, err := m.Encode(context.Background(), &Request{Messages: []chat.Message{ask("What?", redDisc)}})
	require.NoError(t, err)
	for _, part := range []chat.Part{
		chat.ImageData(data), chat.ImagePart("disc.png"), image(chat.Part{URL: "disc.png"}),
		image(chat.Part{Image: "disc.png"}), image(chat.Part{Image: encoded}),
		image(chat.Part{URL: "data:image/png;base64," + encoded}),
	} {
		message := chat.Message{Role: "user", Content: chat.Parts(part, chat.TextPart("What?"))}
		p, err := m.Encode(context.Background(), &Request{Messages: []chat.Message{message}, ReadImage: read})
		require.NoError(t, err)
		require.Equal(t, want.Tokens, p.Tokens)
		require.Equal(t, want.Images[0].Tiles, p.Images[0].Tiles)
	}
	for want, part := range map[string]chat.Part{
		"messages[0].content[0]: no such file": chat.ImagePart("cat.png"),
		"which is not fetched":                 image(chat.Part{URL: "https://example.com/a.png"}),
		"is not base64":                        image(chat.Part{URL: "data:image/png,abc"}),
		"illegal base64":                       image(chat.Part{URL: "data:image/png;base64,%%%"}),
		"no path, url or data":                 image(chat.Part{}),
		"messages[0].content[0]: ":             chat.ImageData([]byte("<html>")),
	} {
		message := chat.Message{Role: "user", Content: chat.Parts(part, chat.TextPart("What?"))}
		_, err := m.Encode(context.Background(), &Request{Messages: []chat.Message{message}, ReadImage: read})
		require.ErrorContains(t, err, want)
	}
	message := chat.Message{Role: "user", Content: chat.Parts(chat.ImagePart("disc.png"))}
	_, err = m.Encode(context.Background(), &Request{Messages: []chat.Message{message}})
	require.ErrorContains(t, err, "no ReadImage")
}

// A follow-up question encodes no picture again, computes no token again, and is
// answered as if asked from the beginning.
func TestSessionKeepsPictures(t *testing.T) {
	for _, device := range testDevices(t) {
		t.Run(device, func(t *testing.T) {
			m := openDemo(t, Options{Device: device})
			s := m.NewSession()
			defer func() { require.NoError(t, s.Close()) }()
			var talk []chat.Message
			for turn, message := range []chat.Message{
				ask("What is in the picture?", redDisc), ask("What color is it?"),
				ask("What is in the picture?", wide), ask("What shape is it?", redDisc),
			} {
				talk = append(talk, message)
				r := &Request{Messages: talk, Sampling: greedy(), MaxTokens: 40}
				text, usage := runSession(t, s, r)
				require.Equal(t, []int{1, 0, 3, 0}[turn], usage.ImageTiles)
				require.Equal(t, turn > 0, usage.CachedTokens > 0)
				fresh, err := m.Complete(context.Background(), r)
				require.NoError(t, err)
				if device == "cpu" { // where bits do not depend on how a prompt is cut
					require.Equal(t, fresh.Text, text)
				}
				talk = append(talk, chat.Message{Role: "assistant", Content: chat.Text(text)})
			}
		})
	}
}

func runSession(t *testing.T, s *Session, r *Request) (text string, usage *Usage) {
	for piece, err := range s.Generate(context.Background(), r) {
		require.NoError(t, err)
		text += piece.Text
		usage = piece.Usage
	}
	return text, usage
}

// Two pictures with the same tokens are two conversations.
func TestSessionTellsPicturesApart(t *testing.T) {
	m := openDemo(t, Options{Device: "cpu"})
	s := m.NewSession()
	defer func() { require.NoError(t, s.Close()) }()
	for want, p := range map[string]image.Image{"A red circle.": redDisc, "A blue square.": blueSquare} {
		text, usage := runSession(t, s, &Request{
			Messages: []chat.Message{ask("What is in the picture?", p)}, Sampling: greedy(), MaxTokens: 40,
		})
		require.Equal(t, want, text)
		require.Zero(t, usage.CachedTokens)
	}
}

// The log-probabilities do not depend on how the prompt is cut, through a picture
// too, nor on the cache being too small for it.
func TestPicturesInPieces(t *testing.T) {
	message := ask("How do the two pictures differ?", wide, redDisc)
	var want []float64
	for _, o := range []Options{{}, {PrefillTokens: 7}, {PrefillTokens: 1}, {ImageCacheBytes: 1}} {
		o.Device = "cpu"
		m := openDemo(t, o)
		p, err := m.Encode(context.Background(), &Request{Messages: []chat.Message{message}})
		require.NoError(t, err)
		s, err := m.Score(context.Background(), p, 0)
		require.NoError(t, err)
		if want == nil {
			want = s.LogProbs
		}
		require.Equal(t, want, s.LogProbs)
	}
}

// A pass that fails leaves the pictures to come as they were.
func TestFailedPassKeepsPictures(t *testing.T) {
	ctx := context.Background()
	m := openDemo(t, Options{Device: "cpu", PrefillTokens: 1024})
	p, err := m.Encode(ctx, &Request{Messages: []chat.Message{ask("What is in the picture?", redDisc)}})
	require.NoError(t, err)
	q := m.NewSequence()
	n, err := q.AddImages(ctx, p.Images...)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	fail := errors.New("not now")
	refuse := func(*Logits) error { return fail }
	step := []Step{{Sequence: q, Tokens: p.Tokens, Logits: LastRow}}
	require.ErrorIs(t, m.Forward(ctx, step, refuse), fail)
	require.Len(t, q.pending, 1)
	var row []float32
	keep := func(l *Logits) (err error) { row, err = l.Row(0); row = append([]float32{}, row...); return err }
	require.NoError(t, m.Forward(ctx, step, keep))
	require.Empty(t, q.pending)
	want, err := m.Score(ctx, p, 1)
	require.NoError(t, err)
	require.Equal(t, want.Top[0].ID, argmax(row))
	require.NoError(t, q.Close())
	require.Equal(t, [2]int{}, inUse(m))
	require.Equal(t, 1, m.features.order.Len())
}

func argmax(row []float32) (best int32) {
	for i, v := range row {
		if v > row[best] {
			best = int32(i)
		}
	}
	return best
}

func TestRefusedPictures(t *testing.T) {
	ctx := context.Background()
	m := openDemo(t, Options{Device: "cpu"})
	one, err := m.NewImage(redDisc)
	require.NoError(t, err)
	patch := m.Config().ImagePatch
	for want, r := range map[string]*Request{
		"1 patch tokens, but its images have 16": {Tokens: []int32{1, patch}, Images: []*Image{one}},
		"image 0 is nil":                         {Tokens: []int32{patch}, Images: []*Image{nil}},
		"Images without Tokens":                  {Prompt: "a", Images: []*Image{one}},
	} {
		_, err := m.Encode(ctx, r)
		require.ErrorContains(t, err, want)
	}
	// The system's message has its text alone shown by the template.
	system := ask("Be kind.", redDisc)
	system.Role = "system"
	_, err = m.Encode(ctx, &Request{Messages: []chat.Message{system, ask("Hello.")}})
	require.Error(t, err)

	text := openTest(t, "scout16", Options{Device: "cpu"})
	_, err = text.NewImage(redDisc)
	require.ErrorIs(t, err, errNoVision)
	_, err = text.NewSequence().AddImages(ctx, one)
	require.ErrorIs(t, err, errNoVision)
	// This checkpoint has no tokenizer, and so no layout.
	_, err = openTest(t, "scout4-mm", Options{Device: "cpu"}).NewImage(redDisc)
	require.ErrorContains(t, err, "images")
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err = m.NewSequence().AddImages(ended, one)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, m.features.order.Len())
}

func TestVisionAngles(t *testing.T) {
	v := VisionConfig{Hidden: 16, Heads: 2, ImageSize: 6, PatchSize: 2, RopeTheta: 10000}
	got := v.angles()
	require.Len(t, got, 10*4)
	require.Equal(t, []float32{2, 0.02, 3, 0.03}, got[7*4:8*4]) // column 1, row 2
	require.Equal(t, make([]float32, 4), got[9*4:])
}
