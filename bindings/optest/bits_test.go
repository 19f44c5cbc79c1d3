package optest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// The same input gives the same bits, for any number of threads.
func TestBitsOfThreads(t *testing.T) {
	onCPU(t, func(t *testing.T, on *rig) {
		want := make(map[string][]byte)
		for _, threads := range []int{1, 2, 3, 7} {
			t.Run(fmt.Sprint(threads), func(t *testing.T) {
				device, err := bindings.Open("cpu", &bindings.Options{Threads: threads, ISA: on.info.ISA})
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, device.Close()) })
				r := newRig(t, &target{name: on.name, device: device, info: on.info, act: on.act})
				for name, got := range everyOperation(r) {
					if want[name] == nil {
						want[name] = got
					}
					require.Equal(t, want[name], got, name)
				}
				r.verify()
			})
		}
	})
}

// The same call twice gives the same bits, on a GPU, too: what follows is the CPU's.
func TestBitsOfRepetition(t *testing.T) {
	onTargets(t, func(t *testing.T, r *rig) {
		want := everyOperation(r)
		for name, got := range everyOperation(r) {
			require.Equal(t, want[name], got, name)
		}
	})
}

// everyOperation runs each operation on sizes that are worth splitting and
// returns the bytes of its outputs.
func everyOperation(r *rig) map[string][]byte {
	rng := newRand("every operation")
	out := make(map[string][]byte)
	keep := func(op string, m mode, err error, tensors ...bindings.Tensor) {
		if r.refused(err, m.act == bindings.F32 || strings.HasPrefix(op, "attention") && m.f32(m.act)) {
			return
		}
		require.NoError(r.t, err, op)
		for i, tensor := range tensors {
			out[fmt.Sprintf("%s,%v,%d", op, m, i)] = r.bytes(tensor)
		}
	}
	for _, m := range modes {
		const tokens, hidden = 37, 300
		x := r.floats("x", m.act, random(rng, m.act, tokens*hidden), tokens, hidden)
		for _, layout := range []bindings.Layout{nk, kn} {
			mm := bindings.MatmulArgs{
				Compute: m.compute, X: x, Out: r.out("out", m.act, tokens, 390),
				Weights: []bindings.Weight{
					r.weight("a", matrix(rng, 257, hidden, layout)), r.weight("b", matrix(rng, 133, hidden, layout)),
				},
			}
			keep("matmul "+layout.String(), m, r.stream.Matmul(&mm), mm.Out)
			mm.Activation = bindings.ActivationGELU
			mm.Bias = []bindings.Tensor{{}, r.floats("bias", bindings.F32, random(rng, bindings.F32, 133), 133)}
			mm.Out = r.out("out", m.act, tokens, 390)
			keep("matmul with bias and gelu "+layout.String(), m, r.stream.Matmul(&mm), mm.Out)

			c := groupedCase{tokens: 20, k: 100, n: 130, rows: []int{31, 0, 3, 1}, layout: layout,
				gather: true, scores: true, scatter: true, swiglu: true}
			grouped := c.args(r, wideMode{m, m.act}, c.draw(rng, m.act))
			keep("grouped_matmul "+layout.String(), m, r.stream.GroupedMatmul(&grouped), grouped.Out)
		}
		logits := bindings.LogitsArgs{
			Compute: m.compute, X: x, Rows: r.ints("rows", []int32{3, 36, 0, 3}, 4),
			Weight: r.weight("weight", matrix(rng, 1000, hidden, nk)), Out: r.out("out", bindings.F32, 4, 1000),
		}
		keep("logits", m, r.stream.Logits(&logits), logits.Out)
		soft := bindings.LogSoftmaxArgs{X: logits.Out, Out: r.out("out", bindings.F32, 4, 1000)}
		keep("log_softmax", m, r.stream.LogSoftmax(&soft), soft.Out)
		best := bindings.TopKArgs{
			X: logits.Out, Values: r.out("values", bindings.F32, 4, 50), Indices: r.out("indices", bindings.I32, 4, 50),
		}
		keep("top_k", m, r.stream.TopK(&best), best.Values, best.Indices)
		sampled := sampleArgs(r, randomLogits(rng, 4*1000), []SampleRules{
			{TopP: 1}, {Temperature: 0.7, TopP: 0.9, Draw: 0.3}, {Temperature: 1, TopP: 1, TopK: 9, Draw: 0.8}, {Temperature: 2, TopP: 1, MinP: 0.1},
		})
		keep("sample", m, r.stream.Sample(&sampled), sampled.IDs)
		router := routerArgs(r, m.act, random(rng, m.act, tokens*hidden), matrix(rng, 16, hidden, nk), 2)
		keep("router", m, r.stream.Router(&router), router.Logits, router.Experts, router.Scores,
			router.Offsets, router.RowTokens, router.RowScores)
		norm := bindings.RMSNormArgs{
			Eps: 1e-5, X: r.inout("x", m.act, random(rng, m.act, tokens*hidden), tokens, hidden), Add: x,
			Weight: r.floats("weight", bindings.BF16, random(rng, bindings.BF16, hidden), hidden),
			Out:    r.out("out", m.act, tokens, hidden),
		}
		keep("rms_norm", m, r.stream.RMSNorm(&norm), norm.X, norm.Out)
		layerNorm := bindings.LayerNormArgs{
			Eps: 1e-5, X: x, Weight: norm.Weight, Bias: norm.Weight, Out: r.out("out", m.act, tokens, hidden),
		}
		keep("layer_norm", m, r.stream.LayerNorm(&layerNorm), layerNorm.Out)
		unfold := bindings.UnfoldArgs{Patch: 5, X: x.Reshape(37, 3, 10, 10), Out: r.out("out", m.act, 37, 5, 80)}
		keep("unfold", m, r.stream.Unfold(&unfold), unfold.Out)
		shuffle := bindings.PixelShuffleArgs{Factor: 2, X: unfold.Out, Out: r.out("out", m.act, 37, 1, 320)}
		keep("pixel_shuffle", m, r.stream.PixelShuffle(&shuffle), shuffle.Out)
		swiglu := bindings.SwiGLUArgs{GateUp: x, Out: r.out("out", m.act, tokens, hidden/2)}
		keep("swiglu", m, r.stream.SwiGLU(&swiglu), swiglu.Out)
		embed := bindings.EmbedArgs{
			IDs:   r.ints("ids", []int32{5, 0, 8}, 3),
			Table: r.floats("table", bindings.BF16, random(rng, bindings.BF16, 9*hidden), 9, hidden),
			Out:   r.out("out", m.act, 3, hidden),
		}
		keep("embed", m, r.stream.Embed(&embed), embed.Out)

		c := attnCase{heads: 6, kv: 2, dim: 64, page: 16, chunk: 70, spans: []span{{0, 90}, {200, 1}, {33, 40}, {69, 2}}}
		pages := newPaging(rng, c.spans, c.page, c.chunk)
		caches := newCaches(rng, c.spans, c.kv, c.dim, m.act)
		attention := c.args(r, m, m.act, pages, caches, random(rng, m.act, pages.tokens()*c.heads*c.dim))
		keep("attention", m, r.stream.Attention(&attention), attention.Out)
		both := attnCase{heads: 2, kv: 1, dim: 88, page: 90, bidirectional: true, spans: []span{{0, 90}, {0, 90}}}
		all := both.args(r, m, m.act, newPaging(rng, both.spans, both.page, 0),
			newCaches(rng, both.spans, both.kv, both.dim, m.act), random(rng, m.act, 180*2*88))
		keep("attention, bidirectional", m, r.stream.Attention(&all), all.Out)
		width := (c.heads + 2*c.kv) * c.dim
		epilogue := bindings.QKVEpilogueArgs{
			QKNorm: true, QKNormEps: 1e-5, AttnScale: 0.1, FloorScale: 10, Batch: attention.Batch,
			QKV:     r.floats("qkv", m.act, random(rng, m.act, pages.tokens()*width), int64(pages.tokens()), int64(width)),
			InvFreq: r.floats("inv_freq", bindings.F32, random(rng, bindings.F32, c.dim/2), int64(c.dim/2)),
			Q:       r.out("q", m.act, int64(pages.tokens()), int64(c.heads), int64(c.dim)),
			KV:      pages.kv(r, m.act, c.kv, c.dim, nil, nil, true),
		}
		keep("qkv_epilogue", m, r.stream.QKVEpilogue(&epilogue), epilogue.Q, epilogue.KV.K, epilogue.KV.V)
		quantizedOperations(r, rng, m, keep)
	}
	return out
}

