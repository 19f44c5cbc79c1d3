package sample

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// MaxLogitBias is the largest number of tokens in [Params.LogitBias].
const MaxLogitBias = 1024

// Params say how tokens are chosen. The zero value is not valid; start from
// [Default].
type Params struct {
	// Temperature divides the logits, 0 to 100. Neutral is 1; 0 takes the most
	// likely token (greedy).
	Temperature float64
	// TopP keeps the most likely tokens whose probabilities first sum to it, 0 to 1.
	// Neutral is 1 (all tokens).
	TopP float64
	// MinP keeps the tokens with at least that share of the most likely token's
	// probability, 0 to 1. Neutral is 0 (all tokens).
	MinP float64
	// RepetitionPenalty divides the positive and multiplies the negative logits of
	// tokens in the prompt or the answer, 0.01 to 100. Neutral is 1; larger values
	// discourage repetition.
	RepetitionPenalty float64
	// PresencePenalty is taken from the logits of tokens in the answer, -2 to 2.
	// Neutral is 0.
	PresencePenalty float64
	// FrequencyPenalty is taken from the logits of tokens in the answer, once for
	// each time they occur, -2 to 2. Neutral is 0.
	FrequencyPenalty float64
	// TopK keeps that many of the most likely tokens, and all that equal the last of
	// them. Neutral is 0 (all tokens).
	TopK int
	// LogitBias is added to the logits of its tokens, -100 to 100, or -Inf to ban a
	// token; at most MaxLogitBias tokens. Neutral is nil.
	LogitBias map[int32]float64
	// Seed starts the random numbers. Neutral is nil: a random seed.
	Seed *uint64
}

// Default returns greedy parameters: temperature 0 and everything else neutral.
func Default() Params {
	return Params{TopP: 1, RepetitionPenalty: 1}
}

// Validate checks the parameters for a vocabulary of that many tokens. The error
// names the field, its value and what it may be.
func (p Params) Validate(vocab int) error {
	if vocab < 1 || vocab > math.MaxInt32 {
		return fmt.Errorf("the vocabulary has %d tokens, want 1 to %d", vocab, math.MaxInt32)
	}
	for _, f := range []struct {
		name          string
		value, lo, hi float64
		neutral       string
	}{
		{"Temperature", p.Temperature, 0, 100, "0 is greedy"},
		{"TopP", p.TopP, 0, 1, "1 keeps all tokens"},
		{"MinP", p.MinP, 0, 1, "0 keeps all tokens"},
		{"RepetitionPenalty", p.RepetitionPenalty, 0.01, 100, "1 is none"},
		{"PresencePenalty", p.PresencePenalty, -2, 2, "0 is none"},
		{"FrequencyPenalty", p.FrequencyPenalty, -2, 2, "0 is none"},
	} {
		if !within(f.value, f.lo, f.hi) {
			return fmt.Errorf("%s is %v, want %v to %v (%s)", f.name, f.value, f.lo, f.hi, f.neutral)
		}
	}
	if p.TopK < 0 {
		return fmt.Errorf("TopK is %d, want 0 or more (0 keeps all tokens)", p.TopK)
	}
	return p.validateBias(vocab)
}

// validateBias checks the tokens in rising order, so that the same parameters have
// the same error.
func (p Params) validateBias(vocab int) error {
	if n := len(p.LogitBias); n > MaxLogitBias {
		return fmt.Errorf("LogitBias has %d tokens, want at most %d", n, MaxLogitBias)
	}
	for _, id := range slices.Sorted(maps.Keys(p.LogitBias)) {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("LogitBias[%d] is no token, want 0 to %d", id, vocab-1)
		}
		if v := p.LogitBias[id]; !within(v, -100, 100) && !math.IsInf(v, -1) {
			return fmt.Errorf("LogitBias[%d] is %v, want -100 to 100, or -Inf to ban the token", id, v)
		}
	}
	return nil
}

// within is false for NaN.
func within(v, lo, hi float64) bool { return v >= lo && v <= hi }
