package llama4

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestInvFreqEqualFactors puts a wavelength exactly where low and high meet: the
// blend would divide 0 by 0 there.
func TestInvFreqEqualFactors(t *testing.T) {
	// With theta 1 every wavelength is 2*pi; no integer context equals it, so the
	// factors carry it: original/factor rounds to the same float32.
	r := RopeConfig{Theta: 1, Llama3: true, Factor: 8, Original: 1}
	r.LowFreqFactor = 1 / float64(float32(2*math.Pi))
	r.HighFreqFactor = r.LowFreqFactor
	require.Equal(t, []float32{0.125, 0.125}, r.InvFreq(4))
}

func TestInvFreqDefault(t *testing.T) {
	r := RopeConfig{Theta: 10000}
	require.Equal(t, []float32{1, 0.1, 0.01, 0.001}, r.InvFreq(8))
}

// TestInvFreqBands checks the three bands of the llama3 rule against float64.
func TestInvFreqBands(t *testing.T) {
	r := RopeConfig{Theta: 500000, Llama3: true, Factor: 8, LowFreqFactor: 1, HighFreqFactor: 4, Original: 8192}
	var kept, blended, divided int
	for i, got := range r.InvFreq(128) {
		f := math.Pow(500000, -float64(i)/64)
		w := 2 * math.Pi / f
		want := f
		switch {
		case w < 8192./4:
			kept++
		case w > 8192:
			want = f / 8
			divided++
		default:
			s := (8192/w - 1) / 3
			want = (1-s)*f/8 + s*f
			blended++
		}
		// A dozen roundings of float32, each of 6e-8.
		require.InEpsilon(t, want, got, 1e-6)
	}
	require.Positive(t, kept)
	require.Positive(t, blended)
	require.Positive(t, divided)
}