// A token's row is the same whatever rows are computed with it.
func TestBitsOfMatmulRows(t *testing.T) {
	const most, k = 40, 257
	for _, m := range modes {
		for _, layout := range []bindings.Layout{nk, kn} {
			t.Run(fmt.Sprint(m, layout), func(t *testing.T) {
				rng := newRand(t.Name())
				x := random(rng, m.act, most*k)
				parts := []Matrix{matrix(rng, 67, k, layout), matrix(rng, 30, k, layout)}
				onCPU(t, func(t *testing.T, r *rig) {
					a := bindings.MatmulArgs{
						Compute: m.compute, X: r.floats("x", m.act, x, most, k),
						Weights: []bindings.Weight{r.weight("weight[0]", parts[0]), r.weight("weight[1]", parts[1])},
						Out:     r.out("out", m.act, most, 97),
					}
					require.NoError(t, r.stream.Matmul(&a))
					together := r.bytes(a.Out)
					row := len(together) / most
					part := r.out("part", m.act, most, 97)
					for n := int64(1); n <= most; n++ {
						// The first n rows, and the last n.
						for _, from := range []int64{0, most - n} {
							b := a
							b.X, b.Out = a.X.Rows(from, from+n), part.Rows(0, n)
							require.NoError(t, r.stream.Matmul(&b))
							require.Equal(t, together[int(from)*row:int(from+n)*row], r.bytes(b.Out), "%d rows from %d", n, from)
						}
					}
				})
			})
		}
	}
}

