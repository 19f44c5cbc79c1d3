package llama4

import "github.com/llama4go/llama4go/bindings"

// mlp computes out = down(silu(gate h) * up h), the feed-forward of a dense layer.
func (p *pass) mlp(plan *LayerPlan, w *layerWeights) error {
	return p.swiglu(int64(plan.Intermediate), w, false)
}

// swiglu runs the layer's dense SwiGLU, which in a mixture is the shared expert:
// out = ..., or out += ... with accumulate.
func (p *pass) swiglu(width int64, w *layerWeights, accumulate bool) error {
	gateUp := p.tensor("gate_up", 2*width)
	act := p.tensor("act", width)
	if err := p.work.take(); err != nil {
		return err
	}
	err := p.stream.Matmul(&bindings.MatmulArgs{
		Compute: p.options.Compute, X: p.h, Weights: w.gateUp, Out: gateUp,
	})
	if err != nil {
		return err
	}
	if err := p.stream.SwiGLU(&bindings.SwiGLUArgs{GateUp: gateUp, Out: act}); err != nil {
		return err
	}
	return p.stream.Matmul(&bindings.MatmulArgs{
		Compute: p.options.Compute, Accumulate: accumulate, X: act, Weights: w.down, Out: p.out,
	})
}
