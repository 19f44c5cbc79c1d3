package optest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/llama4go/llama4go/bindings"
)

type qkvCase struct {
	name           string
	heads, kv, dim int
	page, chunk    int
	spans          []span
	rotate, norm   bool
	angles         bool    // rather than frequencies
	scale, floor   float64 // temperature
}

var qkvCases = []qkvCase{
	{name: "nothing but writing", heads: 1, kv: 1, dim: 1, page: 1, spans: []span{{0, 1}}},
	{name: "odd head without rotation", heads: 3, kv: 1, dim: 33, page: 4, norm: true, spans: []span{{2, 5}}},
	{name: "rotation", heads: 4, kv: 2, dim: 32, page: 4, rotate: true, spans: []span{{0, 9}, {30, 1}, {3, 2}}},
	{name: "rotation far out", heads: 5, kv: 1, dim: 128, page: 64, chunk: 512, rotate: true, norm: true,
		spans: []span{{8190, 4}, {16383, 3}, {100000, 1}}},
	{name: "smallest rotation", heads: 1, kv: 1, dim: 2, page: 1, rotate: true, spans: []span{{5, 3}}},
	{name: "rotation and norm", heads: 6, kv: 2, dim: 72, page: 16, rotate: true, norm: true, spans: []span{{0, 20}, {7, 1}}},
	{name: "temperature", heads: 5, kv: 1, dim: 64, page: 4, scale: 0.1, floor: 4, spans: []span{{0, 9}, {14, 3}, {1000, 1}}},
	{name: "temperature beyond the prompt", heads: 2, kv: 2, dim: 88, page: 16, scale: 0.1, floor: 8192,
		spans: []span{{0, 3}, {8190, 3}, {16382, 3}}},
	{name: "negative temperature and norm", heads: 2, kv: 1, dim: 8, page: 4, norm: true, scale: -0.3, floor: 2, spans: []span{{0, 7}}},
	{name: "chunked pages", heads: 2, kv: 2, dim: 16, page: 4, chunk: 7, rotate: true, spans: []span{{13, 9}, {7, 1}, {6, 2}, {0, 8}}},
	{name: "a sequence without new tokens", heads: 2, kv: 1, dim: 16, page: 4, rotate: true, spans: []span{{0, 3}, {9, 0}, {8, 1}}},
	{name: "64 sequences", heads: 2, kv: 1, dim: 32, page: 16, rotate: true, norm: true, spans: decode(64)},
	{name: "many heads", heads: 40, kv: 8, dim: 128, page: 64, rotate: true, norm: true, spans: []span{{0, 3}, {200, 1}}},
	{name: "many heads and tokens", heads: 40, kv: 8, dim: 16, page: 7, rotate: true, norm: true, scale: 0.1, floor: 8, spans: []span{{0, 70}, {3, 0}, {5, 20}}},
	{name: "pairs one by one", heads: 3, kv: 1, dim: 34, page: 7, rotate: true, norm: true, scale: 0.1, floor: 8, spans: []span{{0, 9}, {63, 2}}},
	{name: "angles", heads: 4, kv: 4, dim: 88, page: 16, angles: true, spans: []span{{0, 16}, {0, 16}, {3, 2}, {9, 0}}},
	{name: "angles of a tile", heads: 2, kv: 2, dim: 88, page: 37, angles: true, spans: []span{{0, 37}}},
	{name: "angles of pairs one by one", heads: 3, kv: 1, dim: 34, page: 7, angles: true, norm: true, scale: 0.1, floor: 8, spans: []span{{0, 9}, {63, 2}}},
	{name: "smallest angles", heads: 1, kv: 1, dim: 2, page: 1, angles: true, spans: []span{{5, 3}}},
	{name: "rotation at millions", heads: 2, kv: 1, dim: 64, page: 16, chunk: 512, rotate: true, spans: []span{{1000000, 2}, {9999990, 3}}},
}

func TestQKVEpilogue(t *testing.T) {
	for _, c := range qkvCases {
		for _, cache := range acts {
			for _, act := range acts {
				t.Run(fmt.Sprintf("%s,%v,cache-%v", c.name, act, cache), func(t *testing.T) { testQKVEpilogue(t, c, act, act, cache) })
			}
			t.Run(fmt.Sprintf("%s,qkv-f32,cache-%v", c.name, cache), func(t *testing.T) {
				testQKVEpilogue(t, c, bindings.F32, bindings.BF16, cache)
			})
		}
	}
}

