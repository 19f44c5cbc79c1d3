package optest

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

func TestRouter(t *testing.T) {
	for _, act := range acts {
		for _, s := range []struct{ tokens, hidden, experts, topK int }{
			{1, 1, 1, 1}, {1, 64, 16, 1}, {9, 33, 4, 1}, {9, 33, 4, 2}, {40, 100, 16, 1},
			{64, 72, 128, 1}, {17, 128, 128, 2}, {3, 8, 5, 5},
			// More tokens than a block sorts, and edges of tiles.
			{65, 40, 16, 1}, {128, 16, 17, 2}, {129, 24, 33, 1}, {300, 40, 128, 2}, {2, 1100, 3, 1}, {70, 8, 300, 3},
		} {
			t.Run(fmt.Sprint(act, s), func(t *testing.T) {
				rng := newRand(t.Name())
				x := random(rng, act, s.tokens*s.hidden)
				testRouter(t, act, x, matrix(rng, s.experts, s.hidden, nk), s.topK)
			})
		}
	}
}

// Small integers have sums that no order of summation rounds, so that equal
// experts have equal logits: the lowest is chosen.
func TestRouterTies(t *testing.T) {
	for _, act := range acts {
		for _, topK := range []int{1, 2, 3} {
			t.Run(fmt.Sprint(act, topK), func(t *testing.T) {
				rng := newRand(t.Name())
				const tokens, hidden, experts = 12, 24, 8
				x := make([]float64, tokens*hidden)
				for i := range x {
					x[i] = float64(rng.IntN(5) - 2)
				}
				w := Matrix{Data: make([]float64, experts*hidden), N: experts, K: hidden}
				for i := range hidden {
					v := float64(rng.IntN(3) - 1)
					for e := range experts {
						w.Data[e*hidden+i] = v
					}
					w.Data[2*hidden+i], w.Data[5*hidden+i] = -v, -v // two equal others
				}
				testRouter(t, act, x, w, topK)
			})
		}
	}
}

// All tokens to one expert, whichever it is.
func TestRouterOneExpert(t *testing.T) {
	for _, expert := range []int{0, 3, 6} {
		t.Run(fmt.Sprint(expert), func(t *testing.T) {
			const tokens, hidden, experts = 20, 16, 7
			x := make([]float64, tokens*hidden)
			for i := range x {
				x[i] = 1
			}
			w := Matrix{Data: make([]float64, experts*hidden), N: experts, K: hidden}
			for i := range hidden {
				w.Data[expert*hidden+i] = 2
			}
			testRouter(t, bindings.F32, x, w, 1)
		})
	}
}

// Logits so large that a sigmoid in fp32 is 0 or 1.
func TestRouterSaturates(t *testing.T) {
	x := []float64{1000, -1000, 90, -90, 88, -88, 0}
	w := Matrix{Data: []float64{1}, N: 1, K: 1}
	for _, act := range acts {
		t.Run(act.String(), func(t *testing.T) { testRouter(t, act, x, w, 1) })
	}
}

// A NaN is less than any number: an expert with one is chosen last, and a token of
// NaNs goes to the first experts.
func TestRouterNaN(t *testing.T) {
	const tokens, hidden, experts = 5, 9, 4
	rng := newRand(t.Name())
	for _, act := range acts {
		for topK := 1; topK <= experts; topK++ {
			t.Run(fmt.Sprint(act, topK), func(t *testing.T) {
				x, w := random(rng, act, tokens*hidden), matrix(rng, experts, hidden, nk)
				x[3*hidden+2] = math.NaN()
				w.Data[2*hidden+7] = math.NaN()
				testRouter(t, act, x, w, topK)
			})
		}
	}
}

// A logit has all bits of an fp32 x, also where its upper bits alone would be rounded to
// an infinity.
func TestRouterWholeX(t *testing.T) {
	x := []float64{
		1 + 0x1p-23, 1 - 0x1p-24, -3 + 0x1p-22, math.MaxFloat32, -math.MaxFloat32, math.Inf(1), math.Inf(-1),
		0x1p-110 * (1 + 0x1p-23), 0x1p-126,
	}
	testRouter(t, bindings.F32, x, Matrix{Data: []float64{1}, N: 1, K: 1}, 1)
}

func testRouter(t *testing.T, act bindings.DType, x []float64, weight Matrix, topK int) {
	t.Helper()
	logits := RouterLogits(x, weight)
	onTargets(t, func(t *testing.T, r *rig) {
		a := routerArgs(r, act, x, weight, topK)
		r.ran(r.stream.Router(&a), false)
		got := r.read(a.Logits)
		Compare(t, "logits", got, logits)
		// What follows is decided by the logits as they are.
		want := Route(got, weight.N, topK)
		require.Equal(t, want.Experts, r.readInts(a.Experts), "experts")
		scores := r.read(a.Scores)
		Compare(t, "scores", scores, want.Scores)
		require.Equal(t, want.Offsets, r.readInts(a.Offsets), "offsets")
		require.Equal(t, want.RowTokens, r.readInts(a.RowTokens), "row_tokens")
		var rowScores []float32
		for _, slot := range want.RowSlots {
			rowScores = append(rowScores, scores[slot])
		}
		require.Equal(t, raw(rowScores), r.bytes(a.RowScores), "row_scores")
	})
}

// routerArgs places the arguments of a router.
func routerArgs(r *rig, act bindings.DType, x []float64, weight Matrix, topK int) bindings.RouterArgs {
	tokens, experts, k := int64(len(x)/weight.K), int64(weight.N), int64(topK)
	return bindings.RouterArgs{
		TopK:      topK,
		X:         r.floats("x", act, x, tokens, int64(weight.K)),
		Weight:    r.floats("weight", bindings.BF16, weight.Data, experts, int64(weight.K)),
		Logits:    r.out("logits", bindings.F32, tokens, experts),
		Experts:   r.out("experts", bindings.I32, tokens, k),
		Scores:    r.out("scores", bindings.F32, tokens, k),
		Offsets:   r.out("offsets", bindings.I32, experts+1),
		RowTokens: r.out("row_tokens", bindings.I32, tokens*k),
		RowScores: r.out("row_scores", bindings.F32, tokens*k),
	}
}
