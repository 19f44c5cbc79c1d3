package optest

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// attnCase is one shape of attention.
type attnCase struct {
	name            string
	heads, kv, dim  int
	page, chunk     int
	spans           []span
	extraMaxContext int // a bound that nobody reaches
	bidirectional   bool
}

// decode is n sequences of one new token each, with pasts from 0 on.
func decode(n int) []span {
	var out []span
	for i := range n {
		out = append(out, span{i, 1})
	}
	return out
}

// Chunks of 7 do not divide prompts and are no multiple of a page.
var attnCases = []attnCase{
	{name: "one token", heads: 1, kv: 1, dim: 1, page: 1, spans: []span{{0, 1}}},
	{name: "one token of five heads", heads: 5, kv: 1, dim: 64, page: 16, spans: []span{{0, 1}}},
	{name: "prefill", heads: 4, kv: 2, dim: 32, page: 4, spans: []span{{0, 13}}},
	{name: "prefill with a past", heads: 6, kv: 2, dim: 33, page: 4, spans: []span{{11, 13}}},
	{name: "long prefill", heads: 5, kv: 1, dim: 32, page: 64, spans: []span{{0, 150}}},
	{name: "decode far", heads: 5, kv: 1, dim: 128, page: 16, spans: []span{{700, 1}}},
	{name: "decode very far", heads: 2, kv: 2, dim: 16, page: 64, spans: []span{{5000, 1}, {3, 1}}},
	{name: "64 sequences", heads: 4, kv: 2, dim: 32, page: 16, spans: decode(64)},
	{name: "64 sequences, chunked", heads: 3, kv: 1, dim: 32, page: 4, chunk: 7, spans: decode(64)},
	{name: "ragged", heads: 4, kv: 4, dim: 88, page: 4, spans: []span{{0, 5}, {17, 1}, {3, 9}, {0, 1}, {40, 2}}},
	{name: "ragged, bound too large", heads: 4, kv: 2, dim: 32, page: 4, extraMaxContext: 1000,
		spans: []span{{0, 5}, {17, 1}, {3, 9}}},
	{name: "chunk edges", heads: 4, kv: 2, dim: 32, page: 4, chunk: 7,
		spans: []span{{0, 1}, {1, 1}, {6, 1}, {7, 1}, {8, 1}, {13, 1}, {14, 1}, {30, 1}}},
	{name: "chunk edges, pages of one", heads: 2, kv: 1, dim: 3, page: 1, chunk: 7,
		spans: []span{{0, 1}, {1, 1}, {6, 1}, {7, 1}, {8, 1}, {13, 1}, {14, 1}, {30, 1}}},
	{name: "chunk edges, page larger than chunk", heads: 5, kv: 1, dim: 72, page: 16, chunk: 7,
		spans: []span{{0, 2}, {6, 2}, {7, 2}, {20, 2}, {61, 9}}},
	{name: "prefill over chunks", heads: 4, kv: 2, dim: 32, page: 4, chunk: 7, spans: []span{{0, 30}, {5, 20}, {6, 1}, {13, 16}}},
	{name: "chunk of whole pages", heads: 4, kv: 1, dim: 64, page: 4, chunk: 16, spans: []span{{0, 40}, {15, 2}, {16, 2}, {47, 1}}},
	{name: "chunk of one", heads: 2, kv: 2, dim: 8, page: 4, chunk: 1, spans: []span{{0, 6}, {9, 3}}},
	{name: "chunk beyond the context", heads: 2, kv: 1, dim: 16, page: 4, chunk: 1000, spans: []span{{0, 6}, {9, 3}}},
	{name: "a sequence without new tokens", heads: 2, kv: 1, dim: 16, page: 4, chunk: 7, spans: []span{{0, 3}, {9, 0}, {8, 1}}},
	{name: "large chunks", heads: 3, kv: 1, dim: 16, page: 64, chunk: 130, spans: []span{{129, 3}, {259, 2}, {390, 1}, {0, 140}}},
}

