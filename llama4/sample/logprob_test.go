package sample

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The sum over n logits has n roundings of at most 2^-53 of it, each power two more,
// and the logarithm turns relative errors into absolute ones: 1e-12 is above n*2^-53
// for n = 3000, and above the rounding of results up to 1000 (1000 * 2^-53).
const logProbTolerance = 1e-12

func TestLogProb(t *testing.T) {
	inf := float32(math.Inf(-1))
	for _, c := range []struct {
		name   string
		logits []float32
		want   []float64
	}{
		{"equal", []float32{2, 2, 2, 2}, []float64{-math.Log(4), -math.Log(4), -math.Log(4), -math.Log(4)}},
		{"one token", []float32{-7}, []float64{0}},
		{"large", []float32{1000, 1000}, []float64{-math.Ln2, -math.Ln2}},
		{"small", []float32{-1000, -1000}, []float64{-math.Ln2, -math.Ln2}},
		{"far apart", []float32{0, -900}, []float64{0, -900}},
		{"banned", []float32{1, inf, 1}, []float64{-math.Ln2, math.Inf(-1), -math.Ln2}},
		{"sigmoid", []float32{0, 1}, []float64{-math.Log1p(math.E), -math.Log1p(1 / math.E)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for id, want := range c.want {
				got := LogProb(c.logits, int32(id))
				if math.IsInf(want, -1) {
					require.True(t, math.IsInf(got, -1), got)
				} else {
					require.InDelta(t, want, got, logProbTolerance)
				}
			}
		})
	}
}

// Many small terms count: the sum is checked with numbers of 200 bits.
func TestLogProbSum(t *testing.T) {
	logits := noise(1, 3000)
	logits[17] = 30
	sum := new(big.Float).SetPrec(200)
	for _, x := range logits {
		sum.Add(sum, big.NewFloat(math.Exp(float64(x)-30)))
	}
	f, _ := sum.Float64()
	require.InDelta(t, float64(logits[5])-30-math.Log(f), LogProb(logits, 5), logProbTolerance)
}

func TestLogProbUndefined(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		logits []float32
		id     int32
	}{
		{nil, 0}, {[]float32{1}, -1}, {[]float32{1}, 1},
		{[]float32{1, nan}, 0}, {[]float32{nan, 1}, 1}, {[]float32{1, inf}, 1}, {[]float32{-inf, -inf}, 0},
	} {
		require.True(t, math.IsNaN(LogProb(c.logits, c.id)), "%v[%d]", c.logits, c.id)
	}
	for _, top := range TopLogProbs([]float32{nan, 1, nan, 2}, 3) {
		require.True(t, math.IsNaN(top.LogProb))
	}
}

func TestTopLogProbs(t *testing.T) {
	logits := []float32{1, 3, 2, 3, 0, 2}
	for n, want := range [][]int32{{}, {1}, {1, 3}, {1, 3, 2}, {1, 3, 2, 5}, {1, 3, 2, 5, 0}, {1, 3, 2, 5, 0, 4}} {
		require.Equal(t, want, topIDs(TopLogProbs(logits, n)))
	}
	require.Len(t, TopLogProbs(logits, math.MaxInt), len(logits))
	require.Empty(t, TopLogProbs(logits, -1))
	require.Empty(t, TopLogProbs(nil, 5))
}

func topIDs(top []TokenLogProb) []int32 {
	ids := make([]int32, len(top))
	for i, x := range top {
		ids[i] = x.ID
	}
	return ids
}

// The top are the head of all tokens, sorted.
func TestTopLogProbsEqualsSort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logits := drawLogits(t)
		n := rapid.IntRange(0, 700).Draw(t, "n")
		all := make([]int32, len(logits))
		for i := range all {
			all[i] = int32(i)
		}
		slices.SortStableFunc(all, func(a, b int32) int { return cmp.Compare(logits[b], logits[a]) })
		top := TopLogProbs(logits, n)
		require.Equal(t, all[:min(n, len(all))], topIDs(top))
		for _, x := range top {
			require.Equal(t, LogProb(logits, x.ID), x.LogProb)
		}
	})
}
