package llama4

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

// parityTolerance bounds a log-probability's distance from the fp32 reference in
// f32 mode. Both are fp32 sums in different orders: the goldens' own distance
// from fp64 is about 1e-5 (fp64_max_abs), ours is of the same size, and 2e-3 is
// what the project promises for checkpoints of any size.
const parityTolerance = 2e-3

// checkpoints are the folders of testdata with goldens.
var checkpoints = []string{"scout16", "maverick128", "scout4-mm", "maverick16-mm", "grouped", "top2", "tied"}

// scoreItem is how probable the reference finds a prompt, and what it would say next.
type scoreItem struct {
	ID       int          `json:"id"`
	InputIDs []int32      `json:"input_ids"`
	LogProbs []float64    `json:"logprobs"`
	Top      [][2]float64 `json:"top"`
}

// golden is goldens.json: what the reference answers.
type golden struct {
	Score  []scoreItem `json:"score"`
	Greedy []struct {
		ID           int             `json:"id"`
		InputIDs     []int32         `json:"input_ids"`
		OutputIDs    []int32         `json:"output_ids"`
		LogProbs     []float64       `json:"logprobs"` // of the greedy token
		Margins      []float64       `json:"margins"`  // to the second
		Text         string          `json:"text"`
		Messages     json.RawMessage `json:"messages"`
		Prompt       string          `json:"prompt"`
		MaxTokens    int             `json:"max_tokens"`
		FinishReason string          `json:"finish_reason"`
	} `json:"greedy"`
	Taps          []int32 `json:"taps"`
	BF16MeanAbs   float64 `json:"bf16_mean_abs"`
	BF16MedianAbs float64 `json:"bf16_median_abs"`
}

func loadGolden(t *testing.T, path string) *golden {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	g := &golden{}
	require.NoError(t, json.Unmarshal(raw, g))
	require.NotEmpty(t, g.Score)
	require.NotEmpty(t, g.Greedy)
	return g
}

// parity are the options of parity mode, which is the CPU's, with pages and prefill
// pieces that fit neither the chunks nor the prompts.
func parity() Options {
	return Options{Device: "cpu", Compute: bindings.ComputeF32, PageSize: 7, PrefillTokens: 40}
}

// openTest opens a checkpoint of testdata for the time of the test.
func openTest(t *testing.T, name string, o Options) *Model {
	t.Helper()
	m, err := Open(context.Background(), filepath.Join("testdata", name), &o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// eachCheckpoint runs a test for every checkpoint.
func eachCheckpoint(t *testing.T, test func(t *testing.T, name string, g *golden)) {
	for _, name := range checkpoints {
		t.Run(name, func(t *testing.T) {
			test(t, name, loadGolden(t, filepath.Join("testdata", name, "goldens.json")))
		})
	}
}

// distance returns the largest and the summed distance of two lists, and fails on
// a NaN or a different length.
func distance(t *testing.T, got, want []float64) (largest, sum float64) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		d := math.Abs(got[i] - want[i])
		require.False(t, math.IsNaN(d), "token %d: %v, want %v", i+1, got[i], want[i])
		largest, sum = max(largest, d), sum+d
	}
	return largest, sum
}

// requireScore scores a prompt as the reference does, up to parityTolerance, and
// returns the largest distance of a log-probability.
func requireScore(t *testing.T, m *Model, p *Prompt, item *scoreItem) float64 {
	t.Helper()
	s, err := m.Score(context.Background(), p, len(item.Top))
	require.NoError(t, err)
	d, _ := distance(t, s.LogProbs, item.LogProbs)
	require.LessOrEqual(t, d, parityTolerance, "prompt %d", item.ID)
	for i, top := range item.Top {
		require.Equal(t, int32(top[0]), s.Top[i].ID, "prompt %d, rank %d", item.ID, i)
		require.InDelta(t, top[1], s.Top[i].LogProb, parityTolerance, "prompt %d, rank %d", item.ID, i)
	}
	return d
}

func TestScoreGoldens(t *testing.T) {
	eachCheckpoint(t, func(t *testing.T, name string, g *golden) {
		m := openTest(t, name, parity())
		largest, n := 0.0, 0
		for _, item := range g.Score {
			d := requireScore(t, m, &Prompt{Tokens: item.InputIDs}, &item)
			largest, n = max(largest, d), n+len(item.LogProbs)
		}
		t.Logf("f32: %d log-probabilities, largest difference %.1e", n, largest)
	})
}