// Query heads a KV head, head dimensions, page sizes and chunks in all pairs that
// a GPU's tiles, key blocks of 64 and page lookups tell apart.
func shapeCases() []attnCase {
	var out []attnCase
	pages := []int{7, 16, 64}
	for group := 1; group <= 5; group++ {
		for d, dim := range []int{32, 64, 88, 128} {
			for c, chunk := range []int{0, 70} {
				out = append(out, attnCase{
					name:  fmt.Sprintf("%d heads of %d, chunk %d", group, dim, chunk),
					heads: group * (1 + d%2), kv: 1 + d%2, dim: dim, page: pages[(group+d+c)%3], chunk: chunk,
					spans: []span{{0, 1}, {1, 1}, {69, 1}, {70, 1}, {71, 1}, {63, 3}, {64, 1}, {300, 1}},
				}, attnCase{
					name:  fmt.Sprintf("prefill of %d heads of %d, chunk %d", group, dim, chunk),
					heads: group, kv: 1, dim: dim, page: pages[(group+d+c+1)%3], chunk: chunk,
					spans: []span{{0, 65}, {69, 3}, {1, 70}, {140, 33}},
				})
			}
		}
	}
	// Sequences and KV heads enough for tiles of 128 and of 256 rows.
	for _, dim := range []int{32, 64, 88, 128} {
		for _, chunk := range []int{0, 70} {
			out = append(out, attnCase{
				name:  fmt.Sprintf("large tiles of %d, chunk %d", dim, chunk),
				heads: 5, kv: 1, dim: dim, page: 16, chunk: chunk, spans: []span{{0, 60}, {100, 30}},
			}, attnCase{
				name:  fmt.Sprintf("largest tiles of %d, chunk %d", dim, chunk),
				heads: 5, kv: 1, dim: dim, page: 64, chunk: chunk, spans: []span{{100, 150}, {0, 158}},
			})
		}
	}
	return out
}

// Where a GPU takes other paths: keys that several blocks share, tiles that are just
// full, a bound of the context that promises more than there is.
var pathCases = []attnCase{
	{name: "split keys", heads: 5, kv: 1, dim: 128, page: 64, spans: []span{{1500, 1}}},
	{name: "split keys of a short sequence, too", heads: 4, kv: 1, dim: 64, page: 16, spans: []span{{900, 1}, {2, 1}}},
	{name: "split keys, bound too large", heads: 3, kv: 1, dim: 32, page: 7, extraMaxContext: 5000, spans: []span{{400, 1}}},
	{name: "split keys of odd heads", heads: 3, kv: 1, dim: 33, page: 7, spans: []span{{700, 2}}},
	{name: "split keys of a chunk", heads: 5, kv: 1, dim: 88, page: 16, chunk: 512, spans: []span{{1500, 1}, {1023, 1}, {1024, 1}}},
	{name: "split keys of many queries", heads: 5, kv: 1, dim: 128, page: 64, spans: []span{{1000, 20}}},
	{name: "split keys over chunks", heads: 5, kv: 1, dim: 64, page: 16, chunk: 300, spans: []span{{580, 30}}},
	{name: "tiles just full", heads: 4, kv: 4, dim: 32, page: 16, spans: []span{{0, 128}, {0, 64}, {0, 16}, {0, 127}, {0, 129}}},
	{name: "sixteen queries", heads: 16, kv: 1, dim: 128, page: 16, spans: []span{{130, 1}, {63, 1}}},
	{name: "seventeen heads", heads: 17, kv: 1, dim: 32, page: 16, spans: []span{{130, 1}, {63, 1}}},
}

func TestAttentionShapes(t *testing.T) {
	for _, c := range append(shapeCases(), pathCases...) {
		t.Run(c.name, func(t *testing.T) {
			testAttention(t, c, mode{bindings.BF16, bindings.ComputeAuto}, bindings.BF16)
		})
	}
}

func TestAttention(t *testing.T) {
	for _, c := range attnCases {
		for _, m := range modes {
			for _, cache := range acts {
				if cache != m.act && m.compute != bindings.ComputeF32 {
					continue // the pairs of types are covered once
				}
				t.Run(fmt.Sprintf("%s,%v,cache-%v", c.name, m, cache), func(t *testing.T) { testAttention(t, c, m, cache) })
			}
		}
	}
}

