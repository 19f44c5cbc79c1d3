package llama4

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/quant"
)

// The bounds for the distance of a log-probability from the reference whose weights
// and activations are fake-quantized in fp32. The weights are the same bits, so what
// differs is the order of sums, about 1e-6, which now and then moves an activation
// over the middle of two 8-bit floats, by 6 % of its size; the reference's own such
// noise is noise_max_abs and noise_mean_abs of the goldens, which are drawn to have
// little of it. These bounds are what the project promises. Quantizing itself moves
// log-probabilities by quantized_mean_abs, 0.05 and more.
const (
	quantizedLargest = 5e-2
	quantizedMean    = 3e-3
)

// quantizedGolden is a file of testdata/quantized.
type quantizedGolden struct {
	Model  string `json:"model"`
	Scheme string `json:"scheme"`
	// Noisy prompts are further from the reference by their own noise.
	Noisy []struct {
		scoreItem
		Mean    float64 `json:"noise_mean_abs"`
		Largest float64 `json:"noise_max_abs"`
	} `json:"noisy"`
	RouterLogits map[string]map[string][][]float32 `json:"router_logits"`
	Quantized    float64                           `json:"quantized_mean_abs"`
	golden
}

func loadQuantized(t *testing.T, path string) *quantizedGolden {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	g := &quantizedGolden{}
	require.NoError(t, json.Unmarshal(raw, g))
	require.NotEmpty(t, g.Score)
	return g
}

// requireQuantized scores the prompts of a golden.
func requireQuantized(t *testing.T, m *Model, g *quantizedGolden) {
	t.Helper()
	largest, sum, n := 0.0, 0.0, 0
	for _, item := range g.Score {
		s, err := m.Score(context.Background(), &Prompt{Tokens: item.InputIDs}, len(item.Top))
		require.NoError(t, err)
		d, total := distance(t, s.LogProbs, item.LogProbs)
		largest, sum, n = max(largest, d), sum+total, n+len(item.LogProbs)
		for i, top := range item.Top {
			require.InDelta(t, top[1], s.Top[i].LogProb, quantizedLargest, "prompt %d, rank %d", item.ID, i)
		}
	}
	t.Logf("%d log-probabilities, largest difference %.1e, mean %.1e; quantizing moves them by %.1e", n, largest, sum/float64(n), g.Quantized)
	require.LessOrEqual(t, largest, quantizedLargest)
	require.LessOrEqual(t, sum/float64(n), quantizedMean)
	requireGreedy(t, m, &g.golden, quantizedLargest)
	for _, item := range g.Noisy {
		s, err := m.Score(context.Background(), &Prompt{Tokens: item.InputIDs}, 0)
		require.NoError(t, err)
		d, total := distance(t, s.LogProbs, item.LogProbs)
		// The reference's noise is a sample of a few draws; ours is one more.
		require.LessOrEqual(t, d, quantizedLargest+4*item.Largest, "prompt %d", item.ID)
		require.LessOrEqual(t, total/float64(max(len(item.LogProbs), 1)), quantizedMean+4*item.Mean, "prompt %d", item.ID)
	}
}

// Models that are quantized while they are loaded answer as the reference does.
func TestQuantizedGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/quantized/*.*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		g := loadQuantized(t, file)
		t.Run(g.Model+"/"+g.Scheme, func(t *testing.T) {
			o := parity()
			o.Quant = g.Scheme
			p, err := quant.ParsePreset(g.Scheme)
			require.NoError(t, err)
			require.False(t, p.None())
			m, err := Open(context.Background(), checkpointOf(g.Model), &o)
			require.NoError(t, err)
			defer func() { require.NoError(t, m.Close()) }()
			requireQuantized(t, m, g)
		})
	}
}

// checkpointOf returns the folder of a checkpoint that goldens name.
func checkpointOf(name string) string {
	if name == "demo" {
		return filepath.Join("demo", "model")
	}
	if dir := filepath.Join("testdata", "quantized", name); isDir(dir) {
		return dir
	}
	return filepath.Join("testdata", name)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Checkpoints in each published layout, written by compressed-tensors itself, answer as
// the reference does on what it makes of them.
func TestPublishedLayouts(t *testing.T) {
	files, err := filepath.Glob("testdata/quantized/*/goldens.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			g := loadQuantized(t, file)
			o := parity()
			m, err := Open(context.Background(), dir, &o)
			require.NoError(t, err)
			defer func() { require.NoError(t, m.Close()) }()
			requireQuantized(t, m, g)
		})
	}
}

