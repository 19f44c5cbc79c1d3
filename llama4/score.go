package llama4

import (
	"context"
	"errors"

	"github.com/llama4go/llama4go/llama4/sample"
)

// TokenLogProb is a token and its natural log-probability.
type TokenLogProb = sample.TokenLogProb

// Score is how probable a model finds a text.
type Score struct {
	// LogProbs are the natural log-probabilities of each token after the first,
	// given those before it.
	LogProbs []float64
	// Top are the most probable next tokens after the text, best first, ties by
	// the lowest token.
	Top []TokenLogProb
}

// Score computes the log-probability of every token of a prompt of at least one
// token, and the top most probable tokens to follow it.
func (m *Model) Score(ctx context.Context, p *Prompt, top int) (*Score, error) {
	tokens := p.Tokens
	switch {
	case len(tokens) == 0:
		return nil, errors.New("nothing to score: the text has no tokens")
	case top < 0 || top > m.config.Vocab:
		return nil, errors.New("top is not in 0 .. the size of the vocabulary")
	}
	if err := m.checkPrompt(p); err != nil {
		return nil, err
	}
	q := m.NewSequence()
	defer func() { _ = q.Close() }()
	if _, err := q.AddImages(ctx, p.Images...); err != nil {
		return nil, err
	}
	s := &Score{LogProbs: make([]float64, 0, len(tokens)-1)}
	next := tokens[1:]
	err := m.Prefill(ctx, q, tokens, AllRows, func(l *Logits) error {
		if err := l.LogSoftmax(); err != nil {
			return err
		}
		for i := range l.Rows() {
			if len(next) == 0 {
				return s.addTop(l, i, top)
			}
			row, err := l.Row(i)
			if err != nil {
				return err
			}
			s.LogProbs = append(s.LogProbs, float64(row[next[0]]))
			next = next[1:]
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Score) addTop(l *Logits, row, top int) error {
	if top == 0 {
		return nil
	}
	values, ids, err := l.TopK(row, top)
	if err != nil {
		return err
	}
	for i, id := range ids {
		s.Top = append(s.Top, TokenLogProb{ID: id, LogProb: float64(values[i])})
	}
	return nil
}
