package sample

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// plainKeep is the rules of steps 4 to 7 in a straight line: weigh everything, sort
// everything, cut. It returns the tokens by rising id with their masses.
func plainKeep(scores []float32, p Params) []candidate {
	top := float64(slices.Max(scores))
	var all []candidate
	for id, x := range scores {
		if mass := math.Exp((float64(x) - top) / p.Temperature); mass > 0 {
			all = append(all, candidate{id: int32(id), mass: mass})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(scores[b.id], scores[a.id]) })
	if k := p.TopK; k > 0 && k < len(all) {
		for k < len(all) && scores[all[k].id] == scores[all[k-1].id] {
			k++
		}
		all = all[:k]
	}
	if p.TopP < 1 {
		total, sum, n := 0.0, 0.0, 0
		for _, c := range all {
			total += c.mass
		}
		for n < len(all) && (n == 0 || sum < p.TopP*total) {
			sum += all[n].mass
			n++
		}
		all = all[:n]
	}
	if p.MinP > 0 {
		all = slices.DeleteFunc(all, func(c candidate) bool { return c.mass < p.MinP })
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Compare(a.id, b.id) })
	return all
}

// drawLogits draws logits of many shapes: spread and coarseness vary, so that there
// are ties, far outliers, banned tokens and tokens beyond every depth.
func drawLogits(t *rapid.T) []float32 {
	n := rapid.IntRange(1, 600).Draw(t, "vocabulary")
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "logits"), 0))
	spread := rapid.SampledFrom([]float64{0, 0.3, 2, 10, 40}).Draw(t, "spread")
	steps := rapid.SampledFrom([]float64{1, 8, 1 << 20}).Draw(t, "steps")
	raised := rapid.IntRange(0, 5).Draw(t, "raised")
	banned := rapid.SampledFrom([]float64{0, 0, 0.2, 0.9}).Draw(t, "banned")
	logits := make([]float32, n)
	for i := range logits {
		x := spread * r.NormFloat64()
		if i < raised {
			x += 20
		}
		if logits[i] = float32(math.Round(x*steps) / steps); r.Float64() < banned {
			logits[i] = float32(math.Inf(-1))
		}
	}
	logits[r.IntN(n)] = float32(spread)
	r.Shuffle(n, func(i, j int) { logits[i], logits[j] = logits[j], logits[i] })
	return logits
}

func drawParams(t *rapid.T) Params {
	p := Default()
	p.Temperature = rapid.SampledFrom([]float64{1e-300, 1e-3, 0.1, 0.6, 1, 2, 100}).Draw(t, "temperature")
	p.TopK = rapid.SampledFrom([]int{0, 0, 1, 2, 7, 50, 500, 1 << 40}).Draw(t, "top_k")
	p.TopP = rapid.SampledFrom([]float64{1, 1, 0, 1e-9, 0.29, 0.61, 0.9, 0.999, 0.9999999}).Draw(t, "top_p")
	p.MinP = rapid.SampledFrom([]float64{0, 0, 1e-300, 1e-12, 0.05, 0.31, 1}).Draw(t, "min_p")
	seed := rapid.Uint64().Draw(t, "seed")
	p.Seed = &seed
	return p
}

// Next must keep and draw what the plain rules do.
func TestNextEqualsPlainRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logits, p := drawLogits(t), drawParams(t)
		s, err := New(p, len(logits))
		require.NoError(t, err)
		id, err := s.Next(logits)
		require.NoError(t, err)

		// Sums in another order differ in their last bits, so top-p may take a boundary
		// that is exact but for rounding either way.
		var want []candidate
		for _, nudge := range []float64{0, -1e-12, 1e-12} {
			q := p
			q.TopP *= 1 + nudge
			want = visible(plainKeep(logits, q))
			if equalIDs(want, visible(s.kept)) {
				break
			}
		}
		require.Equal(t, idsOf(want), idsOf(visible(s.kept)))

		require.Equal(t, plainDraw(want, firstUniform(*p.Seed)), id)
	})
}