// f32 says whether attention in this mode is one that a GPU may refuse.
func (m mode) f32(cache bindings.DType) bool {
	return m.act == bindings.F32 || cache == bindings.F32 || m.compute == bindings.ComputeF32
}

func testAttention(t *testing.T, c attnCase, m mode, cache bindings.DType) {
	rng := newRand(t.Name())
	pages := newPaging(rng, c.spans, c.page, c.chunk)
	caches := newCaches(rng, c.spans, c.kv, c.dim, cache)
	q := random(rng, m.act, pages.tokens()*c.heads*c.dim)
	wants := make(map[bool]Values)
	onTargets(t, func(t *testing.T, r *rig) {
		a := c.args(r, m, cache, pages, caches, q)
		r.ran(r.stream.Attention(&a), m.f32(cache))
		p := m.precision(r.info)
		if _, ok := wants[p.BF16]; !ok {
			wants[p.BF16] = Attention(Attn{
				Heads: c.heads, KVHeads: c.kv, Dim: c.dim, Scale: float64(a.Scale), Chunk: c.chunk,
				Bidirectional: c.bidirectional, Precision: p, CacheF32: cache == bindings.F32,
			}, q, caches)
		}
		Compare(t, "out", r.read(a.Out), wants[p.BF16])
	})
}

// args places everything. Only what some query sees is not NaN.
func (c attnCase) args(r *rig, m mode, cache bindings.DType, pages *paging, caches []Sequence, q []float64) bindings.AttentionArgs {
	shape := []int64{int64(pages.tokens()), int64(c.heads), int64(c.dim)}
	sees := func(sequence, position int) bool {
		return c.chunk == 0 || position >= c.spans[sequence].past/c.chunk*c.chunk
	}
	a := bindings.AttentionArgs{
		Scale: float32(1 / math.Sqrt(float64(c.dim))), Chunk: c.chunk, Compute: m.compute,
		Bidirectional: c.bidirectional, Batch: pages.batch(r),
		Q:   r.floats("q", m.act, q, shape...),
		KV:  pages.kv(r, cache, c.kv, c.dim, caches, sees, false),
		Out: r.out("out", m.act, shape...),
	}
	a.Batch.MaxContext += c.extraMaxContext
	return a
}

// Scores far apart: exponentials that vanish must not disturb the rest, and the
// largest must not overflow.
func TestAttentionLargeScores(t *testing.T) {
	c := attnCase{heads: 2, kv: 1, dim: 4, page: 4, spans: []span{{20, 3}}}
	for _, m := range modes {
		t.Run(m.String(), func(t *testing.T) {
			rng := newRand(t.Name())
			pages := newPaging(rng, c.spans, c.page, 0)
			caches := newCaches(rng, c.spans, c.kv, c.dim, m.act)
			for i := range caches[0].K {
				caches[0].K[i] = Round(caches[0].K[i]*100, m.act)
			}
			q := random(rng, m.act, pages.tokens()*c.heads*c.dim)
			// Powers of two and one position that stands out: no rounding decides.
			for i := range q {
				q[i] = 64
			}
			for d := range c.dim {
				caches[0].K[7*c.dim+d] = 1024
			}
			onTargets(t, func(t *testing.T, r *rig) {
				a := c.args(r, m, m.act, pages, caches, q)
				r.ran(r.stream.Attention(&a), m.f32(m.act))
				var want []float64
				for range pages.tokens() * c.heads {
					want = append(want, caches[0].V[7*c.dim:8*c.dim]...)
				}
				Compare(t, "out", r.read(a.Out), Rounded(want, m.act))
			})
		})
	}
}

