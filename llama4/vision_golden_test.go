package llama4

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/chat"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

// visionCheckpoints are the folders of testdata with goldens over pictures.
var visionCheckpoints = []string{"scout4-vision", "maverick8-vision"}

// visionItem is what the reference answers to a conversation with pictures.
type visionItem struct {
	scoreItem
	Messages  []chat.Message `json:"messages"`
	OutputIDs []int32        `json:"output_ids"`
	Margins   []float64      `json:"margins"`
}

// visionGolden is the goldens.json of a checkpoint that looks at pictures.
type visionGolden struct {
	Score         []visionItem `json:"score"`
	Greedy        []visionItem `json:"greedy"`
	BF16MeanAbs   float64      `json:"bf16_mean_abs"`
	BF16MedianAbs float64      `json:"bf16_median_abs"`
	Taps          struct {
		Picture string `json:"picture"` // whose activations vision.safetensors has
		Prompt  int    `json:"prompt"`  // whose embeddings it has
	} `json:"vision_taps"`
}

func eachVisionCheckpoint(t *testing.T, test func(t *testing.T, name string, g *visionGolden)) {
	for _, name := range visionCheckpoints {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join("testdata", name, "goldens.json"))
			require.NoError(t, err)
			g := &visionGolden{}
			require.NoError(t, json.Unmarshal(raw, g))
			require.NotEmpty(t, g.Score)
			require.NotEmpty(t, g.Greedy)
			test(t, name, g)
		})
	}
}

// readTestdata reads the pictures of the goldens' messages.
func readTestdata(path string) ([]byte, error) { return os.ReadFile(filepath.Join("testdata", path)) }

// prompt encodes an item's conversation, which must give its tokens: the layout of
// its pictures' tiles is in them.
func (i *visionItem) prompt(t *testing.T, m *Model) *Prompt {
	t.Helper()
	p, err := m.Encode(context.Background(), &Request{Messages: i.Messages, ReadImage: readTestdata})
	require.NoError(t, err)
	require.Equal(t, i.InputIDs, p.Tokens, "prompt %d", i.ID)
	return p
}

func TestVisionScoreGoldens(t *testing.T) {
	eachVisionCheckpoint(t, func(t *testing.T, name string, g *visionGolden) {
		m := openTest(t, name, parity())
		largest, n := 0.0, 0
		for _, item := range g.Score {
			d := requireScore(t, m, item.prompt(t, m), &item.scoreItem)
			largest, n = max(largest, d), n+len(item.LogProbs)
		}
		t.Logf("f32: %d log-probabilities, largest difference %.1e", n, largest)
	})
}

// Greedy decoding after pictures, over several chunk boundaries, follows the
// reference: every margin of these goldens exceeds what rounding may move.
func TestVisionGreedyGoldens(t *testing.T) {
	eachVisionCheckpoint(t, func(t *testing.T, name string, g *visionGolden) {
		m := openTest(t, name, parity())
		for _, item := range g.Greedy {
			require.Greater(t, slices.Min(item.Margins), 2*parityTolerance)
			c, err := m.Complete(context.Background(), &Request{
				Messages: item.Messages, ReadImage: readTestdata,
				Sampling: greedy(), MaxTokens: len(item.OutputIDs), LogProbs: 1,
			})
			require.NoError(t, err)
			require.Equal(t, item.InputIDs, c.InputIDs)
			require.Equal(t, item.OutputIDs, c.OutputIDs, "prompt %d", item.ID)
			for i, want := range item.LogProbs {
				require.InDelta(t, want, c.Pieces[i].LogProb, parityTolerance, "prompt %d, step %d", item.ID, i)
			}
		}
	})
}

// visionTaps compares activations with those of a vision.safetensors.
type visionTaps struct {
	t        *testing.T
	golden   *safetensors.File
	expected map[string]string // taps yet to be seen, and their names in the file
}

func openVisionTaps(t *testing.T, name string) *visionTaps {
	golden, err := safetensors.Open(filepath.Join("testdata", name, "vision.safetensors"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, golden.Close()) })
	return &visionTaps{t, golden, map[string]string{}}
}

func (v *visionTaps) tap(name string, _ int, values []float32) {
	as, ok := v.expected[name]
	if !ok {
		return
	}
	delete(v.expected, name)
	want, ok := v.golden.Lookup(as)
	require.True(v.t, ok, as)
	// As in TestTaps: the rounding of fp32 sums, far below any bug.
	requireClose(v.t, as, values, want.Float32s(nil), 1e-4)
}

// options are those of parity mode with the tap, and every prompt in one pass.
func (v *visionTaps) options() Options {
	o := parity()
	o.PrefillTokens, o.Tap = 1000, v.tap
	return o
}

// score runs a prompt, whose taps must be all that are expected.
func (v *visionTaps) score(m *Model, p *Prompt) {
	v.t.Helper()
	_, err := m.Score(context.Background(), p, 0)
	require.NoError(v.t, err)
	require.Empty(v.t, v.expected, "activations that no tap saw")
}

