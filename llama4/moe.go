package llama4

import "github.com/llama4go/llama4go/bindings"

// moe computes out = shared_expert(h) + the chosen experts of h times their
// scores, the feed-forward of a mixture layer.
func (p *pass) moe(plan *LayerPlan, w *layerWeights) error {
	c := p.config
	tokens, experts, k := int64(p.batch.Tokens), int64(c.Experts), int64(c.ExpertsPerToken)
	rows := tokens * k
	router := &bindings.RouterArgs{
		TopK: c.ExpertsPerToken, X: p.exact, Weight: w.router,
		Logits:    p.work.tensor("router_logits", bindings.F32, tokens, experts),
		Experts:   p.work.tensor("router_experts", bindings.I32, tokens, k),
		Scores:    p.work.tensor("router_scores", bindings.F32, tokens, k),
		Offsets:   p.work.tensor("router_offsets", bindings.I32, experts+1),
		RowTokens: p.work.tensor("router_row_tokens", bindings.I32, rows),
		RowScores: p.work.tensor("router_row_scores", bindings.F32, rows),
	}
	act := p.work.tensor("expert_act", p.act, rows, int64(plan.Intermediate))
	if err := p.work.take(); err != nil {
		return err
	}
	if err := p.stream.Router(router); err != nil {
		return err
	}
	if err := p.tap(router.Logits, "layers.%d.router_logits", plan.Index); err != nil {
		return err
	}
	err := p.stream.GroupedMatmul(&bindings.GroupedMatmulArgs{
		Compute: p.options.Compute, SwiGLU: true, X: p.h, Weight: w.expertsGateUp,
		Offsets: router.Offsets, Gather: router.RowTokens, RowScores: router.RowScores, Out: act,
	})
	if err != nil {
		return err
	}
	err = p.stream.GroupedMatmul(&bindings.GroupedMatmulArgs{
		Compute: p.options.Compute, X: act, Weight: w.expertsDown,
		Offsets: router.Offsets, Scatter: router.RowTokens, Out: p.out,
	})
	if err != nil {
		return err
	}
	return p.swiglu(int64(plan.Intermediate), w, true)
}
