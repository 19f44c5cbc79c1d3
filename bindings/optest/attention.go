package optest

import "math"

// Sequence is one sequence of a ragged batch and all its keys and values, by
// position: [Past+New, Hkv, D].
type Sequence struct {
	Past, New int
	K, V      []float64
	// What K and V are computed from where the cache is quantized, a row and a group a
	// head: [(Past+New) Hkv, D].
	QuantizedK, QuantizedV *Quantized
}

// Attn are the sizes and switches of [Attention].
type Attn struct {
	Heads, KVHeads, Dim int
	Scale               float64
	Chunk               int // 0: the whole context
	Bidirectional       bool
	Precision
	CacheF32 bool // keys and values are fp32, so BF16 rounds them too
}

// Attention returns [T, Hq, D] for the queries q [T, Hq, D] of the sequences.
func Attention(a Attn, q []float64, sequences []Sequence) Values {
	var out Values
	token := 0
	for _, s := range sequences {
		for i := range s.New {
			for h := range a.Heads {
				query := q[(token*a.Heads+h)*a.Dim:][:a.Dim]
				out.append(a.head(query, s, s.Past+i, h/(a.Heads/a.KVHeads)))
			}
			token++
		}
	}
	return out
}

// visible reports whether the query at position p sees the key at position j.
func (a Attn) visible(p, j int) bool {
	return a.Bidirectional || j <= p && (a.Chunk == 0 || j/a.Chunk == p/a.Chunk)
}

// head attends with one query at position p over one KV head.
func (a Attn) head(query []float64, s Sequence, p, kvHead int) Values {
	var keys []int
	for j := range s.Past + s.New {
		if a.visible(p, j) {
			keys = append(keys, j)
		}
	}
	row := func(x []float64, j int) []float64 { return x[(j*a.KVHeads+kvHead)*a.Dim:][:a.Dim] }

	scores := make([]float64, len(keys))
	errs := make([]float64, len(keys)) // absolute, of the exponents
	largest := math.Inf(-1)
	for n, j := range keys {
		scores[n], errs[n] = a.score(query, row(s.K, j))
		largest = math.Max(largest, scores[n])
	}
	var sum, mean float64
	for n := range scores {
		distance := largest - scores[n]
		scores[n] = math.Exp(-distance)
		sum += scores[n]
		// The distance to the maximum, which may itself be the last of several, is
		// rounded, and the exponential is not exact.
		errs[n] += 2*distance*unit32 + elementary
	}
	for n := range scores {
		scores[n] /= sum
		mean += scores[n] * errs[n]
	}

	v := newValues(a.Dim)
	abs := make([]float64, a.Dim)
	for n, j := range keys {
		for d, x := range row(s.V, j) {
			part := scores[n] * x
			v.Want[d] += part
			abs[d] += math.Abs(part)
			// An exponent that is off by e makes the weight off by exp(e)-1 of itself,
			// and the sum of the weights by their mean.
			v.Tol[d] += math.Abs(part) * math.Expm1(errs[n]+mean)
		}
	}
	// The sum of the weights, the sum of the values, and a rescaling of both at
	// each new maximum; and the scales of quantized values.
	relative := float64(3*len(keys)+9) * unit32
	if a.BF16 {
		relative += 2 * unit16 // the weights, above and below the fraction
		if a.CacheF32 {
			relative += unit16
		}
	}
	for d := range v.Want {
		v.Tol[d] = a.stored(v.Want[d], v.Tol[d]+relative*abs[d])
	}
	return v
}

// score returns scale * q.k and its absolute error.
func (a Attn) score(query, key []float64) (score, err float64) {
	var abs float64
	for d := range query {
		score += query[d] * key[d]
		abs += math.Abs(query[d] * key[d])
	}
	// Two more roundings where the scale is multiplied in, and one for that of a
	// quantized key, whose numbers bf16 holds; with bf16 that of q.
	err = a.product(len(query), abs, 3)
	if a.BF16 && a.CacheF32 {
		err += unit16 * abs
	}
	return a.Scale * score, math.Abs(a.Scale) * err
}
