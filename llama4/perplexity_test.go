package llama4

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Windows begin with bos, their second halves count, and what is left at the end does
// not: computed from scores of the windows.
func TestPerplexity(t *testing.T) {
	m := openTest(t, "scout16", parity())
	const window, bos = 20, 1
	tokens := randomTokens(rand.New(rand.NewPCG(3, 4)), m, 3*window+window-1)
	var nll []float64
	for first := 0; first+window <= len(tokens); first += window {
		part := slices.Clone(tokens[first : first+window])
		part[0] = bos
		s, err := m.Score(context.Background(), &Prompt{Tokens: part}, 0)
		require.NoError(t, err)
		nll = append(nll, s.LogProbs[window/2:]...)
	}
	sum, squares := 0.0, 0.0
	for _, v := range nll {
		sum -= v
	}
	mean := sum / float64(len(nll))
	for _, v := range nll {
		squares += (v + mean) * (v + mean)
	}
	n := float64(len(nll))

	var seen []Perplexity
	p, err := m.Perplexity(context.Background(), tokens, window, bos, func(p Perplexity) { seen = append(seen, p) })
	require.NoError(t, err)
	require.Equal(t, 3, p.Windows)
	require.Equal(t, 3*(window/2-1), p.Tokens)
	require.Len(t, nll, p.Tokens)
	// The same float32 log-probabilities, added up in another order.
	require.InEpsilon(t, math.Exp(mean), p.Value, 1e-12)
	require.InEpsilon(t, p.Value*math.Sqrt(squares/n/(n-1)), p.Error, 1e-9)
	require.Len(t, seen, 3)
	require.Equal(t, p, seen[2])

	free, err := m.Perplexity(context.Background(), tokens, window, -1, nil)
	require.NoError(t, err)
	require.NotEqual(t, p.Value, free.Value)
	require.Zero(t, m.cache.global.inUse(), "pages that stay behind")
}

func TestPerplexityFaults(t *testing.T) {
	m := openTest(t, "scout16", parity())
	for name, test := range map[string]struct {
		tokens, window int
	}{
		"short text":   {10, 11},
		"no text":      {0, 4},
		"small window": {10, 3},
		"past context": {10, m.Context() + 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := m.Perplexity(context.Background(), make([]int32, test.tokens), test.window, -1, nil)
			require.Error(t, err)
		})
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := m.Perplexity(ended, make([]int32, 40), 20, -1, nil)
	require.ErrorIs(t, err, context.Canceled)
}