// Other spellings of the same configuration give the same answers.
func TestConfigSpellings(t *testing.T) {
	variants, err := filepath.Glob("testdata/*/config.*.json")
	require.NoError(t, err)
	require.NotEmpty(t, variants)
	for _, variant := range variants {
		t.Run(variant, func(t *testing.T) {
			source := filepath.Dir(variant)
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(source)))
			require.NoError(t, os.Rename(filepath.Join(dir, filepath.Base(variant)), filepath.Join(dir, "config.json")))
			o := parity()
			m, err := Open(context.Background(), dir, &o)
			require.NoError(t, err)
			defer func() { require.NoError(t, m.Close()) }()
			for _, item := range loadGolden(t, filepath.Join(source, "goldens.json")).Score {
				s, err := m.Score(context.Background(), &Prompt{Tokens: item.InputIDs}, 0)
				require.NoError(t, err)
				d, _ := distance(t, s.LogProbs, item.LogProbs)
				require.LessOrEqual(t, d, parityTolerance)
			}
		})
	}
}

// Greedy decoding, token by token over several chunk boundaries, follows the
// reference as long as its margin exceeds what rounding may move.
func TestGreedyGoldens(t *testing.T) {
	eachCheckpoint(t, func(t *testing.T, name string, g *golden) {
		requireGreedy(t, openTest(t, name, parity()), g, parityTolerance)
	})
}

func requireGreedy(t *testing.T, m *Model, g *golden, tolerance float64) {
	t.Helper()
	for _, item := range g.Greedy {
		q := m.NewSequence()
		next, logProb := int32(0), 0.0
		visit := func(l *Logits) error {
			if err := l.LogSoftmax(); err != nil {
				return err
			}
			values, ids, err := l.TopK(l.Rows()-1, 1)
			next, logProb = ids[0], float64(values[0])
			return err
		}
		require.NoError(t, m.Prefill(context.Background(), q, item.InputIDs, LastRow, visit))
		for i, want := range item.OutputIDs {
			if item.Margins[i] <= 2*tolerance {
				break
			}
			require.Equal(t, want, next, "prompt %d, step %d", item.ID, i)
			require.InDelta(t, item.LogProbs[i], logProb, tolerance, "prompt %d, step %d", item.ID, i)
			step := Step{Sequence: q, Tokens: []int32{next}, Logits: LastRow}
			require.NoError(t, m.Forward(context.Background(), []Step{step}, visit))
		}
		require.NoError(t, q.Close())
	}
}

// The first activation that leaves the reference is named.
func TestTaps(t *testing.T) {
	for _, name := range []string{"scout16", "maverick128"} {
		t.Run(name, func(t *testing.T) {
			golden, err := safetensors.Open(filepath.Join("testdata", name, "taps.safetensors"))
			require.NoError(t, err)
			defer func() { require.NoError(t, golden.Close()) }()
			o := parity()
			seen := map[string]bool{}
			o.Tap = func(name string, rows int, values []float32) {
				want, ok := golden.Lookup(name)
				require.True(t, ok, "%s is not in the goldens", name)
				// Both carry the rounding of fp32 sums through up to 5 layers, some 1e-6 of the
				// largest value a layer; 1e-4 of it is far below any bug of testdata/README.md.
				requireClose(t, name, values, want.Float32s(nil), 1e-4)
				seen[name] = true
			}
			m := openTest(t, name, o)
			m.options.PrefillTokens = 1000
			ids := loadGolden(t, filepath.Join("testdata", name, "goldens.json")).Taps
			_, err = m.Score(context.Background(), &Prompt{Tokens: ids}, 0)
			require.NoError(t, err)
			for _, layer := range m.plan {
				require.True(t, seen[fmt.Sprintf("layers.%d.ffn_out", layer.Index)])
			}
			require.True(t, seen["norm"])
		})
	}
}

// requireClose compares an activation with the reference's, whose elements may differ
// by a share of the largest.
func requireClose(t *testing.T, name string, got, want []float32, share float64) {
	t.Helper()
	require.Len(t, got, len(want), name)
	largest := 0.0
	for _, w := range want {
		largest = max(largest, math.Abs(float64(w)))
	}
	for i := range want {
		d := math.Abs(float64(got[i]) - float64(want[i]))
		if !(d <= share*largest) {
			t.Fatalf("%s is the first wrong tensor: element %d is %v, want %v", name, i, got[i], want[i])
		}
	}
}
