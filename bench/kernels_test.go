package bench

import (
	"fmt"
	"testing"

	"github.com/llama4go/llama4go/bindings"
)

// BenchmarkMatmul is the QKV projection of a layer: [T, 5120] by [7168, 5120].
func BenchmarkMatmul(b *testing.B) {
	const n = (heads + 2*kvHeads) * headDim
	for _, tokens := range []int64{1, 4, 64, 512} {
		for _, compute := range []bindings.Compute{bindings.ComputeF32, bindings.ComputeAuto} {
			b.Run(fmt.Sprintf("%v/tokens=%d", compute, tokens), func(b *testing.B) {
				r := newRig(b)
				args := &bindings.MatmulArgs{
					Compute: compute, X: r.normal(bindings.F32, tokens, hidden),
					Weights: []bindings.Weight{{Data: r.normal(bindings.BF16, n, hidden)}},
					Out:     r.empty(bindings.F32, tokens, n),
				}
				t := float64(tokens)
				r.measure(2*t*n*hidden, 2*n*hidden+4*t*(n+hidden), func() error { return r.stream.Matmul(args) })
			})
		}
	}
}

// BenchmarkGroupedMatmul is gate and up of four experts: rows shared out evenly.
func BenchmarkGroupedMatmul(b *testing.B) {
	const experts = 4
	for _, tokens := range []int64{1, 4, 512} {
		b.Run(fmt.Sprintf("tokens=%d", tokens), func(b *testing.B) {
			r := newRig(b)
			offsets, rows := make([]int32, experts+1), make([]int32, tokens)
			for i := range rows {
				rows[i] = int32(i)
			}
			for e := range offsets {
				offsets[e] = int32(int64(e) * tokens / experts)
			}
			args := &bindings.GroupedMatmulArgs{
				SwiGLU: true, X: r.normal(bindings.F32, tokens, hidden),
				Weight: bindings.Weight{
					Data: r.normal(bindings.BF16, experts, hidden, 2*expertF), Layout: bindings.LayoutKN,
				},
				Offsets: r.int32s(offsets...), Gather: r.int32s(rows...),
				RowScores: r.normal(bindings.F32, tokens), Out: r.empty(bindings.F32, tokens, expertF),
			}
			used := min(tokens, experts)
			r.measure(2*float64(tokens)*2*expertF*hidden, float64(used)*2*2*expertF*hidden,
				func() error { return r.stream.GroupedMatmul(args) })
		})
	}
}

// BenchmarkAttention is prefill and decode, global and chunked, one sequence.
func BenchmarkAttention(b *testing.B) {
	for _, c := range []struct {
		name          string
		fresh, past   int
		chunk, window int // window: keys that the last query sees
	}{
		{"prefill/global", 512, 3584, 0, 4096},
		{"prefill/chunked", 512, chunk + 3584, chunk, 4096},
		{"decode/global/past=4096", 1, 4095, 0, 4096},
		{"decode/global/past=32768", 1, 32767, 0, 32768},
		{"decode/chunked/past=32768", 1, 32768 - 1, chunk, chunk},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := newRig(b)
			args := &bindings.AttentionArgs{
				Scale: 0.088, Chunk: c.chunk, Batch: r.batch(c.fresh, c.past),
				Q: r.normal(bindings.F32, int64(c.fresh), heads, headDim), KV: r.kv(c.fresh + c.past),
				Out: r.empty(bindings.F32, int64(c.fresh), heads, headDim),
			}
			pairs := float64(c.fresh) * (float64(c.window) - float64(c.fresh-1)/2)
			r.measure(4*pairs*heads*headDim, 2*2*float64(c.window)*kvHeads*headDim,
				func() error { return r.stream.Attention(args) })
		})
	}
}

// BenchmarkQKVEpilogue rotates, normalises and caches.
func BenchmarkQKVEpilogue(b *testing.B) {
	for _, tokens := range []int{1, 512} {
		b.Run(fmt.Sprintf("tokens=%d", tokens), func(b *testing.B) {
			r := newRig(b)
			const width = (heads + 2*kvHeads) * headDim
			args := &bindings.QKVEpilogueArgs{
				QKNorm: true, QKNormEps: 1e-5, Batch: r.batch(tokens, 0),
				QKV:     r.normal(bindings.F32, int64(tokens), width),
				InvFreq: r.normal(bindings.F32, headDim/2),
				Q:       r.empty(bindings.F32, int64(tokens), heads, headDim), KV: r.kv(tokens),
			}
			r.measure(0, float64(tokens)*width*(4+4), func() error { return r.stream.QKVEpilogue(args) })
		})
	}
}

