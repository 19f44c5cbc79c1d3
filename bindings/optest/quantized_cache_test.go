package optest

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// cacheTypes are those of quantized caches.
var cacheTypes = []bindings.DType{bindings.F8, bindings.I4}

func TestQKVEpilogueQuantized(t *testing.T) {
	for _, c := range qkvCases {
		for _, cache := range cacheTypes {
			for _, act := range acts {
				for _, in := range []bindings.DType{act, bindings.F32} {
					t.Run(fmt.Sprintf("%s,%v,%v,%v", c.name, in, act, cache), func(t *testing.T) {
						testQKVEpilogueQuantized(t, c, in, act, cache)
					})
				}
			}
		}
	}
}

func testQKVEpilogueQuantized(t *testing.T, c qkvCase, in, act, cache bindings.DType) {
	rng := newRand(t.Name())
	pages := newPaging(rng, c.spans, c.page, c.chunk)
	qkv := c.headsOfSizes(random(rng, in, pages.tokens()*(c.heads+2*c.kv)*c.dim), in)
	ref := c.reference(act, cache)
	q, k, v := QKVEpilogue(ref, qkv, pages.positions())
	onTargets(t, func(t *testing.T, r *rig) {
		a := c.args(r, in, act, cache, ref, pages, qkv)
		r.ran(r.stream.QKVEpilogue(&a), act == bindings.F32)
		Compare(t, "q", r.read(a.Q), q)
		pages.requireHeads(t, r, "k", a.KV.K, a.KV.KScale, k)
		pages.requireHeads(t, r, "v", a.KV.V, a.KV.VScale, v)
	})
}

// headsOfSizes makes some heads much larger or smaller than others, and some zero.
func (c qkvCase) headsOfSizes(x []float64, dtype bindings.DType) []float64 {
	for i := range x {
		switch head := i / c.dim; head % 11 {
		case 3:
			x[i] = 0
		case 5:
			x[i] = math.Copysign(0, x[i])
		default:
			x[i] = Round(math.Ldexp(x[i], head%7*9-27), dtype)
		}
	}
	return x
}

// requireHeads checks the heads of new tokens, and that the pages have nothing else.
func (p *paging) requireHeads(t *testing.T, r *rig, what string, cache, scale bindings.Tensor, want Values) {
	t.Helper()
	heads, dim := int(cache.Dim(1)), int(cache.Dim(3))
	data, scales := r.bytes(cache), r.read(scale)
	row := int(cache.DType.RowBytes(int64(dim)))
	empty := pack(cache.DType, p.poison(dim)[:dim], dim)
	written := make(map[int]bool)
	token := 0
	for i, s := range p.spans {
		for j := range s.new {
			page, slot, _ := p.slot(i, s.past+j)
			for h := range heads {
				at, from := p.at(page, slot, h, heads, 1), (token*heads+h)*dim
				written[at] = true
				v := Values{Want: want.Want[from : from+dim], Tol: want.Tol[from : from+dim]}
				err := QuantizedHead(v, cache.DType, float64(scales[at]), numbersOf(cache.DType, data[at*row:(at+1)*row], dim))
				require.NoError(t, err, "%s of token %d, head %d", what, token, h)
			}
			token++
		}
	}
	for at, s := range scales {
		if !written[at] {
			require.True(t, s != s && string(data[at*row:(at+1)*row]) == string(empty), "%s: row %d of nobody was written", what, at)
		}
	}
}

// numbersOf returns the n numbers of a row.
func numbersOf(dtype bindings.DType, row []byte, n int) []float64 {
	out := make([]float64, n)
	for k := range out {
		c := code(dtype, row, k)
		if dtype == bindings.F8 {
			out[k] = E4M3(c)
		} else {
			out[k] = float64(c) - 8
		}
	}
	return out
}

// What is no number in a head of the cache makes that head NaN, and nothing else.
func TestQKVEpilogueQuantizedNaN(t *testing.T) {
	c := qkvCase{heads: 2, kv: 3, dim: 34, page: 4, norm: true, rotate: true, spans: []span{{0, 5}, {3, 2}}}
	for _, cache := range cacheTypes {
		for _, odd := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			t.Run(fmt.Sprint(cache, odd), func(t *testing.T) {
				rng := newRand(t.Name())
				pages := newPaging(rng, c.spans, c.page, 0)
				width := (c.heads + 2*c.kv) * c.dim
				qkv := random(rng, bindings.BF16, pages.tokens()*width)
				ref := c.reference(bindings.BF16, cache)
				q, k, v := QKVEpilogue(ref, qkv, pages.positions())
				for _, at := range []struct {
					token, head, d int
					want           Values
				}{{1, 0, 7, k}, {4, 2, 33, k}, {2, 1, 0, v}, {6, 2, 16, v}} {
					column := c.heads
					if &at.want.Want[0] == &v.Want[0] {
						column += c.kv
					}
					qkv[at.token*width+(column+at.head)*c.dim+at.d] = odd
					head := at.want.Want[(at.token*c.kv+at.head)*c.dim:][:c.dim]
					for i := range head {
						head[i] = math.NaN()
					}
				}
				onTargets(t, func(t *testing.T, r *rig) {
					a := c.args(r, bindings.BF16, bindings.BF16, cache, ref, pages, qkv)
					r.ran(r.stream.QKVEpilogue(&a), false)
					Compare(t, "q", r.read(a.Q), q)
					pages.requireHeads(t, r, "k", a.KV.K, a.KV.KScale, k)
					pages.requireHeads(t, r, "v", a.KV.V, a.KV.VScale, v)
				})
			})
		}
	}
}