// in is the type of qkv, act that of q.
func testQKVEpilogue(t *testing.T, c qkvCase, in, act, cache bindings.DType) {
	rng := newRand(t.Name())
	pages := newPaging(rng, c.spans, c.page, c.chunk)
	qkv := random(rng, in, pages.tokens()*(c.heads+2*c.kv)*c.dim)
	ref := c.reference(act, cache)
	q, k, v := QKVEpilogue(ref, qkv, pages.positions())
	onTargets(t, func(t *testing.T, r *rig) {
		a := c.args(r, in, act, cache, ref, pages, qkv)
		r.ran(r.stream.QKVEpilogue(&a), act == bindings.F32 || cache == bindings.F32)
		Compare(t, "q", r.read(a.Q), q)
		// Everything else in the pages is as it was.
		Compare(t, "k", r.read(a.KV.K), pages.scattered(k, c.kv, c.dim))
		Compare(t, "v", r.read(a.KV.V), pages.scattered(v, c.kv, c.dim))
	})
}

// args places everything.
func (c qkvCase) args(r *rig, in, act, cache bindings.DType, ref QKV, pages *paging, qkv []float64) bindings.QKVEpilogueArgs {
	tokens, width := pages.tokens(), (c.heads+2*c.kv)*c.dim
	a := bindings.QKVEpilogueArgs{
		QKNorm: c.norm, QKNormEps: float32(ref.Eps),
		AttnScale: float32(c.scale), FloorScale: float32(c.floor),
		Batch: pages.batch(r),
		QKV:   r.floats("qkv", in, qkv, int64(tokens), int64(width)),
		Q:     r.out("q", act, int64(tokens), int64(c.heads), int64(c.dim)),
		KV:    pages.kv(r, cache, c.kv, c.dim, nil, nil, true),
	}
	if c.rotate {
		a.InvFreq = r.floats("inv_freq", bindings.F32, ref.InvFreq, int64(c.dim/2))
	}
	if c.angles {
		rows := len(ref.Angles) / (c.dim / 2)
		a.Angles = r.floats("angles", bindings.F32, ref.Angles, int64(rows), int64(c.dim/2))
	}
	return a
}

// reference returns the arguments of the reference, as fp32 holds them.
func (c qkvCase) reference(act, cache bindings.DType) QKV {
	a := QKV{
		Heads: c.heads, KVHeads: c.kv, Dim: c.dim, Norm: c.norm, Eps: float64(float32(1e-5)),
		AttnScale: float64(float32(c.scale)), FloorScale: c.floor, Act: act, Cache: cache,
	}
	if c.rotate {
		for i := range c.dim / 2 {
			f := math.Pow(500000, -2*float64(i)/float64(c.dim))
			a.InvFreq = append(a.InvFreq, float64(float32(f)))
		}
	}
	if c.angles {
		a.Angles = c.angleTable()
	}
	return a
}

// angleTable has zeros, turns both ways, and more rows than positions.
func (c qkvCase) angleTable() []float64 {
	rng := newRand(c.name)
	rows := 1
	for _, s := range c.spans {
		rows = max(rows, s.past+s.new+2)
	}
	table := random(rng, bindings.F32, rows*c.dim/2)
	for i := range table {
		table[i] = Round(10*table[i], bindings.F32)
		switch i % 7 {
		case 2:
			table[i] = 0
		case 5:
			table[i] = Round(1e5*table[i], bindings.F32)
		}
	}
	return table
}

