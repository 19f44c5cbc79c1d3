package llama4

import (
	"context"
	"errors"
	"fmt"

	"github.com/llama4go/llama4go/bindings"
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
func (m *Model) Forward(ctx context.Context, steps []Step, visit func(*Logits) error) (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fmt.Errorf("the model: %w", ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.checkSteps(steps); err != nil || len(steps) == 0 {
		return err
	}
	tokens, rows := 0, []int32{}
	for _, step := range steps {
		rows = step.Logits.rows(rows, tokens, len(step.Tokens))
		tokens += len(step.Tokens)
	}
	if limit := max(m.options.PrefillTokens, len(steps)); tokens > limit {
		return fmt.Errorf("%d tokens in one pass, %d allowed: use Prefill or raise PrefillTokens", tokens, limit)
	}
	if len(rows) > 0 && visit == nil {
		return errNoVisitor
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
	b, err := m.newBatch(steps)
	if err != nil {
		return err
	}
	p := m.newPass(b)
	if err := m.work.take(); err != nil {
		return err
	}
	if err := p.run(ctx, len(rows) > 0); err != nil {
		return err
	}
	if err := m.visitRows(ctx, p.h, rows, visit); err != nil {
		return err
	}
	if err := m.stream.Synchronize(); err != nil {
		return err
	}
	for _, step := range steps {
		step.Sequence.length += len(step.Tokens)
		step.Sequence.releaseChunks()
	}
	return nil
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
	switch {
	case q == nil:
		return errors.New("prefill: no sequence")
	case len(tokens) == 0:
		return errors.New("prefill: no tokens")
	case rows != NoRows && visit == nil:
		return errNoVisitor
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
		if err := m.Forward(ctx, []Step{step}, visit); err != nil {
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

	x   bindings.Tensor // [T, H]: the residual stream
	h   bindings.Tensor // [T, H]: x after the latest norm
	out bindings.Tensor // [T, H]: of a block, not yet added to x
}

func (m *Model) newPass(b *batch) *pass {
	tokens, hidden := int64(b.Tokens), int64(m.config.Hidden)
	return &pass{
		Model: m, batch: b,
		x:   m.work.tensor("x", m.act, tokens, hidden),
		h:   m.work.tensor("h", m.act, tokens, hidden),
		out: m.work.tensor("out", m.act, tokens, hidden),
	}
}

// run goes through the layers, and to the final norm if it is needed.
func (p *pass) run(ctx context.Context, norm bool) error {
	err := p.stream.Embed(&bindings.EmbedArgs{IDs: p.batch.ids, Table: p.weights.embed, Out: p.x})
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
	if err := p.norm(pending, p.weights.norm); err != nil {
		return err
	}
	return p.tap(p.h, "norm")
}

// layer is one block: x += attention(norm(x)), x += feed-forward(norm(x)), where
// each sum is left to the norm that follows.
func (p *pass) layer(plan *LayerPlan, w *layerWeights, pending bindings.Tensor) error {
	if err := p.norm(pending, w.inputNorm); err != nil {
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
	if err := p.norm(p.out, w.postNorm); err != nil {
		return err
	}
	if err := p.tap(p.h, "layers.%d.post_norm", plan.Index); err != nil {
		return err
	}
	ffn := p.mlp
	if plan.MoE {
		ffn = p.moe
	}
	if err := ffn(plan, w); err != nil {
		return err
	}
	return p.tap(p.out, "layers.%d.ffn_out", plan.Index)
}

// norm adds what is pending to x and leaves the norm of x in h.
func (p *pass) norm(pending, weight bindings.Tensor) error {
	return p.stream.RMSNorm(&bindings.RMSNormArgs{
		Eps: p.config.Eps, X: p.x, Add: pending, Weight: weight, Out: p.h,
	})
}

// tensor is an activation with a row for every token.
func (p *pass) tensor(name string, shape ...int64) bindings.Tensor {
	return p.work.tensor(name, p.act, append([]int64{int64(p.batch.Tokens)}, shape...)...)
}