// look is the prompt of a picture without a question.
func look(t *testing.T, m *Model, path string) *Prompt {
	t.Helper()
	p, err := m.Encode(context.Background(), &Request{
		Messages:  []chat.Message{{Role: "user", Content: chat.Parts(chat.ImagePart(path))}},
		ReadImage: readTestdata,
	})
	require.NoError(t, err)
	return p
}

// The first activation of the vision tower that leaves the reference is named, from
// the pixels to the features in the places of the patch tokens.
func TestVisionTaps(t *testing.T) {
	eachVisionCheckpoint(t, func(t *testing.T, name string, g *visionGolden) {
		v := openVisionTaps(t, name)
		m := openTest(t, name, v.options())
		p := look(t, m, g.Taps.Picture)
		pixels, ok := v.golden.Lookup("pixels")
		require.True(t, ok)
		require.Equal(t, pixels.Data, p.Images[0].Tiles.Pix)
		for _, name := range v.golden.Names() {
			if strings.HasPrefix(name, "vision.") {
				v.expected[name] = name
			}
		}
		require.Len(t, v.expected, 6+m.config.Vision.Layers)
		v.score(m, p)

		v.expected["embed"] = "embed"
		v.score(m, g.Score[g.Taps.Prompt].prompt(t, m))
	})
}

// The features of every picture, whatever its tiles, are those of the reference.
func TestVisionFeatures(t *testing.T) {
	pictures, err := fs.Glob(os.DirFS("testdata"), "pictures/*.png")
	require.NoError(t, err)
	require.NotEmpty(t, pictures)
	eachVisionCheckpoint(t, func(t *testing.T, name string, g *visionGolden) {
		v := openVisionTaps(t, name)
		m := openTest(t, name, v.options())
		for _, path := range pictures {
			v.expected["vision.features"] = "features/" + filepath.Base(path)
			v.score(m, look(t, m, path))
		}
	})
}

// In auto mode the differences from fp32 are no larger than those of the reference
// in bf16, as in TestAutoMode.
func TestVisionAutoMode(t *testing.T) {
	for _, device := range testDevices(t) {
		t.Run(device, func(t *testing.T) {
			eachVisionCheckpoint(t, func(t *testing.T, name string, g *visionGolden) {
				m := openTest(t, name, Options{Device: device})
				var all []float64
				sum := 0.0
				for _, item := range g.Score {
					s, err := m.Score(context.Background(), item.prompt(t, m), 0)
					require.NoError(t, err)
					_, d := distance(t, s.LogProbs, item.LogProbs)
					sum += d
					for i, p := range s.LogProbs {
						all = append(all, math.Abs(p-item.LogProbs[i]))
					}
				}
				slices.Sort(all)
				mean, median := sum/float64(len(all)), all[len(all)/2]
				t.Logf("mean difference %.4f, of the reference in bf16 %.4f; median %.4f and %.4f",
					mean, g.BF16MeanAbs, median, g.BF16MedianAbs)
				require.LessOrEqual(t, mean, g.BF16MeanAbs)
				require.LessOrEqual(t, median, g.BF16MedianAbs)
			})
		})
	}
}

// demoQuestion is a line of demo_pictures.zip's questions.jsonl.
type demoQuestion struct {
	Images    []string
	Question  string
	Answer    string  // what is true
	Reference string  // what the reference says
	OutputIDs []int32 `json:"output_ids"`
}

func (q *demoQuestion) message() chat.Message {
	var parts []chat.Part
	for _, path := range q.Images {
		parts = append(parts, chat.ImagePart(path))
	}
	return chat.Message{Role: "user", Content: chat.Parts(append(parts, chat.TextPart(q.Question))...)}
}

// demoQuestions opens demo_pictures.zip; read reads its pictures.
func demoQuestions(t *testing.T) (questions []demoQuestion, read func(path string) ([]byte, error)) {
	t.Helper()
	z, err := zip.OpenReader("testdata/demo_pictures.zip")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, z.Close()) })
	read = func(path string) ([]byte, error) { return fs.ReadFile(z, path) }
	lines, err := read("questions.jsonl")
	require.NoError(t, err)
	for d := json.NewDecoder(bytes.NewReader(lines)); d.More(); {
		var q demoQuestion
		require.NoError(t, d.Decode(&q))
		questions = append(questions, q)
	}
	return questions, read
}

// The demo model says of fresh pictures what the reference says, in any precision:
// the smallest margin is over 5.
func TestDemoPictures(t *testing.T) {
	questions, read := demoQuestions(t)
	require.Len(t, questions, 200)
	if testing.Short() {
		questions = questions[:20]
	}
	for _, device := range testDevices(t) {
		t.Run(device, func(t *testing.T) {
			m := openDemo(t, Options{Device: device})
			asked, right := questions[:within(device, len(questions), 2)], 0
			for _, q := range asked {
				c, err := m.Complete(context.Background(), &Request{
					Messages: []chat.Message{q.message()}, ReadImage: read, Sampling: greedy(), MaxTokens: 48,
				})
				require.NoError(t, err)
				require.Equal(t, q.Reference, c.Text, "%v %s", q.Images, q.Question)
				require.Equal(t, q.OutputIDs, c.OutputIDs)
				if c.Text == q.Answer {
					right++
				}
			}
			t.Logf("%d of %d answers are right", right, len(asked))
		})
	}
}
