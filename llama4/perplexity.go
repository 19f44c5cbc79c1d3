package llama4

import (
	"context"
	"fmt"
	"math"
)

// Perplexity is how well a model predicts a text: e to the mean negative
// log-probability of its tokens.
type Perplexity struct {
	Value float64
	// Error is the standard error of Value, of tokens taken as independent.
	Error float64
	// Tokens were predicted, in so many Windows.
	Tokens, Windows int
}

// Perplexity measures how well the model predicts tokens, by the definition of
// llama.cpp's llama-perplexity, so that the numbers can be compared: the tokens are
// cut into windows, and what is left at the end is dropped. A window's first token is
// replaced by bos, unless that is negative, and its tokens from window/2+1 on are
// predicted, each from all before it in the window. Done, if not nil, is called after
// each window with the result so far.
func (m *Model) Perplexity(ctx context.Context, tokens []int32, window int, bos int32, done func(Perplexity)) (Perplexity, error) {
	var p perplexity
	switch {
	case window < 4 || window > m.options.Context:
		return p.result(), fmt.Errorf("a window of %d tokens: want 4 to %d", window, m.options.Context)
	case len(tokens) < window:
		return p.result(), fmt.Errorf("%d tokens: want at least a window of %d", len(tokens), window)
	}
	part := make([]int32, window)
	for ; len(tokens) >= window; tokens = tokens[window:] {
		copy(part, tokens)
		if bos >= 0 {
			part[0] = bos
		}
		if err := m.measure(ctx, part, &p); err != nil {
			return p.result(), err
		}
		p.windows++
		if done != nil {
			done(p.result())
		}
	}
	return p.result(), nil
}

// perplexity is the sums over the tokens predicted.
type perplexity struct {
	count, windows int
	sum, squares   float64 // of negative log-probabilities
}

// measure adds the second half of a window.
func (m *Model) measure(ctx context.Context, window []int32, p *perplexity) error {
	q := m.NewSequence()
	defer func() { _ = q.Close() }()
	half := len(window) / 2
	if err := m.Prefill(ctx, q, window[:half], NoRows, nil); err != nil {
		return err
	}
	next := window[half+1:]
	return m.Prefill(ctx, q, window[half:len(window)-1], AllRows, func(l *Logits) error {
		if err := l.LogSoftmax(); err != nil {
			return err
		}
		for i := range l.Rows() {
			row, err := l.Row(i)
			if err != nil {
				return err
			}
			nll := -float64(row[next[0]])
			p.sum += nll
			p.squares += nll * nll
			p.count++
			next = next[1:]
		}
		return nil
	})
}

func (p *perplexity) result() Perplexity {
	r := Perplexity{Tokens: p.count, Windows: p.windows}
	if p.count == 0 {
		return r
	}
	n := float64(p.count)
	mean := p.sum / n
	r.Value = math.Exp(mean)
	if p.count > 1 {
		variance := max(0, p.squares/n-mean*mean)
		r.Error = r.Value * math.Sqrt(variance/(n-1))
	}
	return r
}
