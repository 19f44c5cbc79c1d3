package sample

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A draw has the parameters, and the random number that Next would have taken.
func TestDraw(t *testing.T) {
	seed := uint64(5)
	p := Params{Temperature: 0.5, TopK: 1 << 40, TopP: 0.75, MinP: 0.25, RepetitionPenalty: 1, Seed: &seed}
	a, b := newSampler(t, p, 8), newSampler(t, p, 8)
	for range 100 {
		d := a.Draw()
		require.Equal(t, d, a.Draw())
		a.Drawn()
		want := float64(b.random.Uint64()>>11) / (1 << 53)
		require.Equal(t, Draw{Temperature: 0.5, TopK: 1<<31 - 1, TopP: 0.75, MinP: 0.25, Uniform: d.Uniform}, d)
		require.LessOrEqual(t, float64(d.Uniform), want)
		require.Less(t, want-float64(d.Uniform), 1.0/(1<<24))
	}
}

// The largest random number is below 1 also as a float32, and greedy takes none.
func TestDrawEdges(t *testing.T) {
	seed := uint64(5)
	p := Default()
	p.Seed = &seed
	a, b := newSampler(t, p, 8), newSampler(t, p, 8)
	require.Equal(t, Draw{TopP: 1}, a.Draw())
	a.Drawn()
	require.Equal(t, b.random.Uint64(), a.random.Uint64())
	require.Less(t, float32(uint64(1<<64-1)>>40)/(1<<24), float32(1))
}
