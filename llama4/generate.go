package llama4

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/llama4go/llama4go/llama4/sample"
	"github.com/llama4go/llama4go/llama4/tokenizer"
)

// Piece is one generated token.
type Piece struct {
	ID int32
	// Text is what the token adds to the text. It may be empty or hold more than
	// the token, since incomplete characters and what may become a stop string
	// are held back until it is clear what they are.
	Text string
	// LogProb and Top are there when [Request.LogProbs] asks for them: the natural
	// log-probability under the unmodified logits, and the most probable tokens.
	LogProb float64
	Top     []TokenLogProb
	// Finish is set on the last piece.
	Finish Finish
	// Usage is set on the last piece.
	Usage *Usage
}

// Usage is what a request took.
type Usage struct {
	PromptTokens    int           // in the prompt
	CachedTokens    int           // of them, those that a [Session] still had
	GeneratedTokens int           // with the one that ended the text
	ImageTiles      int           // of the prompt's images, those that were encoded now
	ImageTime       time.Duration // for that
	PromptTime      time.Duration // to the first token, with ImageTime
	GenerateTime    time.Duration // for the tokens after it, without the time their reader takes
}

// Completion is a whole answer.
type Completion struct {
	InputIDs  []int32
	OutputIDs []int32 // with the end-of-sequence token, if one ended the text
	Text      string
	Pieces    []Piece
	Finish    Finish
	Usage     Usage
}

// Generate streams the continuation of a prompt. The iterator ends after the
// piece that has Finish set, or with an error; stopping early is fine and gives
// everything back.
func (m *Model) Generate(ctx context.Context, r *Request) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		s := m.NewSession()
		defer func() { _ = s.Close() }()
		s.Generate(ctx, r)(yield)
	}
}

// Complete is Generate, collected.
func (m *Model) Complete(ctx context.Context, r *Request) (*Completion, error) {
	prompt, err := m.Encode(ctx, r)
	if err != nil {
		return nil, err
	}
	whole := *r
	whole.Prompt, whole.Messages, whole.Tools = "", nil, nil
	whole.Tokens, whole.Images = prompt.Tokens, prompt.Images
	c := &Completion{InputIDs: prompt.Tokens}
	var text strings.Builder
	for piece, err := range m.Generate(ctx, &whole) {
		if err != nil {
			return nil, err
		}
		c.OutputIDs = append(c.OutputIDs, piece.ID)
		c.Pieces = append(c.Pieces, piece)
		text.WriteString(piece.Text)
		if piece.Usage != nil {
			c.Finish, c.Usage = piece.Finish, *piece.Usage
		}
	}
	c.Text = text.String()
	return c, nil
}

// generation is one request in progress.
type generation struct {
	model   *Model
	request *Request
	prompt  *Prompt
	sampler *sample.Sampler
	stopper *sample.Stopper
	grammar *constraint        // nil without one
	decoder *tokenizer.Decoder // nil without a tokenizer
	stops   []int32
	limit   int // tokens to generate at most
	usage   Usage
}

func (m *Model) newGeneration(ctx context.Context, r *Request) (*generation, error) {
	if err := m.check(r); err != nil {
		return nil, err
	}
	prompt, err := m.Encode(ctx, r)
	if err != nil {
		return nil, err
	}
	room := m.options.Context - prompt.Len()
	if room <= 0 {
		return nil, contextError(prompt.Len(), 1, m.options.Context)
	}
	g := &generation{model: m, request: r, prompt: prompt, limit: room}
	for _, n := range []int{m.generation.MaxNewTokens, r.MaxTokens} {
		if n > 0 {
			g.limit = min(n, room)
		}
	}
	params := m.Sampling()
	if r.Sampling != nil {
		params = *r.Sampling
	}
	if g.sampler, err = sample.New(params, m.config.Vocab); err != nil {
		return nil, err
	}
	g.sampler.ObservePrompt(prompt.Tokens...)
	if g.stopper, err = sample.NewStopper(r.Stop); err != nil {
		return nil, err
	}
	if m.tokenizer != nil {
		g.decoder = tokenizer.NewDecoder(m.tokenizer)
	}
	g.stops = append(slices.Clone(m.eos()), r.StopIDs...)
	if r.Grammar != nil {
		if g.grammar, err = m.newConstraint(r.Grammar, g.stops); err != nil {
			return nil, err
		}
	}
	g.usage.PromptTokens = prompt.Len()
	return g, nil
}

// next appends tokens to the sequence and chooses the one that follows them, as
// the grammar allows.
func (g *generation) next(ctx context.Context, q *Sequence, ids []int32) (Piece, error) {
	if g.grammar == nil {
		return g.follow(ctx, q, ids)
	}
	if err := g.grammar.restrict(g.sampler); err != nil {
		return Piece{}, err
	}
	piece, err := g.follow(ctx, q, ids)
	if err == nil {
		err = g.grammar.accept(piece.ID)
	}
	return piece, err
}

// follow chooses the token that follows ids: on the device, unless the choice or
// its log-probability needs the logits here.
func (g *generation) follow(ctx context.Context, q *Sequence, ids []int32) (piece Piece, err error) {
	if g.sampler.Plain() && g.request.LogProbs == 0 {
		piece.ID, err = g.model.prefillNext(ctx, q, ids, g.sampler)
		return piece, err
	}
	err = g.model.Prefill(ctx, q, ids, LastRow, func(l *Logits) (err error) {
		piece, err = g.choose(l)
		return err
	})
	return piece, err
}

// choose picks the next token from the last row of logits.
func (g *generation) choose(l *Logits) (Piece, error) {
	row, err := l.Row(l.Rows() - 1)
	if err != nil {
		return Piece{}, err
	}
	id, err := g.sampler.Next(row)
	if err != nil {
		return Piece{}, err
	}
	piece := Piece{ID: id}
	if n := g.request.LogProbs; n > 0 {
		piece.LogProb = sample.LogProb(row, id)
		if n > 1 {
			piece.Top = sample.TopLogProbs(row, n)
		}
	}
	return piece, nil
}

// finish fills in a piece's text and, if it is the last, why.
func (g *generation) finish(p *Piece) {
	g.sampler.Observe(p.ID)
	g.usage.GeneratedTokens++
	switch {
	case slices.Contains(g.stops, p.ID):
		p.Finish = FinishStop
	case g.decoder != nil:
		var stopped bool
		if p.Text, stopped = g.stopper.Feed(g.decoder.Next(p.ID)); stopped {
			p.Finish = FinishStop
			g.decoder = nil // what follows the stop string is not part of the text
		}
	}
	if p.Finish == "" && g.usage.GeneratedTokens >= g.limit {
		p.Finish = FinishLength
	}
	if p.Finish == "" {
		return
	}
	p.Text += g.rest()
	usage := g.usage
	p.Usage = &usage
}

// rest returns the text that was held back at the end.
func (g *generation) rest() string {
	if g.decoder == nil {
		return ""
	}
	text, stopped := g.stopper.Feed(g.decoder.Flush())
	if !stopped {
		text += g.stopper.Flush()
	}
	return text
}
