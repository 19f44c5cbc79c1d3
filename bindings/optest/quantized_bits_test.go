package optest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// quantizedOperations runs what has quantized weights or a quantized cache and hands
// over the outputs, as everyOperation does.
func quantizedOperations(r *rig, rng *rand.Rand, m mode, keep func(op string, m mode, err error, tensors ...bindings.Tensor)) {
	const tokens, hidden = 37, 300
	x := r.floats("x", m.act, uneven(rng, m.act, tokens, hidden), tokens, hidden)
	for i, f := range formats {
		if i%3 != 0 {
			continue // these are of each kind that kernels tell apart
		}
		mm := bindings.MatmulArgs{
			Compute: m.compute, X: x, Out: r.out("out", m.act, tokens, 166),
			Weights: []bindings.Weight{
				r.weight("a", f.draw(rng, 33, hidden)), r.weight("b", bf16.draw(rng, 33, hidden)), r.weight("c", f.draw(rng, 100, hidden)),
			},
		}
		keep("matmul of "+f.name, m, r.stream.Matmul(&mm), mm.Out)
		c := groupedCase{tokens: 20, k: 100, n: 70, rows: []int{31, 0, 3, 1}, gather: true, scores: true, scatter: true, swiglu: true}
		grouped := c.args(r, wideMode{m, m.act}, c.drawQuantized(rng, m.act, f))
		keep("grouped_matmul of "+f.name, m, r.stream.GroupedMatmul(&grouped), grouped.Out)
		logits := bindings.LogitsArgs{
			Compute: m.compute, X: x, Rows: r.ints("rows", []int32{3, 36, 0, 3}, 4),
			Weight: r.weight("weight", f.draw(rng, 130, hidden)), Out: r.out("out", bindings.F32, 4, 130),
		}
		keep("logits of "+f.name, m, r.stream.Logits(&logits), logits.Out)
	}
	for _, dtype := range cacheTypes {
		q := quantizeCase{2, 70, 100, 32}
		quantize := q.args(r, dtype, bindings.BF16, []Matrix{quantizable(rng, q, kn), quantizable(rng, q, kn)})
		keep("quantize to "+dtype.String(), m, r.stream.Quantize(&quantize), quantize.Out.Data, quantize.Out.Scale)
		c := attnCase{heads: 6, kv: 2, dim: 64, page: 16, chunk: 70, spans: []span{{0, 90}, {200, 1}, {33, 40}}}
		pages := newPaging(rng, c.spans, c.page, c.chunk)
		a := c.args(r, m, dtype, pages, newCaches(rng, c.spans, c.kv, c.dim, dtype),
			random(rng, m.act, pages.tokens()*c.heads*c.dim))
		keep("attention of "+dtype.String(), m, r.stream.Attention(&a), a.Out)
		e := qkvCase{heads: 6, kv: 2, dim: 64, page: 16, chunk: 70, spans: c.spans, rotate: true, norm: true}
		qkv := random(rng, m.act, pages.tokens()*(e.heads+2*e.kv)*e.dim)
		b := e.args(r, m.act, m.act, dtype, e.reference(m.act, dtype), pages, qkv)
		keep("qkv_epilogue of "+dtype.String(), m, r.stream.QKVEpilogue(&b), b.Q, b.KV.K, b.KV.V, b.KV.KScale, b.KV.VScale)
	}
}

// A token's row is the same whatever rows are computed with it, and a part's columns
// whatever parts are beside it.
func TestBitsOfMatmulQuantized(t *testing.T) {
	const most, k, n, m = 21, 196, 70, 30
	for _, f := range formats {
		for _, mode := range modes {
			t.Run(fmt.Sprint(f, mode), func(t *testing.T) {
				rng := newRand(t.Name())
				x := uneven(rng, mode.act, most, k)
				parts := []Matrix{f.draw(rng, n, k), f.draw(rng, m, k)}
				onCPU(t, func(t *testing.T, r *rig) {
					a := bindings.MatmulArgs{
						Compute: mode.compute, X: r.floats("x", mode.act, x, most, k),
						Weights: []bindings.Weight{r.weight("weight[0]", parts[0]), r.weight("weight[1]", parts[1])},
						Out:     r.out("out", mode.act, most, n+m),
					}
					require.NoError(t, r.stream.Matmul(&a))
					together := r.bytes(a.Out)
					row := len(together) / most
					part := r.out("part", mode.act, most, n+m)
					for rows := int64(1); rows <= most; rows++ {
						b := a
						b.X, b.Out = a.X.Rows(most-rows, most), part.Rows(0, rows)
						require.NoError(t, r.stream.Matmul(&b))
						require.Equal(t, together[int(most-rows)*row:], r.bytes(b.Out), "%d rows", rows)
					}
					second := bindings.MatmulArgs{
						Compute: mode.compute, X: a.X, Weights: a.Weights[1:], Out: r.out("second", mode.act, most, m),
					}
					require.NoError(t, r.stream.Matmul(&second))
					alone, size := r.bytes(second.Out), row/(n+m)
					for i := range most {
						require.Equal(t, together[i*row+n*size:(i+1)*row], alone[i*m*size:(i+1)*m*size], "row %d alone", i)
					}
				})
			})
		}
	}
}

// So is a row of an expert, whatever rows the expert has.
func TestBitsOfExpertsQuantized(t *testing.T) {
	const most, k, n = 40, 130, 66
	for _, f := range formats {
		for _, m := range modes {
			t.Run(fmt.Sprint(f, m), func(t *testing.T) {
				c := groupedCase{tokens: most, k: k, n: n, rows: []int{most, 0}, scores: true, swiglu: true}
				testBitsOfExperts(t, c, m, c.drawQuantized(newRand(t.Name()), m.act, f), 1, 2, 3, 4, 5, 8, 9, 17, 33)
			})
		}
	}
}

// A sequence attends to a quantized cache alike whatever sequences are beside it, and
// however its prompt is split.
func TestBitsOfAttentionQuantized(t *testing.T) {
	for _, c := range []attnCase{
		{name: "global", heads: 4, kv: 2, dim: 32, page: 4, spans: []span{{0, 30}, {45, 1}, {7, 12}, {130, 9}}},
		{name: "chunked", heads: 5, kv: 1, dim: 33, page: 4, chunk: 7, spans: []span{{0, 30}, {45, 1}, {6, 12}, {130, 9}}},
	} {
		for _, m := range modes {
			for _, cache := range cacheTypes {
				t.Run(fmt.Sprint(c.name, m, cache), func(t *testing.T) { testBitsOfAttention(t, c, m, cache) })
			}
		}
	}
}
