package llama4

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"
)

// Session is a conversation that keeps its KV cache from one request to the next:
// a prompt that goes on where the last answer ended is not computed again. It is
// not safe for concurrent use.
type Session struct {
	model    *Model
	sequence *Sequence
	ids      []int32 // of the sequence
	closed   bool
}

// NewSession returns an empty session. Close gives its memory back.
func (m *Model) NewSession() *Session {
	return &Session{model: m, sequence: m.NewSequence()}
}

// Close gives the session's memory back. It may be called twice.
func (s *Session) Close() error {
	s.closed = true
	return s.sequence.Close()
}

// Generate is [Model.Generate] with what the session remembers.
func (s *Session) Generate(ctx context.Context, r *Request) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		if err := s.generate(ctx, r, func(p Piece) bool { return yield(p, nil) }); err != nil {
			yield(Piece{}, err)
		}
	}
}

func (s *Session) generate(ctx context.Context, r *Request, yield func(Piece) bool) error {
	if s.closed {
		return fmt.Errorf("the session: %w", ErrClosed)
	}
	start := time.Now()
	g, err := s.model.newGeneration(ctx, r)
	if err != nil {
		return err
	}
	if g.usage.CachedTokens, err = s.rewind(g.ids); err != nil {
		return err
	}
	next := g.ids[g.usage.CachedTokens:]
	for {
		piece, err := s.next(ctx, g, next)
		if err != nil {
			return err
		}
		if g.usage.GeneratedTokens == 0 {
			g.usage.PromptTime = time.Since(start)
		} else {
			g.usage.GenerateTime += time.Since(start)
		}
		g.finish(&piece)
		if !yield(piece) || piece.Finish != "" {
			return nil
		}
		next = []int32{piece.ID}
		start = time.Now()
	}
}

// rewind makes the session's tokens a beginning of ids and returns their number.
// Only a prompt that goes on can use the cache: chunked layers have forgotten
// what one that turns off earlier would need.
func (s *Session) rewind(ids []int32) (int, error) {
	if n := len(s.ids); n < len(ids) && slices.Equal(s.ids, ids[:n]) {
		return n, nil
	}
	if err := s.sequence.Close(); err != nil {
		return 0, err
	}
	s.sequence, s.ids = s.model.NewSequence(), nil
	return 0, nil
}

// next goes on with tokens and remembers those that the sequence took, also on
// error.
func (s *Session) next(ctx context.Context, g *generation, ids []int32) (Piece, error) {
	before := s.sequence.Len()
	piece, err := g.next(ctx, s.sequence, ids)
	s.ids = append(s.ids, ids[:s.sequence.Len()-before]...)
	return piece, err
}