// BenchmarkRouter is Maverick's, with 128 experts.
func BenchmarkRouter(b *testing.B) {
	const experts = 128
	for _, tokens := range []int64{1, 512} {
		b.Run(fmt.Sprintf("tokens=%d", tokens), func(b *testing.B) {
			r := newRig(b)
			args := &bindings.RouterArgs{
				TopK: 1, X: r.normal(bindings.F32, tokens, hidden), Weight: r.normal(bindings.BF16, experts, hidden),
				Logits:  r.empty(bindings.F32, tokens, experts),
				Experts: r.empty(bindings.I32, tokens, 1), Scores: r.empty(bindings.F32, tokens, 1),
				Offsets:   r.empty(bindings.I32, experts+1),
				RowTokens: r.empty(bindings.I32, tokens), RowScores: r.empty(bindings.F32, tokens),
			}
			t := float64(tokens)
			r.measure(2*t*experts*hidden, 2*experts*hidden+4*t*hidden, func() error { return r.stream.Router(args) })
		})
	}
}

// BenchmarkRows are the operations that only pass over activations.
func BenchmarkRows(b *testing.B) {
	const tokens = 512
	b.Run("Embed", func(b *testing.B) {
		r := newRig(b)
		args := &bindings.EmbedArgs{
			IDs: r.int32s(make([]int32, tokens)...), Table: r.normal(bindings.BF16, 1024, hidden),
			Out: r.empty(bindings.F32, tokens, hidden),
		}
		r.measure(0, tokens*hidden*(2+4), func() error { return r.stream.Embed(args) })
	})
	b.Run("RMSNorm", func(b *testing.B) {
		r := newRig(b)
		args := &bindings.RMSNormArgs{
			Eps: 1e-5, X: r.normal(bindings.F32, tokens, hidden), Add: r.normal(bindings.F32, tokens, hidden),
			Weight: r.normal(bindings.F32, hidden), Out: r.empty(bindings.F32, tokens, hidden),
		}
		r.measure(0, tokens*hidden*4*4, func() error { return r.stream.RMSNorm(args) })
	})
	b.Run("SwiGLU", func(b *testing.B) {
		r := newRig(b)
		args := &bindings.SwiGLUArgs{
			GateUp: r.normal(bindings.F32, tokens, 2*expertF), Out: r.empty(bindings.F32, tokens, expertF),
		}
		r.measure(0, tokens*expertF*3*4, func() error { return r.stream.SwiGLU(args) })
	})
}

// BenchmarkSampling is what a token needs at Llama 4's vocabulary.
func BenchmarkSampling(b *testing.B) {
	b.Run("Logits", func(b *testing.B) {
		r := newRig(b)
		args := &bindings.LogitsArgs{
			X: r.normal(bindings.F32, 1, hidden), Rows: r.int32s(0),
			Weight: bindings.Weight{Data: r.normal(bindings.BF16, vocab, hidden)}, Out: r.empty(bindings.F32, 1, vocab),
		}
		r.measure(2*vocab*hidden, 2*vocab*hidden, func() error { return r.stream.Logits(args) })
	})
	b.Run("LogSoftmax", func(b *testing.B) {
		r := newRig(b)
		args := &bindings.LogSoftmaxArgs{X: r.normal(bindings.F32, 1, vocab), Out: r.empty(bindings.F32, 1, vocab)}
		r.measure(0, 2*4*vocab, func() error { return r.stream.LogSoftmax(args) })
	})
	b.Run("TopK", func(b *testing.B) {
		r := newRig(b)
		args := &bindings.TopKArgs{
			X: r.normal(bindings.F32, 1, vocab), Values: r.empty(bindings.F32, 1, 8), Indices: r.empty(bindings.I32, 1, 8),
		}
		r.measure(0, 4*vocab, func() error { return r.stream.TopK(args) })
	})
}

// batch is one sequence with fresh tokens after past ones.
func (r *rig) batch(fresh, past int) bindings.Batch {
	return bindings.Batch{
		Sequences: 1, Tokens: fresh, MaxNew: fresh, MaxContext: fresh + past,
		SeqStart: r.int32s(0, int32(fresh)), Past: r.int32s(int32(past)),
	}
}

// kv is a cache of 64-token pages for a context.
func (r *rig) kv(context int) bindings.KV {
	const pageSize = 64
	pages := (context + pageSize - 1) / pageSize
	table := make([]int32, pages)
	for i := range table {
		table[i] = int32(i)
	}
	return bindings.KV{
		K:         r.normal(bindings.BF16, int64(pages), kvHeads, pageSize, headDim),
		V:         r.normal(bindings.BF16, int64(pages), kvHeads, pageSize, headDim),
		PageTable: r.int32s(table...).Reshape(1, int64(pages)),
	}
}