// A scale turns the order of scores around, or makes them all alike.
func TestAttentionScales(t *testing.T) {
	m := mode{bindings.BF16, bindings.ComputeAuto}
	for _, scale := range []float64{-0.25, 0, 3, 1e-30} {
		for _, c := range []attnCase{
			{heads: 4, kv: 2, dim: 16, page: 4, spans: []span{{70, 3}, {0, 20}}},
			{heads: 3, kv: 1, dim: 33, page: 4, spans: []span{{0, 9}}},
		} {
			t.Run(fmt.Sprintf("%v,%d", scale, c.dim), func(t *testing.T) {
				rng := newRand(t.Name())
				pages := newPaging(rng, c.spans, c.page, 0)
				caches := newCaches(rng, c.spans, c.kv, c.dim, m.act)
				q := random(rng, m.act, pages.tokens()*c.heads*c.dim)
				onTargets(t, func(t *testing.T, r *rig) {
					a := c.args(r, m, m.act, pages, caches, q)
					a.Scale = float32(scale)
					require.NoError(t, r.stream.Attention(&a))
					want := Attention(Attn{
						Heads: c.heads, KVHeads: c.kv, Dim: c.dim, Scale: float64(a.Scale), Precision: m.precision(r.info),
					}, q, caches)
					Compare(t, "out", r.read(a.Out), want)
				})
			})
		}
	}
}

// A key that is not a number makes those that see it so, and nobody else.
func TestAttentionNaN(t *testing.T) {
	m := mode{bindings.BF16, bindings.ComputeAuto}
	for _, c := range []attnCase{
		{name: "prefill", heads: 4, kv: 2, dim: 32, page: 16, spans: []span{{0, 100}}},
		{name: "decode", heads: 2, kv: 1, dim: 64, page: 16, spans: []span{{40, 1}, {39, 1}, {300, 1}}},
		{name: "chunked", heads: 2, kv: 1, dim: 64, page: 16, chunk: 64, spans: []span{{0, 130}}},
		{name: "bidirectional", heads: 2, kv: 1, dim: 88, page: 16, bidirectional: true, spans: []span{{0, 130}, {9, 32}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			const at = 40
			rng := newRand(t.Name())
			pages := newPaging(rng, c.spans, c.page, c.chunk)
			caches := newCaches(rng, c.spans, c.kv, c.dim, m.act)
			q := random(rng, m.act, pages.tokens()*c.heads*c.dim)
			attn := Attn{
				Heads: c.heads, KVHeads: c.kv, Dim: c.dim, Scale: 1 / math.Sqrt(float64(c.dim)),
				Chunk: c.chunk, Bidirectional: c.bidirectional,
			}
			onTargets(t, func(t *testing.T, r *rig) {
				attn.Precision = m.precision(r.info)
				want := Attention(attn, q, caches)
				attn.poison(want, pages, at)
				poisoned := make([]Sequence, len(caches))
				for i, s := range caches {
					poisoned[i] = s
					if s.Past+s.New <= at {
						continue
					}
					poisoned[i].K = append([]float64(nil), s.K...)
					for h := range c.kv {
						poisoned[i].K[(at*c.kv+h)*c.dim] = math.NaN()
					}
				}
				a := c.args(r, m, m.act, pages, poisoned, q)
				require.NoError(t, r.stream.Attention(&a))
				Compare(t, "out", r.read(a.Out), want)
			})
		})
	}
}

// A GPU says what it cannot do before it does anything.
func TestAttentionUnsupported(t *testing.T) {
	c := attnCase{heads: 1, kv: 1, dim: 130, page: 4, spans: []span{{0, 2}}}
	m := mode{bindings.BF16, bindings.ComputeAuto}
	onTargets(t, func(t *testing.T, r *rig) {
		rng := newRand(t.Name())
		pages := newPaging(rng, c.spans, c.page, 0)
		a := c.args(r, m, m.act, pages, newCaches(rng, c.spans, c.kv, c.dim, m.act), random(rng, m.act, 2*c.dim))
		err := r.stream.Attention(&a)
		if r.info.CPU() {
			require.NoError(t, err)
			return
		}
		require.ErrorIs(t, err, bindings.ErrUnsupported)
		require.ErrorContains(t, err, "130")
	})
}

// poison makes NaN of what is wanted of tokens that see a position.
func (a Attn) poison(want Values, pages *paging, at int) {
	width := a.Heads * a.Dim
	for i, p := range pages.positions() {
		for j := range width {
			if a.visible(p, at) {
				want.Want[i*width+j] = math.NaN()
			}
		}
	}
}