// visible leaves out what may or may not be weighed: less than a draw can resolve.
func visible(all []candidate) []candidate {
	return slices.DeleteFunc(slices.Clone(all), func(c candidate) bool { return c.mass < unseenProb })
}

func idsOf(all []candidate) []int32 {
	ids := make([]int32, len(all))
	for i, c := range all {
		ids[i] = c.id
	}
	return ids
}

func equalIDs(a, b []candidate) bool { return slices.Equal(idsOf(a), idsOf(b)) }

// firstUniform is the first of a seed's uniform numbers: 53 bits of PCG.
func firstUniform(seed uint64) float64 {
	return float64(rand.NewPCG(seed, seedStream).Uint64()>>11) * 0x1p-53
}

func plainDraw(all []candidate, u float64) int32 {
	total, sum := 0.0, 0.0
	for _, c := range all {
		total += c.mass
	}
	for _, c := range all {
		if sum += c.mass; u*total < sum {
			return c.id
		}
	}
	return -1
}

// 100,000 tokens just below the first depth weigh 7.6e-5 together, and could weigh
// 2.1e-4: two tokens of mass 1 are told apart by top-p only when they are counted.
func TestTopPCountsFarTokens(t *testing.T) {
	const far, distance = 100_000, firstDepth + 1
	logits := make([]float32, far+2)
	for i := range far {
		logits[i] = -distance
	}
	mass := 2 + far*math.Exp(-distance)
	for _, c := range []struct {
		p    float64
		want int
	}{
		{1/mass - 1e-9, 1}, // the bound alone would let it be either
		{1/mass + 1e-9, 2}, // the near tokens alone would say 1
		{(2 + far*math.Exp(-distance)/2) / mass, 2 + far/2},
	} {
		p := Default()
		p.Temperature, p.TopP = 1, c.p
		s, err := New(p, len(logits))
		require.NoError(t, err)
		_, err = s.Next(logits)
		require.NoError(t, err)
		// Half the far tokens: 1e-9 of the mass is two of them, rounding is far below.
		require.InDelta(t, c.want, len(s.kept), 1)
		require.Equal(t, c.want < 3, len(s.kept) == c.want && len(s.kept) < 3)
	}
}

func TestTopKReachesFarTokens(t *testing.T) {
	logits := []float32{0, -25, -30, -45, -46, -1000}
	for k, want := range [][]int32{1: {0}, 2: {0, 1}, 3: {0, 1, 2}} {
		if k == 0 {
			continue
		}
		p := Default()
		p.Temperature, p.TopK = 1, k
		s, err := New(p, len(logits))
		require.NoError(t, err)
		_, err = s.Next(logits)
		require.NoError(t, err)
		require.Equal(t, want, idsOf(s.kept))
	}
}

func TestSortKey(t *testing.T) {
	inf := float32(math.Inf(1))
	rising := []float32{-inf, -math.MaxFloat32, -1, -math.SmallestNonzeroFloat32, 0, math.SmallestNonzeroFloat32, 1, inf}
	for i := range rising[1:] {
		require.Less(t, sortKey(rising[i]), sortKey(rising[i+1]))
	}
	require.Equal(t, sortKey(0), sortKey(float32(math.Copysign(0, -1))))
}

// The error of math.Exp is below 1 unit in the last place (2^-52 of a value in
// [1, 2)); two results with one such error each may differ by twice that, and half
// a unit for the rounding of the last product.
func TestExpNegative(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 200_000 {
		x := -700 * math.Pow(r.Float64(), 4)
		if i < 1000 {
			x = -float64(i) * math.Ln2 / 64
		}
		want := math.Exp(x)
		require.InEpsilon(t, want, expNegative(x), 2.5/(1<<52), "e^%v", x)
	}
	require.Equal(t, 1.0, expNegative(0))
	require.Zero(t, expNegative(-701))
	require.Zero(t, expNegative(math.Inf(-1)))
}