func TestAttentionQuantized(t *testing.T) {
	for _, c := range attnCases {
		for _, m := range modes {
			for _, cache := range cacheTypes {
				t.Run(fmt.Sprint(c.name, ",", m, ",", cache), func(t *testing.T) { testAttention(t, c, m, cache) })
			}
		}
	}
}

// One type a case, and every third of them: only how a row is read is not what it is
// without quantization.
func TestAttentionQuantizedShapes(t *testing.T) {
	for i, c := range append(shapeCases(), pathCases...) {
		if i%3 != 0 {
			continue
		}
		cache := cacheTypes[i%2]
		t.Run(fmt.Sprint(c.name, ",", cache), func(t *testing.T) {
			testAttention(t, c, mode{bindings.BF16, bindings.ComputeAuto}, cache)
		})
	}
}

// A scale that is no number makes those that see its key or value so, and nobody else.
func TestAttentionQuantizedNaN(t *testing.T) {
	const at = 40
	m := mode{bindings.BF16, bindings.ComputeAuto}
	for _, c := range []attnCase{
		{name: "prefill", heads: 4, kv: 2, dim: 32, page: 16, spans: []span{{0, 100}}},
		{name: "decode", heads: 2, kv: 1, dim: 64, page: 16, spans: []span{{40, 1}, {39, 1}, {300, 1}}},
		{name: "chunked", heads: 2, kv: 1, dim: 64, page: 16, chunk: 64, spans: []span{{0, 130}}},
	} {
		for _, cache := range cacheTypes {
			for _, value := range []bool{false, true} {
				t.Run(fmt.Sprint(c.name, cache, value), func(t *testing.T) {
					rng := newRand(t.Name())
					pages := newPaging(rng, c.spans, c.page, c.chunk)
					caches := newCaches(rng, c.spans, c.kv, c.dim, cache)
					q := random(rng, m.act, pages.tokens()*c.heads*c.dim)
					attn := Attn{Heads: c.heads, KVHeads: c.kv, Dim: c.dim, Scale: 1 / math.Sqrt(float64(c.dim)), Chunk: c.chunk}
					onTargets(t, func(t *testing.T, r *rig) {
						attn.Precision = m.precision(r.info)
						want := Attention(attn, q, caches)
						attn.poison(want, pages, at)
						a := c.args(r, m, cache, pages, withoutScales(caches, at, c.kv, value), q)
						r.ran(r.stream.Attention(&a), false)
						Compare(t, "out", r.read(a.Out), want)
					})
				})
			}
		}
	}
}

// withoutScales returns caches in which the scales of a position are NaN.
func withoutScales(caches []Sequence, position, heads int, value bool) []Sequence {
	out := append([]Sequence(nil), caches...)
	for i := range out {
		which := &out[i].QuantizedK
		if value {
			which = &out[i].QuantizedV
		}
		broken := **which
		broken.Scale = append([]float64(nil), broken.Scale...)
		for h := range heads {
			if n := position*heads + h; n < broken.N {
				broken.Scale[n] = math.NaN()
			}
		}
		*which = &broken
	}
	return out
}

// What the epilogue writes attention reads, whatever it rounded to.
func TestQKVEpilogueThenAttentionQuantized(t *testing.T) {
	c := qkvCase{heads: 4, kv: 2, dim: 18, page: 4, chunk: 7, rotate: true, norm: true, spans: []span{{0, 10}, {0, 3}}}
	m := mode{bindings.BF16, bindings.ComputeAuto}
	for _, cache := range cacheTypes {
		t.Run(cache.String(), func(t *testing.T) {
			rng := newRand(t.Name())
			pages := newPaging(rng, c.spans, c.page, c.chunk)
			qkv := random(rng, m.act, pages.tokens()*(c.heads+2*c.kv)*c.dim)
			onTargets(t, func(t *testing.T, r *rig) {
				a := c.args(r, m.act, m.act, cache, c.reference(m.act, cache), pages, qkv)
				r.ran(r.stream.QKVEpilogue(&a), false)
				b := bindings.AttentionArgs{
					Scale: 0.25, Chunk: c.chunk, Batch: a.Batch, Q: a.Q, KV: a.KV, Out: r.out("out", m.act, a.Q.Shape()...),
				}
				r.ran(r.stream.Attention(&b), false)
				want := Attention(Attn{
					Heads: c.heads, KVHeads: c.kv, Dim: c.dim, Scale: 0.25, Chunk: c.chunk, Precision: m.precision(r.info),
				}, widen(r.read(a.Q)), pages.written(r, a.KV))
				Compare(t, "out", r.read(b.Out), want)
			})
		})
	}
}

// written returns what a quantized cache holds of sequences without a past.
func (p *paging) written(r *rig, kv bindings.KV) []Sequence {
	heads, dim := int(kv.K.Dim(1)), int(kv.K.Dim(3))
	values := func(cache, scale bindings.Tensor, sequence, tokens int) (out []float64) {
		data, scales := r.bytes(cache), r.read(scale)
		row := int(cache.DType.RowBytes(int64(dim)))
		for j := range tokens {
			page, slot, _ := p.slot(sequence, j)
			for h := range heads {
				at := p.at(page, slot, h, heads, 1)
				for _, q := range numbersOf(cache.DType, data[at*row:(at+1)*row], dim) {
					out = append(out, q*float64(scales[at]))
				}
			}
		}
		return out
	}
	var out []Sequence
	for i, s := range p.spans {
		out = append(out, Sequence{New: s.new, K: values(kv.K, kv.KScale, i, s.new), V: values(kv.V, kv.VScale, i, s.new)})
	}
	return out
}
