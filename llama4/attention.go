package llama4

import (
	"math"

	"github.com/llama4go/llama4go/bindings"
)

// attention computes out = o_proj(attention(h)) of a layer, and appends the keys
// and values of the batch to the cache.
func (p *pass) attention(plan *LayerPlan, w *layerWeights) error {
	c := p.config
	heads, kvHeads, headDim := int64(c.Heads), int64(c.KVHeads), int64(c.HeadDim)
	// In fp32, since q and k are rounded once they are turned and normed.
	qkv := p.work.tensor("qkv", bindings.F32, int64(p.batch.Tokens), (heads+2*kvHeads)*headDim)
	q := p.tensor("q", heads, headDim)
	attn := p.tensor("attn", heads, headDim)
	if err := p.work.take(); err != nil {
		return err
	}
	err := p.stream.Matmul(&bindings.MatmulArgs{
		Compute: p.options.Compute, X: p.h, Weights: w.qkv, Out: qkv,
	})
	if err != nil {
		return err
	}
	epilogue := &bindings.QKVEpilogueArgs{
		QKNorm: plan.QKNorm, QKNormEps: c.Eps, Batch: p.batch.Batch, QKV: qkv, Q: q, KV: p.kv(plan),
	}
	if plan.RoPE {
		epilogue.InvFreq = p.weights.invFreq
	}
	if plan.Temperature {
		epilogue.AttnScale, epilogue.FloorScale = c.AttnScale, c.FloorScale
	}
	if err := p.stream.QKVEpilogue(epilogue); err != nil {
		return err
	}
	if err := p.tap(q, "layers.%d.q", plan.Index); err != nil {
		return err
	}
	err = p.stream.Attention(&bindings.AttentionArgs{
		Scale: float32(1 / math.Sqrt(float64(headDim))), Chunk: plan.Chunk, Compute: p.options.Compute,
		Batch: p.batch.Batch, Q: q, KV: epilogue.KV, Out: attn,
	})
	if err != nil {
		return err
	}
	if err := p.tap(attn, "layers.%d.attn", plan.Index); err != nil {
		return err
	}
	return p.stream.Matmul(&bindings.MatmulArgs{
		Compute: p.options.Compute, X: attn.Reshape(attn.Dim(0), heads*headDim), Weights: w.o, Out: p.out,
	})
}

// kv returns a layer's pages with the tables of its pool.
func (p *pass) kv(plan *LayerPlan) bindings.KV {
	kv := p.cache.pool(*plan).kv(p.cache.slot[plan.Index])
	if plan.Chunked {
		return p.batch.chunked.with(kv)
	}
	return p.batch.global.with(kv)
}
