package sample

import "math"

// A candidate is a token that may be drawn.
type candidate struct {
	id   int32
	key  uint32  // of the score: larger scores have larger keys
	mass float64 // e^((score - best)/temperature), so the best token's is 1
}

const (
	// firstDepth is how far below the best token, in logits over temperature, the
	// search goes first. A smaller depth weighs fewer tokens and more often has to
	// look deeper; with peaked logits 20 was the fastest of 12 to 36.
	firstDepth = 20
	// deeper is how far each further look goes. The bound of what it leaves out falls by
	// e^-8, to a 3,000th, so that one is nearly always enough.
	deeper = 8
	// unseen tokens have together less mass than the resolution of a draw: at a depth
	// of ln(vocabulary) + unseen they weigh at most e^-unseen < 2^-53.
	unseen = 37
)

// keep leaves the tokens that pass top-k, top-p and min-p in s.kept. It looks at the
// tokens down to some depth below the best. What is farther down has a bounded mass;
// where that could change the outcome, it looks deeper.
func (s *Sampler) keep(scores []float32, best float32) {
	depth, deepest := s.depths()
	for {
		if depth >= deepest {
			s.gather(scores, best, deepest)
			s.narrow(scores, best, 0)
			return
		}
		left := s.gather(scores, best, depth)
		if s.narrow(scores, best, float64(left)*expNegative(-depth)) {
			return
		}
		depth += deeper
	}
}

// depths returns where the search starts, and the depth below which no token can
// matter.
func (s *Sampler) depths() (first, deepest float64) {
	deepest = math.Log(float64(s.vocab)) + unseen
	if s.params.TopP < 1 {
		return firstDepth, deepest
	}
	if s.params.MinP > 0 {
		// Top-k and min-p both keep the first of the tokens by rank, so the lower
		// tokens that min-p drops cannot change what top-k keeps above them. The
		// margin is for the rounding of logarithm and power.
		deepest = min(deepest, 1e-6-math.Log(s.params.MinP))
	}
	if s.params.TopK > 0 {
		return min(firstDepth, deepest), deepest
	}
	return deepest, deepest
}

// gather makes the tokens down to depth the candidates, by rising id, and returns
// how many it left out. Each of these has a mass below e^-depth: the rounding of
// the floor to float32 does not let a float32 change sides. The floor is finite, as
// depth*temperature is too small to change the largest float32.
func (s *Sampler) gather(scores []float32, best float32, depth float64) int {
	floor := float32(float64(best) - float64(depth*s.params.Temperature))
	kept := s.kept[:0]
	for id, x := range scores {
		if x >= floor {
			kept = append(kept, candidate{id: int32(id), key: sortKey(x)})
		}
	}
	s.kept = kept
	return len(scores) - len(kept)
}

// sortKey maps scores to integers of the same order. The addition makes both zeros
// one; the rest is without branches, as the signs of scores are not predictable.
func sortKey(x float32) uint32 {
	bits := math.Float32bits(x + 0)
	return bits ^ (uint32(int32(bits)>>31) | 1<<31)
}

// narrow applies top-k, top-p and min-p to the candidates, and says whether the
// outcome holds for every mass from 0 to rest of the tokens that are not among
// them.
func (s *Sampler) narrow(scores []float32, best float32, rest float64) bool {
	if k := s.params.TopK; k > 0 && len(s.kept) >= k {
		s.topK(k)
		rest = 0
	} else if k > 0 && rest > 0 {
		return false
	}
	top, temperature := float64(best), s.params.Temperature
	for i := range s.kept {
		c := &s.kept[i]
		c.mass = expNegative((float64(scores[c.id]) - top) / temperature)
	}
	if s.params.TopP < 1 && !s.topP(rest) {
		return false
	}
	if s.params.MinP > 0 {
		s.minP()
	}
	return true
}

// topK keeps the k candidates of the largest scores, and all that equal the k-th.
func (s *Sampler) topK(k int) {
	cut, _ := s.cutoff(float64(k), true)
	kept := s.kept[:0]
	for _, c := range s.kept {
		if c.key >= cut {
			kept = append(kept, c)
		}
	}
	s.kept = kept
}

// topP keeps the candidates that have less than p of the whole mass above them, and
// the first in any case. Tokens of equal scores rank by their ids.
//
// The whole is the candidates' mass and at most rest more. With more, further
// tokens would follow, unless those kept reach p of that, too.
func (s *Sampler) topP(rest float64) bool {
	total := 0.0
	for i := range s.kept {
		total += s.kept[i].mass
	}
	p := s.params.TopP
	target := max(p*total, math.SmallestNonzeroFloat64)
	cut, sum := s.cutoff(target, false)
	kept := s.kept[:0]
	for _, c := range s.kept {
		if c.key > cut {
			kept = append(kept, c)
		} else if c.key == cut && sum < target {
			kept = append(kept, c)
			sum += c.mass
		}
	}
	s.kept = kept
	return rest == 0 || sum >= p*(total+rest)
}

// minP keeps the candidates with at least that share of the best token's mass.
func (s *Sampler) minP() {
	kept := s.kept[:0]
	for _, c := range s.kept {
		if c.mass >= s.params.MinP {
			kept = append(kept, c)
		}
	}
	s.kept = kept
}
