package llama4

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/safetensors"
)

// openAuto opens a checkpoint of testdata, or the demo model, in auto mode with its
// goldens.
func openAuto(t *testing.T, name, device string) (*Model, *golden) {
	t.Helper()
	if name == "demo" {
		return openDemo(t, Options{Device: device}), loadGolden(t, "testdata/demo_goldens.json")
	}
	return openTest(t, name, Options{Device: device}), loadGolden(t, filepath.Join("testdata", name, "goldens.json"))
}

// differences returns how far the log-probabilities are from the reference in fp32,
// in ascending order.
func differences(t *testing.T, m *Model, g *golden, most int) []float64 {
	t.Helper()
	var all []float64
	for _, item := range g.Score {
		n := min(len(item.InputIDs), most)
		s, err := m.Score(context.Background(), &Prompt{Tokens: item.InputIDs[:n]}, 0)
		require.NoError(t, err)
		distance(t, s.LogProbs, item.LogProbs[:n-1])
		for i, p := range s.LogProbs {
			all = append(all, math.Abs(p-item.LogProbs[i]))
		}
	}
	slices.Sort(all)
	return all
}

// agreement counts the tokens of greedy decoding, token by token, whose margin
// exceeds a bound, and which of them are those of the reference.
func agreement(t *testing.T, m *Model, g *golden, bound float64, prompts, steps int) (found, certain int) {
	t.Helper()
	for _, item := range g.Greedy[:min(len(g.Greedy), prompts)] {
		q := m.NewSequence()
		next := item.InputIDs
		for i, want := range item.OutputIDs[:min(len(item.OutputIDs), steps)] {
			got, err := m.prefillNext(context.Background(), q, next, newGreedy(t, m))
			require.NoError(t, err)
			if item.Margins[i] > bound {
				certain++
				if got == want {
					found++
				}
			}
			next = item.OutputIDs[i : i+1]
		}
		require.NoError(t, q.Close())
	}
	return found, certain
}

// In auto mode the differences from fp32 are no larger than those of the reference
// in bf16, of every checkpoint by the mean, which an expert that flips moves, and by
// the median, which it hardly does.
//
// Greedy decoding finds the tokens of the reference where their margin is several
// times the mean difference, but for a few where an expert flips.
func TestAutoMode(t *testing.T) {
	for _, device := range testDevices(t) {
		t.Run(device, func(t *testing.T) {
			ours, theirs, tokens, found, certain := 0.0, 0.0, 0, 0, 0
			for _, name := range append(slices.Clone(checkpoints), "demo") {
				m, g := openAuto(t, name, device)
				length, prompts, steps := 10000, 100, 10000
				if name == "demo" {
					length, prompts = within(device, length, 20), within(device, prompts, 1)
				}
				all := differences(t, m, g, length)
				sum := 0.0
				for _, d := range all {
					sum += d
				}
				n := len(all)
				mean, median := sum/float64(n), all[n/2]
				t.Logf("%s: mean difference %.4f, of the reference in bf16 %.4f; median %.4f and %.4f",
					name, mean, g.BF16MeanAbs, median, g.BF16MedianAbs)
				require.LessOrEqual(t, mean, g.BF16MeanAbs, name)
				if name != "demo" { // which is so sure of itself that most differences are nothing
					require.LessOrEqual(t, median, g.BF16MedianAbs, name)
				}
				ours, theirs, tokens = ours+sum, theirs+g.BF16MeanAbs*float64(n), tokens+n
				f, c := agreement(t, m, g, 4*mean, prompts, within(device, steps, 8))
				found, certain = found+f, certain+c
			}
			t.Logf("all: mean difference %.4f, of the reference in bf16 %.4f; %d of %d greedy tokens found",
				ours/float64(tokens), theirs/float64(tokens), found, certain)
			require.LessOrEqual(t, ours, theirs)
			require.Greater(t, certain, 50)
			require.GreaterOrEqual(t, float64(found), 0.95*float64(certain))
		})
	}
}

// The activations up to the first feed-forward, where no expert can have flipped,
// are those of the reference within a few roundings to bf16.
func TestTapsAuto(t *testing.T) {
	for _, device := range testDevices(t) {
		for _, name := range []string{"scout16", "maverick128"} {
			t.Run(device+"/"+name, func(t *testing.T) {
				golden, err := safetensors.Open(filepath.Join("testdata", name, "taps.safetensors"))
				require.NoError(t, err)
				defer func() { require.NoError(t, golden.Close()) }()
				first := map[string]bool{
					"embed": false, "layers.0.input_norm": false, "layers.0.q": false, "layers.0.attn": false,
					"layers.0.attn_out": false, "layers.0.post_norm": false,
				}
				tap := func(name string, _ int, values []float32) {
					if _, is := first[name]; !is {
						return
					}
					first[name] = true
					want, ok := golden.Lookup(name)
					require.True(t, ok, name)
					// Eight roundings to bf16 of the largest: the steps between taps round a
					// handful of times, and errors of sums stay below their terms'.
					requireClose(t, name, values, want.Float32s(nil), 8.0/256)
				}
				m := openTest(t, name, Options{Device: device, Tap: tap})
				ids := loadGolden(t, filepath.Join("testdata", name, "goldens.json")).Taps
				_, err = m.Score(context.Background(), &Prompt{Tokens: ids}, 0)
				require.NoError(t, err)
				for name, seen := range first {
					require.True(t, seen, name)
				}
			})
		}
	}
}