// The logits of routers are the reference's, too: nobody else sees a wrong choice of
// experts as early.
func TestQuantizedRouters(t *testing.T) {
	files, err := filepath.Glob("testdata/quantized/*.*.json")
	require.NoError(t, err)
	tested := 0
	for _, file := range files {
		g := loadQuantized(t, file)
		for id, layers := range g.RouterLogits {
			o := parity()
			o.Quant, o.PrefillTokens = g.Scheme, 1000
			seen := 0
			o.Tap = func(name string, _ int, values []float32) {
				layer, ok := strings.CutSuffix(strings.TrimPrefix(name, "layers."), ".router_logits")
				if !ok {
					return
				}
				var want []float32
				for _, row := range layers[layer] {
					want = append(want, row...)
				}
				// An activation over the middle of two 8-bit floats moves a sum by a share of
				// 6 % of one of its terms.
				requireClose(t, file+" "+name, values, want, 2e-2)
				seen++
			}
			m, err := Open(context.Background(), checkpointOf(g.Model), &o)
			require.NoError(t, err)
			for _, item := range g.Score {
				if strconv.Itoa(item.ID) == id {
					_, err = m.Score(context.Background(), &Prompt{Tokens: item.InputIDs}, 0)
					require.NoError(t, err)
				}
			}
			require.NoError(t, m.Close())
			require.Equal(t, len(layers), seen)
			tested++
		}
	}
	require.Positive(t, tested)
}

// In auto mode a device rounds the operands of products besides, to bf16 or to 8 bits.
// With int4 that is a tenth of what quantizing is or less: an expert flips now and
// then, which the median does not see.
func TestQuantizedAuto(t *testing.T) {
	files, err := filepath.Glob("testdata/quantized/*.int4*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, device := range testDevices(t) {
		for _, file := range files {
			g := loadQuantized(t, file)
			if g.Model == "demo" && device == "simt" || g.Model == "outliers" {
				// The one takes minutes. The other has a channel a thousand times as large as
				// its neighbours, of which the CPU's 8 bits for 32 values together keep nothing.
				continue
			}
			m, err := Open(context.Background(), checkpointOf(g.Model), &Options{Device: device, Quant: g.Scheme})
			require.NoError(t, err)
			all := differences(t, m, &g.golden, 1000)
			require.NoError(t, m.Close())
			median := all[len(all)/2]
			t.Logf("%s %s: median difference %.4f; quantizing moves by %.4f", device, filepath.Base(file), median, g.Quantized)
			require.LessOrEqual(t, median, g.Quantized/10, file)
		}
	}
}

// Of fp8 tiny models amplify each rounding to the size of all of them, so the first
// layer is where a device can be compared: its activations are those of parity mode but
// for roundings to bf16 and the 8-bit floats that they push over, 6 % each.
func TestQuantizedFirstLayer(t *testing.T) {
	for _, device := range testDevices(t) {
		for _, name := range []string{"scout16", "grouped"} {
			taps := []string{"layers.0.q", "layers.0.attn_out", "layers.0.ffn_out"}
			run := func(o Options) map[string][]float32 {
				seen := map[string][]float32{}
				o.Quant = "fp8-all"
				o.Tap = func(name string, _ int, values []float32) { seen[name] = slices.Clone(values) }
				m := openTest(t, name, o)
				_, err := m.Score(context.Background(), &Prompt{Tokens: []int32{3, 1, 4, 1, 5, 9, 2, 6}}, 0)
				require.NoError(t, err)
				return seen
			}
			want, got := run(Options{Device: "cpu", Compute: bindings.ComputeF32}), run(Options{Device: device})
			for _, tap := range taps {
				d := apart(got[tap], want[tap])
				t.Logf("%s %s %s: relative distance %.4f", device, name, tap, d)
				require.Less(t, d, 0.1)
			}
		}
	}
}