// So is a row of an expert, whatever rows the expert has, and a row of the router.
func TestBitsOfExpertRows(t *testing.T) {
	const most, k, n = 40, 130, 66
	for _, m := range modes {
		for _, layout := range []bindings.Layout{nk, kn} {
			t.Run(fmt.Sprint(m, layout), func(t *testing.T) {
				c := groupedCase{tokens: most, k: k, n: n, rows: []int{most, 0}, layout: layout, scores: true, swiglu: true}
				testBitsOfExperts(t, c, m, c.draw(newRand(t.Name()), m.act), 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 39)
			})
		}
	}
}

// testBitsOfExperts runs the rows of a case's first expert, which has all, and then the
// last of them, so many at a time.
func testBitsOfExperts(t *testing.T, c groupedCase, m mode, g Grouped, counts ...int64) {
	onCPU(t, func(t *testing.T, r *rig) {
		a := c.args(r, wideMode{m, m.act}, g)
		require.NoError(t, r.stream.GroupedMatmul(&a))
		together := r.bytes(a.Out)
		most := a.Out.Dim(0)
		row := len(together) / int(most)
		part := r.out("part", m.act, most, a.Out.Dim(1))
		for _, count := range counts {
			from := most - count
			b := a
			b.X, b.Out, b.RowScores = a.X.Rows(from, most), part.Rows(0, count), a.RowScores.Rows(from, most)
			b.Offsets = r.ints("offsets", []int32{0, int32(count), int32(count)}, 3)
			require.NoError(t, r.stream.GroupedMatmul(&b))
			require.Equal(t, together[int(from)*row:], r.bytes(b.Out), "%d rows", count)
		}
	})
}

func TestBitsOfRouterRows(t *testing.T) {
	const tokens, hidden = 21, 130
	for _, act := range acts {
		t.Run(act.String(), func(t *testing.T) {
			rng := newRand(t.Name())
			x, w := random(rng, act, tokens*hidden), matrix(rng, 16, hidden, nk)
			onCPU(t, func(t *testing.T, r *rig) {
				a := routerArgs(r, act, x, w, 1)
				require.NoError(t, r.stream.Router(&a))
				together := r.bytes(a.Logits)
				for i := range tokens {
					b := routerArgs(r, act, x[i*hidden:(i+1)*hidden], w, 1)
					require.NoError(t, r.stream.Router(&b))
					require.Equal(t, together[i*16*4:(i+1)*16*4], r.bytes(b.Logits), "token %d", i)
				}
			})
		})
	}
}

// A sequence gives the same whatever sequences are beside it, and however its
// prompt is split into pieces.
func TestBitsOfAttention(t *testing.T) {
	for _, c := range []attnCase{
		{name: "global", heads: 4, kv: 2, dim: 32, page: 4, spans: []span{{0, 30}, {45, 1}, {7, 12}, {130, 9}}},
		{name: "chunked", heads: 5, kv: 1, dim: 33, page: 4, chunk: 7, spans: []span{{0, 30}, {45, 1}, {6, 12}, {130, 9}}},
		{name: "many keys", heads: 2, kv: 1, dim: 16, page: 64, spans: []span{{1200, 40}, {0, 5}}},
		{name: "bidirectional", heads: 2, kv: 1, dim: 88, page: 7, bidirectional: true, spans: []span{{0, 70}, {0, 30}, {33, 5}}},
	} {
		for _, m := range modes {
			t.Run(fmt.Sprintf("%s,%v", c.name, m), func(t *testing.T) { testBitsOfAttention(t, c, m, m.act) })
		}
	}
}

func testBitsOfAttention(t *testing.T, c attnCase, m mode, cache bindings.DType) {
	rng := newRand(t.Name())
	caches := newCaches(rng, c.spans, c.kv, c.dim, cache)
	pages := newPaging(rng, c.spans, c.page, c.chunk)
	width := c.heads * c.dim
	q := random(rng, m.act, pages.tokens()*width)
	onCPU(t, func(t *testing.T, r *rig) {
		a := c.args(r, m, cache, pages, caches, q)
		require.NoError(t, r.stream.Attention(&a))
		together := r.bytes(a.Out)
		row := len(together) / pages.tokens()
		token := 0
		for i, s := range c.spans {
			for _, size := range []int{s.new, 1, 2, 5, 11} {
				if c.bidirectional && size != s.new {
					break // the pieces see each other
				}
				for from := 0; from < s.new; from += size {
					n := min(size, s.new-from)
					piece := caches[i]
					piece.Past, piece.New = s.past+from, n
					alone := c
					alone.spans = []span{{piece.Past, n}}
					b := alone.args(r, m, cache, newPaging(rng, alone.spans, c.page, c.chunk), []Sequence{piece},
						q[(token+from)*width:(token+from+n)*width])
					require.NoError(t, r.stream.Attention(&b))
					require.Equal(t, together[(token+from)*row:(token+from+n)*row], r.bytes(b.Out),
						"sequence %d, %d tokens from %d", i, n, from)
				}
			}
			token += s.new
		}
	})
}
