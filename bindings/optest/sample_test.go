package optest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// randomRules draws rules of every kind, most often those that keep some tokens.
func randomRules(rng *rand.Rand) SampleRules {
	pick := func(values ...float32) float32 { return values[rng.IntN(len(values))] }
	return SampleRules{
		Temperature: pick(0, 0.1, 0.6, 0.6, 1, 1, 2, 100, 1e-30),
		TopK:        int32(pick(0, 0, 0, 1, 2, 7, 50, 500, 1<<30)),
		TopP:        pick(1, 1, 0, 1e-9, 0.29, 0.61, 0.9, 0.9, 0.999, 0.9999999),
		MinP:        pick(0, 0, 0, 1e-12, 0.05, 0.31, 1),
		Draw:        pick(0, 0.5, 1-0x1p-24, float32(rng.IntN(1<<24))*0x1p-24, float32(rng.IntN(1<<24))*0x1p-24),
	}
}

// randomLogits draws logits of many shapes: spread and coarseness vary, so that
// there are ties, far outliers, banned tokens and tokens without a mass.
func randomLogits(rng *rand.Rand, n int) []float32 {
	spread := []float64{0, 0.3, 2, 10, 40}[rng.IntN(5)]
	steps := []float64{1, 8, 1 << 20}[rng.IntN(3)]
	banned := []float64{0, 0, 0.2, 0.9}[rng.IntN(4)]
	logits := make([]float32, n)
	for i := range logits {
		logits[i] = float32(math.Round(rng.NormFloat64()*spread*steps) / steps)
		if rng.Float64() < banned {
			logits[i] = float32(math.Inf(-1))
		}
	}
	for range rng.IntN(6) {
		logits[rng.IntN(n)] += 20
	}
	logits[rng.IntN(n)] = float32(spread)
	return logits
}

func TestSample(t *testing.T) {
	for _, n := range []int{1, 2, 31, 32, 33, 600, 1025, 4096, 5003, 8195} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			rng := newRand(t.Name())
			const rows = 40
			var x []float32
			var rules []SampleRules
			for range rows {
				x = append(x, randomLogits(rng, n)...)
				rules = append(rules, randomRules(rng))
			}
			// A draw is seldom that close to a border.
			require.Less(t, testSample(t, x, rules), rows/8)
		})
	}
}

// A vocabulary of Llama 4's size: peaked, open and flat logits.
func TestSampleVocabulary(t *testing.T) {
	const n = 202048
	rng := newRand(t.Name())
	var x []float32
	for row := range 3 {
		deviation := []float64{2.5, 2.5, 1}[row]
		for range n {
			x = append(x, float32(rng.NormFloat64()*deviation))
		}
		for rank := range 2000 {
			slope := []float64{2.2, 1, 0}[row]
			if row < 2 {
				x[row*n+rng.IntN(n)] = float32(22 - slope*math.Log(float64(rank+1)))
			}
		}
	}
	testSample(t, x, []SampleRules{
		{Temperature: 0.6, TopP: 0.9, Draw: 0.7},
		{Temperature: 0.6, TopP: 0.9, TopK: 1000, Draw: 0.3},
		{Temperature: 1, TopP: 0.95, MinP: 0.01, Draw: 0.9},
	})
}

func TestSampleExtremes(t *testing.T) {
	inf, negative := float32(math.Inf(1)), float32(math.Copysign(0, -1))
	const largest = math.MaxFloat32
	for name, row := range map[string][]float32{
		"a NaN":             {1, nan32, 2, 0},
		"nothing but NaN":   {nan32, nan32, nan32, -nan32},
		"an infinity":       {1, 2, inf, 0},
		"an infinity, last": {1, 2, -inf, inf},
		"all banned":        {-inf, -inf, -inf, -inf},
		"one left":          {-inf, -inf, -3, -inf},
		"equal":             {5, 5, 5, 5},
		"zeros are equal":   {negative, 0, negative, 0},
		"zeros, the lowest": {-1, negative, 0, -1},
		"the largest":       {-largest, largest, 0, largest},
		"far apart":         {0, -28, -28.5, -29},
	} {
		t.Run(name, func(t *testing.T) {
			var x []float32
			var rules []SampleRules
			for _, temperature := range []float32{0, math.SmallestNonzeroFloat32, 1e-30, 1, 100} {
				for _, r := range []SampleRules{
					{TopP: 1}, {TopP: 0}, {TopP: 0.5}, {TopP: 1, TopK: 1}, {TopP: 1, TopK: 3}, {TopP: 1, MinP: 1}, {TopP: 0.9, TopK: 2, MinP: 0.5},
				} {
					for _, draw := range []float32{0, 0.4999, 0.9, 1 - 0x1p-24} {
						r.Temperature, r.Draw = temperature, draw
						x, rules = append(x, row...), append(rules, r)
					}
				}
			}
			testSample(t, x, rules)
		})
	}
}

// The tokens of equal logits that top-p keeps are those of the lowest ids, which
// spread over all parts of a long row.
func TestSampleTies(t *testing.T) {
	const n = 3000
	x := make([]float32, n)
	var all []float32
	var rules []SampleRules
	for _, p := range []float32{0, 0x1p-12, 0.2501, 0.4999, 0.7501} {
		for _, draw := range []float32{0, 0.3, 1 - 0x1p-24} {
			all, rules = append(all, x...), append(rules, SampleRules{Temperature: 1, TopP: p, Draw: draw})
		}
	}
	require.Zero(t, testSample(t, all, rules))
}

// testSample samples rows by rules and returns in how many of them rounding may
// decide. All devices give the same tokens: their masses are the same integers.
func testSample(t *testing.T, x []float32, rules []SampleRules) (close int) {
	t.Helper()
	n := len(x) / len(rules)
	want := make([][]int32, len(rules))
	for i, r := range rules {
		want[i] = Sample(x[i*n:(i+1)*n], r)
		if len(want[i]) > 1 {
			close++
		}
	}
	var first []int32
	onTargets(t, func(t *testing.T, r *rig) {
		a := sampleArgs(r, x, rules)
		require.NoError(t, r.stream.Sample(&a))
		got := r.readInts(a.IDs)
		for i, id := range got {
			require.Contains(t, want[i], id, "row %d: %+v", i, rules[i])
		}
		if first == nil {
			first = got
		}
		require.Equal(t, first, got, "another token than the first device's")
	})
	return close
}

func sampleArgs(r *rig, x []float32, rules []SampleRules) bindings.SampleArgs {
	rows := int64(len(rules))
	floats := func(name string, of func(SampleRules) float32) bindings.Tensor {
		values := make([]float32, rows)
		for i, rule := range rules {
			values[i] = of(rule)
		}
		return put(r, name, bindings.F32, values, rows)
	}
	topK := make([]int32, rows)
	for i, rule := range rules {
		topK[i] = rule.TopK
	}
	return bindings.SampleArgs{
		X:           put(r, "x", bindings.F32, x, rows, int64(len(x))/rows),
		Temperature: floats("temperature", func(s SampleRules) float32 { return s.Temperature }),
		TopK:        r.ints("top_k", topK, rows),
		TopP:        floats("top_p", func(s SampleRules) float32 { return s.TopP }),
		MinP:        floats("min_p", func(s SampleRules) float32 { return s.MinP }),
		Draw:        floats("draw", func(s SampleRules) float32 { return s.Draw }),
		IDs:         r.out("ids", bindings.I32, rows),
	}
}
