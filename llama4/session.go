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
	ids      []int32  // of the sequence
	images   []*Image // of the prompt that ids began with
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
	if err := s.rewind(ctx, g); err != nil {
		return err
	}
	next := g.prompt.Tokens[g.usage.CachedTokens:]
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

// rewind makes the session's tokens a beginning of the prompt, and encodes the
// images that come after it. Only a prompt that goes on can use the cache: chunked
// layers have forgotten what one that turns off earlier would need.
func (s *Session) rewind(ctx context.Context, g *generation) (err error) {
	if !s.goesOn(g.prompt) {
		if err := s.sequence.Close(); err != nil {
			return err
		}
		s.sequence, s.ids = s.model.NewSequence(), nil
	}
	g.usage.CachedTokens = len(s.ids)
	s.images = g.prompt.Images
	known, patches := s.model.patchesBefore(s.images, s.model.countPatches(s.ids))
	start := time.Now()
	g.usage.ImageTiles, err = s.sequence.setImages(ctx, s.images[known:], patches)
	if len(s.images) > 0 {
		g.usage.ImageTime = time.Since(start)
	}
	return err
}

// goesOn says whether a prompt begins with what the session has, images included.
func (s *Session) goesOn(p *Prompt) bool {
	n := len(s.ids)
	if n >= p.Len() || !slices.Equal(s.ids, p.Tokens[:n]) {
		return false
	}
	seen, rest := s.model.patchesBefore(s.images, s.model.countPatches(s.ids))
	if rest > 0 {
		seen++
	}
	return seen <= len(p.Images) && slices.EqualFunc(s.images[:seen], p.Images[:seen],
		func(a, b *Image) bool { return a.key == b.key })
}

// next goes on with tokens and remembers those that the sequence took, also on
// error.
func (s *Session) next(ctx context.Context, g *generation, ids []int32) (Piece, error) {
	before := s.sequence.Len()
	piece, err := g.next(ctx, s.sequence, ids)
	s.ids = append(s.ids, ids[:s.sequence.Len()-before]...)
	return piece, err
}
