package sample

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
)

// A Sampler chooses the tokens of one sequence. It is not safe for concurrent use.
//
// It takes 16 kB, and 16 bytes for each token that it had to weigh in one step: a
// few hundred with peaked logits, the whole vocabulary with flat ones. With a bias
// or a penalty there are 4 bytes for each token of the vocabulary more.
type Sampler struct {
	vocab  int
	params Params // LogitBias is in bias
	random *rand.PCG
	bias   []biased
	past   history
	mask   []uint64 // of the tokens that may be chosen; nil: all

	scores []float32        // the logits after bias and penalties
	kept   []candidate      // what is left to draw from, by rising id
	mass   [buckets]float64 // of cutoff
}

// biased is a token with what is added to its logit.
type biased struct {
	id  int32
	add float32
}

// seedStream is the second half of PCG's state; the first is the seed.
const seedStream = 0x9e3779b97f4a7c15

// New returns a sampler for logits of that many tokens, or the error of
// [Params.Validate]. It keeps a copy of p.
func New(p Params, vocab int) (*Sampler, error) {
	if err := p.Validate(vocab); err != nil {
		return nil, err
	}
	s := &Sampler{vocab: vocab, params: p, past: newHistory(p)}
	for _, id := range slices.Sorted(maps.Keys(p.LogitBias)) {
		if v := p.LogitBias[id]; v != 0 {
			s.bias = append(s.bias, biased{id, float32(v)})
		}
	}
	s.params.LogitBias = nil
	seed := rand.Uint64()
	if p.Seed != nil {
		seed = *p.Seed
	}
	s.random = rand.NewPCG(seed, seedStream)
	return s, nil
}

// ObservePrompt tells the sampler the tokens of the prompt, for the repetition
// penalty. It may be called several times. Numbers that are no tokens of the
// vocabulary are ignored.
func (s *Sampler) ObservePrompt(ids ...int32) {
	if !s.past.prompt {
		return
	}
	for _, id := range ids {
		if s.known(id) {
			s.past.add(id, 0)
		}
	}
}

// Observe tells the sampler the next token of the answer, for the penalties. Next
// does not do so by itself, because a caller may continue with another token than
// the one chosen. A number that is no token of the vocabulary is ignored.
func (s *Sampler) Observe(id int32) {
	if s.past.answer && s.known(id) {
		s.past.add(id, 1)
	}
}

func (s *Sampler) known(id int32) bool { return id >= 0 && int(id) < s.vocab }

// Allow restricts the following calls of Next to the tokens whose bits are set in
// mask, the first 64 in its first word, which a grammar makes, say. Tokens past its
// end are not allowed. The mask is read by Next and not copied; nil allows all.
func (s *Sampler) Allow(mask []uint64) { s.mask = mask }

// adjusts says whether the logits change before they are compared.
func (s *Sampler) adjusts() bool { return len(s.bias) > 0 || s.past.answer || s.mask != nil }

// Next chooses a token by the logits, one for each token of the vocabulary, which
// it leaves as they are. A logit of -Inf is a token that is never chosen. Another
// number of logits, a logit that is NaN or +Inf, and logits that are all -Inf are
// errors; they do not advance the random numbers.
func (s *Sampler) Next(logits []float32) (int32, error) {
	if len(logits) != s.vocab {
		return 0, fmt.Errorf("got %d logits, want %d, one for each token of the vocabulary", len(logits), s.vocab)
	}
	scores := s.adjust(logits)
	best, err := largest(scores)
	if err != nil {
		return 0, err
	}
	if s.params.Temperature == 0 {
		return best, nil
	}
	s.keep(scores, scores[best])
	return s.draw(), nil
}

// adjust applies mask, bias and penalties to a copy of the logits. The conversion keeps
// a product from being fused with a sum, which would make results depend on the
// CPU.
func (s *Sampler) adjust(logits []float32) []float32 {
	if !s.adjusts() {
		return logits
	}
	s.scores = append(s.scores[:0], logits...)
	for _, b := range s.bias {
		s.scores[b.id] += b.add
	}
	repetition := float32(s.params.RepetitionPenalty)
	presence, frequency := float32(s.params.PresencePenalty), float32(s.params.FrequencyPenalty)
	for _, t := range s.past.tokens {
		x := s.scores[t.id]
		if x > 0 {
			x /= repetition
		} else {
			x *= repetition
		}
		if t.count > 0 {
			x -= float32(frequency * float32(t.count))
			x -= presence
		}
		s.scores[t.id] = x
	}
	if s.mask != nil {
		s.forbid()
	}
	return s.scores
}

// forbid makes the scores of the tokens that are not allowed -Inf, but leaves NaN
// and +Inf to be found.
func (s *Sampler) forbid() {
	for first := 0; first < len(s.scores); first += 64 {
		allowed := uint64(0)
		if word := first / 64; word < len(s.mask) {
			allowed = s.mask[word]
		}
		if allowed == math.MaxUint64 {
			continue
		}
		some := s.scores[first:min(first+64, len(s.scores))]
		for i, x := range some {
			if allowed>>i&1 == 0 && x <= math.MaxFloat32 {
				some[i] = float32(math.Inf(-1))
			}
		}
	}
}

// largest returns the token of the largest score, ties by the lowest id.
func largest(scores []float32) (int32, error) {
	best, at := float32(math.Inf(-1)), -1
	for id, x := range scores {
		// NaN is not <= either, so this one comparison finds it, too.
		if !(x <= best) {
			if !(x <= math.MaxFloat32) {
				return 0, fmt.Errorf("the logit of token %d is %v, want a finite number or -Inf", id, x)
			}
			best, at = x, id
		}
	}
	if at < 0 {
		return 0, fmt.Errorf("there is no token to choose: all %d logits are -Inf", len(scores))
	}
	return int32(at), nil
}

// draw takes one of the kept tokens by its mass.
func (s *Sampler) draw() int32 {
	total := 0.0
	for i := range s.kept {
		total += s.kept[i].mass
	}
	u := float64(s.random.Uint64()>>11) / (1 << 53)
	target, sum := u*total, 0.0
	for i := range s.kept {
		if sum += s.kept[i].mass; target < sum {
			return s.kept[i].id
		}
	}
	return s.kept[len(s.kept)-1].id
}