// Angles of 0 change nothing, not even a bit.
func TestQKVEpilogueZeroAngles(t *testing.T) {
	c := qkvCase{heads: 3, kv: 1, dim: 88, page: 16, spans: []span{{0, 20}}}
	for _, act := range acts {
		t.Run(act.String(), func(t *testing.T) {
			rng := newRand(t.Name())
			pages := newPaging(rng, c.spans, c.page, 0)
			qkv := random(rng, act, 20*5*88)
			onTargets(t, func(t *testing.T, r *rig) {
				a := bindings.QKVEpilogueArgs{
					Batch: pages.batch(r), QKV: r.floats("qkv", act, qkv, 20, 5*88), Q: r.out("q", act, 20, 3, 88),
					KV:     pages.kv(r, act, 1, 88, nil, nil, true),
					Angles: r.floats("angles", bindings.F32, make([]float64, 20*44), 20, 44),
				}
				r.ran(r.stream.QKVEpilogue(&a), act == bindings.F32)
				q, k, v := QKVEpilogue(QKV{Heads: 3, KVHeads: 1, Dim: 88, Act: act, Cache: act}, qkv, pages.positions())
				Compare(t, "q", r.read(a.Q), q)
				Compare(t, "k", r.read(a.KV.K), pages.scattered(k, 1, 88))
				Compare(t, "v", r.read(a.KV.V), pages.scattered(v, 1, 88))
			})
		})
	}
}

// scattered puts the rows of the new tokens into pages full of NaN.
func (p *paging) scattered(rows Values, heads, dim int) Values {
	out := Exact(p.poison(heads * dim))
	token := 0
	for i, s := range p.spans {
		for j := range s.new {
			page, row, _ := p.slot(i, s.past+j)
			for h := range heads {
				at, from := p.at(page, row, h, heads, dim), (token*heads+h)*dim
				copy(out.Want[at:at+dim], rows.Want[from:])
				copy(out.Tol[at:at+dim], rows.Tol[from:])
			}
			token++
		}
	}
	return out
}

// What the epilogue writes is what attention reads: the two agree on pages,
// positions and heads.
func TestQKVEpilogueThenAttention(t *testing.T) {
	for _, m := range []mode{{bindings.F32, bindings.ComputeF32}, {bindings.BF16, bindings.ComputeAuto}} {
		t.Run(m.String(), func(t *testing.T) { testQKVEpilogueThenAttention(t, m) })
	}
}

func testQKVEpilogueThenAttention(t *testing.T, m mode) {
	c := qkvCase{heads: 4, kv: 2, dim: 16, page: 4, chunk: 7, spans: []span{{0, 10}, {0, 3}}}
	rng := rand.New(rand.NewPCG(1, 2))
	pages := newPaging(rng, c.spans, c.page, c.chunk)
	tokens, width := pages.tokens(), (c.heads+2*c.kv)*c.dim
	qkv := random(rng, m.act, tokens*width)
	var q []float64
	caches := make([]Sequence, len(c.spans))
	token := 0
	for i, s := range c.spans {
		caches[i].New = s.new
		for range s.new {
			row := qkv[token*width : (token+1)*width]
			q = append(q, row[:c.heads*c.dim]...)
			caches[i].K = append(caches[i].K, row[c.heads*c.dim:(c.heads+c.kv)*c.dim]...)
			caches[i].V = append(caches[i].V, row[(c.heads+c.kv)*c.dim:]...)
			token++
		}
	}
	onTargets(t, func(t *testing.T, r *rig) {
		want := Attention(Attn{
			Heads: c.heads, KVHeads: c.kv, Dim: c.dim, Scale: 0.25, Chunk: c.chunk,
			Precision: m.precision(r.info), CacheF32: m.act == bindings.F32,
		}, q, caches)
		shape := []int64{int64(tokens), int64(c.heads), int64(c.dim)}
		epilogue := bindings.QKVEpilogueArgs{
			Batch: pages.batch(r),
			QKV:   r.floats("qkv", m.act, qkv, int64(tokens), int64(width)),
			Q:     r.out("q", m.act, shape...),
			KV:    pages.kv(r, m.act, c.kv, c.dim, nil, nil, true),
		}
		r.ran(r.stream.QKVEpilogue(&epilogue), m.act == bindings.F32)
		attention := bindings.AttentionArgs{
			Scale: 0.25, Chunk: c.chunk, Compute: m.compute,
			Batch: epilogue.Batch, Q: epilogue.Q, KV: epilogue.KV, Out: r.out("out", m.act, shape...),
		}
		r.ran(r.stream.Attention(&attention), m.f32(m.act))
		Compare(t, "out", r.read(attention.Out), want)
	})
}
