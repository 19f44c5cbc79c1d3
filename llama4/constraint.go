package llama4

import (
	"errors"
	"fmt"
	"slices"

	"github.com/llama4go/llama4go/llama4/grammar"
	"github.com/llama4go/llama4go/llama4/sample"
)

// constraint is a grammar's say in which tokens come next.
type constraint struct {
	matcher *grammar.Matcher
	stops   []int32 // that may end the text where it is complete
	mask    []uint64
}

func (m *Model) newConstraint(g *grammar.Grammar, stops []int32) (*constraint, error) {
	if m.tokenizer == nil {
		return nil, errors.New("a grammar needs a tokenizer, which the checkpoint does not have")
	}
	v := m.vocabulary()
	return &constraint{matcher: g.NewMatcher(v), stops: stops, mask: make([]uint64, v.Words())}, nil
}

// newVocabulary makes the trie of all tokens, once a model.
func (m *Model) newVocabulary() *grammar.Vocabulary {
	return grammar.NewVocabulary(m.config.Vocab, func(id int32) ([]byte, bool) {
		if m.tokenizer.IsSpecial(id) {
			return nil, false
		}
		return m.tokenizer.Bytes(id)
	})
}

// restrict makes a sampler choose among the tokens that may come next.
func (c *constraint) restrict(s *sample.Sampler) error {
	complete := c.matcher.Allowed(c.mask)
	if err := c.matcher.Err(); err != nil {
		return fmt.Errorf("grammar: %w", err)
	}
	if complete {
		for _, id := range c.stops {
			c.mask[id/64] |= 1 << (id % 64)
		}
	}
	if !slices.ContainsFunc(c.mask, func(w uint64) bool { return w != 0 }) {
		return errors.New("grammar: no token of the vocabulary can come next")
	}
	s.Allow(c.mask)
	return nil
}

// accept notes a token that was chosen.
func (c *constraint) accept(id int32) error {
	if slices.Contains(c.stops, id) {
		return nil
	}
	if err := c.matcher.Accept(id); err != nil {
		return fmt.Errorf("grammar: %w", err)
	}
	return nil
}
