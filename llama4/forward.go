package llama4

import (
	"context"
	"errors"
	"fmt"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/sample"
)

// ErrClosed is returned by what is asked of a closed model, session or sequence.
var ErrClosed = errors.New("closed")

// Forward appends the steps' tokens to their sequences in one pass over the
// model, and calls visit with the logits that the steps want, in the order of
// their tokens, a block of rows at a time; visit may be nil when none are wanted.
//
// The tokens of all steps together may be at most [Options.PrefillTokens]:
// longer prompts go in pieces, see [Model.Prefill]. On error, also one of visit
// or of a context that ends, no sequence has changed.
//
// The model is locked while visit runs: it may not call the model, its sequences
// or its sessions.
func (m *Model) Forward(ctx context.Context, steps []Step, visit func(*Logits) error) error {
	_, err := m.forward(ctx, steps, nil, visit)
	return err
}

// forward is Forward, or with draws, one for each step that wants its last row,
// the device's choice of the tokens that follow.
func (m *Model) forward(ctx context.Context, steps []Step, draws []sample.Draw,
	visit func(*Logits) error) (chosen []int32, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, fmt.Errorf("the model: %w", ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := m.checkSteps(steps); err != nil || len(steps) == 0 {
		return nil, err
	}
	tokens, rows := 0, []int32{}
	for _, step := range steps {
		rows = step.Logits.rows(rows, tokens, len(step.Tokens))
		tokens += len(step.Tokens)
	}
	if limit := max(m.options.PrefillTokens, len(steps)); tokens > limit {
		return nil, fmt.Errorf("%d tokens in one pass, %d allowed: use Prefill or raise PrefillTokens", tokens, limit)
	}
	if len(rows) > 0 && visit == nil && draws == nil {
		return nil, errNoVisitor
	}
	defer func() {
		if err != nil {
			// What is in flight may still use the pages and the workspace.
			err = errors.Join(err, m.stream.Synchronize())
			for _, step := range steps {
				step.Sequence.cancel()
			}
		}
	}()
	b, err := m.newBatch(steps, rows, draws)
	if err != nil {
		return nil, err
	}
	p := m.newPass(b)
	if err := b.work.take(); err != nil {
		return nil, err
	}
	if err := p.whole(ctx, visit); err != nil {
		return nil, err
	}
	if chosen, err = p.finish(); err != nil {
		return nil, err
	}
	if err := checkChosen(steps, chosen); err != nil {
		return nil, err
	}
	for _, step := range steps {
		step.Sequence.length += len(step.Tokens)
		step.Sequence.readPatches(m.countPatches(step.Tokens))
		step.Sequence.releaseChunks()
	}
	return chosen, nil
}

// rows appends the rows wanted of n tokens that begin at row first of the batch.
func (r Rows) rows(dst []int32, first, n int) []int32 {
	switch r {
	case AllRows:
		for i := range n {
			dst = append(dst, int32(first+i))
		}
	case LastRow:
		dst = append(dst, int32(first+n-1))
	}
	return dst
}

// Prefill appends tokens to a sequence in pieces of at most
// [Options.PrefillTokens], and calls visit with the logits that rows asks for:
// LastRow is that of the last token of all. The result does not depend on the
// pieces. When it fails, the sequence holds the pieces that were finished.
func (m *Model) Prefill(ctx context.Context, q *Sequence, tokens []int32, rows Rows, visit func(*Logits) error) error {
	if rows != NoRows && visit == nil {
		return errNoVisitor
	}
	return m.prefill(q, tokens, rows, func(step Step) error { return m.Forward(ctx, []Step{step}, visit) })
}

// prefillNext appends tokens to a sequence in pieces, and chooses the token that
// follows the last.
func (m *Model) prefillNext(ctx context.Context, q *Sequence, tokens []int32, s *sample.Sampler) (id int32, err error) {
	err = m.prefill(q, tokens, LastRow, func(step Step) error {
		if step.Logits == NoRows {
			return m.Forward(ctx, []Step{step}, nil)
		}
		chosen, err := m.Next(ctx, []Step{step}, []*sample.Sampler{s})
		if err == nil {
			id = chosen[0]
		}
		return err
	})
	return id, err
}

// prefill runs tokens in pieces, of which the last alone wants a last row.
func (m *Model) prefill(q *Sequence, tokens []int32, rows Rows, run func(Step) error) error {
	switch {
	case q == nil:
		return errors.New("prefill: no sequence")
	case len(tokens) == 0:
		return errors.New("prefill: no tokens")
	}
	if err := m.checkTokens(tokens); err != nil {
		return err
	}
	if q.length+len(tokens) > m.options.Context {
		return contextError(q.length, len(tokens), m.options.Context)
	}
	for len(tokens) > 0 {
		n := min(len(tokens), m.options.PrefillTokens)
		step := Step{Sequence: q, Tokens: tokens[:n], Logits: rows}
		if rows == LastRow && n < len(tokens) {
			step.Logits = NoRows
		}
		if err := run(step); err != nil {
			return err
		}
		tokens = tokens[n:]
	}
	return nil
}

// pass is one forward pass: the batch and the activations that layers hand on.
type pass struct {
	*Model
	batch *batch
	work  *workspace

	// x is the residual stream, [T, H] in fp32 whatever the other activations are, and
	// out what a block has yet to add to it: in bf16 the roundings of all layers would
	// add up.
	x, out bindings.Tensor
	h      bindings.Tensor // [T, H]: x after the latest norm
	// exact is h in fp32 for routers, whose choice is the easiest thing to upset: h
	// itself where activations are fp32.
	exact bindings.Tensor
}

func (m *Model) newPass(b *batch) *pass {
	tokens, hidden := int64(b.Tokens), int64(m.config.Hidden)
	p := &pass{
		Model: m, batch: b, work: b.work,
		x:   b.work.tensor("x", bindings.F32, tokens, hidden),
		out: b.work.tensor("out", bindings.F32, tokens, hidden),
		h:   b.work.tensor("h", m.act, tokens, hidden),
	}
	p.exact = p.h
	if m.act != bindings.F32 {
		p.exact = b.work.tensor("exact", bindings.F32, tokens, hidden)
	}
	return p
}

// whole does everything from the tokens to the logits or the tokens chosen.
func (p *pass) whole(ctx context.Context, visit func(*Logits) error) error {
	if !p.batch.decode {
		return p.enqueue(ctx, visit)
	}
	key := graphKey{p.batch.Sequences, p.batch.MaxContext, p.batch.sampling != nil}
	err := p.graphs.run(key, func() error {
		return p.enqueue(ctx, func(*Logits) error { return nil })
	})
	if err != nil || visit == nil {
		return err
	}
	l, err := p.logits(0, p.batch.Sequences)
	if err != nil {
		return err
	}
	return visit(l)
}

// enqueue puts the pass on the stream.
func (p *pass) enqueue(ctx context.Context, visit func(*Logits) error) error {
	rows := int(p.batch.rows.Dim(0))
	if err := p.run(ctx, rows > 0); err != nil {
		return err
	}
	return p.eachBlock(ctx, rows, visit)
}

// finish waits for the pass and returns the tokens that were chosen, if any.
func (p *pass) finish() ([]int32, error) {
	if p.batch.sampling == nil {
		return nil, p.stream.Synchronize()
	}
	ids := p.batch.sampling.ids
	chosen := make([]int32, ids.Dim(0))
	return chosen, bindings.Read(p.stream, ids, chosen)
}

// run goes through the layers, and to the final norm if it is needed.
func (p *pass) run(ctx context.Context, norm bool) error {
	err := p.stream.Embed(&bindings.EmbedArgs{
		IDs: p.batch.ids, Table: p.weights.embed, Features: p.batch.patches, Out: p.x,
	})
	if err != nil {
		return err
	}
	if err := p.tap(p.x, "embed"); err != nil {
		return err
	}
	pending := bindings.Tensor{} // what the previous block has yet to add to x
	for i := range p.plan {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.layer(&p.plan[i], &p.weights.layers[i], pending); err != nil {
			return fmt.Errorf("layer %d: %w", i, err)
		}
		pending = p.out
	}
	if !norm {
		return nil
	}
	if err := p.norm(pending, p.weights.norm, false); err != nil {
		return err
	}
	return p.tap(p.h, "norm")
}

// layer is one block: x += attention(norm(x)), x += feed-forward(norm(x)), where
// each sum is left to the norm that follows.
func (p *pass) layer(plan *LayerPlan, w *layerWeights, pending bindings.Tensor) error {
	if err := p.norm(pending, w.inputNorm, false); err != nil {
		return err
	}
	if err := p.tap(p.h, "layers.%d.input_norm", plan.Index); err != nil {
		return err
	}
	if err := p.attention(plan, w); err != nil {
		return err
	}
	if err := p.tap(p.out, "layers.%d.attn_out", plan.Index); err != nil {
		return err
	}
	ffn := p.mlp
	if plan.MoE {
		ffn = p.moe
	}
	if err := p.norm(p.out, w.postNorm, plan.MoE); err != nil {
		return err
	}
	if err := p.tap(p.h, "layers.%d.post_norm", plan.Index); err != nil {
		return err
	}
	if err := ffn(plan, w); err != nil {
		return err
	}
	return p.tap(p.out, "layers.%d.ffn_out", plan.Index)
}

// norm adds what is pending to x and leaves the norm of x in h, and if asked in
// exact.
func (p *pass) norm(pending, weight bindings.Tensor, exact bool) error {
	a := &bindings.RMSNormArgs{Eps: p.config.Eps, X: p.x, Add: pending, Weight: weight, Out: p.h}
	if exact && p.act != bindings.F32 {
		a.Unrounded = p.exact
	}
	return p.stream.RMSNorm(a)
}

// tensor is an activation with a row for every token.
func (p *pass) tensor(name string, shape ...int64) bindings.Tensor {
	return p.work.tensor(name, p.act, append([]int64{int64(p.batch.Tokens)}, shape...)...)
}
