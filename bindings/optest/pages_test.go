package optest

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// span is the past and the new tokens of a sequence.
type span struct{ past, new int }

// paging is where a ragged batch keeps its keys and values: shuffled pages among
// which some belong to nobody.
type paging struct {
	spans   []span
	size    int // positions a page
	columns int
	pages   int
	table   []int32 // [B, columns]; what no position needs is -1
	first   []int32 // [B]
}

// newPaging gives out pages. With chunk > 0, the pages before the chunk of the
// first new token have been given back, as a chunked layer does.
func newPaging(rng *rand.Rand, spans []span, size, chunk int) *paging {
	p := &paging{spans: spans, size: size}
	needed := 0
	for _, s := range spans {
		first := 0
		if chunk > 0 {
			first = s.past / chunk * chunk / size
		}
		p.first = append(p.first, int32(first))
		n := (s.past+s.new+size-1)/size - first
		p.columns = max(p.columns, n)
		needed += n
	}
	p.columns++ // room to grow, as an engine leaves
	p.pages = needed + 3
	free := rng.Perm(p.pages)
	for i, s := range spans {
		n := (s.past+s.new+size-1)/size - int(p.first[i])
		for j := range p.columns {
			if j < n {
				p.table = append(p.table, int32(free[0]))
				free = free[1:]
			} else {
				p.table = append(p.table, -1)
			}
		}
	}
	return p
}

// slot returns the page and the row in it of a position, false for one whose page
// has been given back.
func (p *paging) slot(sequence, position int) (page, row int, ok bool) {
	column := position/p.size - int(p.first[sequence])
	if column < 0 {
		return 0, 0, false
	}
	return int(p.table[sequence*p.columns+column]), position % p.size, true
}

// tokens returns T.
func (p *paging) tokens() int {
	n := 0
	for _, s := range p.spans {
		n += s.new
	}
	return n
}

// positions returns the position of each token.
func (p *paging) positions() []int {
	var out []int
	for _, s := range p.spans {
		for i := range s.new {
			out = append(out, s.past+i)
		}
	}
	return out
}

// batch places the batch.
func (p *paging) batch(r *rig) bindings.Batch {
	starts, pasts := []int32{0}, []int32{}
	b := bindings.Batch{Sequences: len(p.spans), Tokens: p.tokens()}
	for _, s := range p.spans {
		starts = append(starts, starts[len(starts)-1]+int32(s.new))
		pasts = append(pasts, int32(s.past))
		b.MaxNew = max(b.MaxNew, s.new)
		b.MaxContext = max(b.MaxContext, s.past+s.new)
	}
	b.SeqStart = r.ints("batch.seq_start", starts, int64(len(starts)))
	b.Past = r.ints("batch.past", pasts, int64(len(pasts)))
	return b
}

// kv places the pages. Slots hold what the sequences' caches hold, where
// sees(sequence, position) says so, and else NaN: a scale of NaN where they are
// quantized. With update the operation may write them.
func (p *paging) kv(r *rig, dtype bindings.DType, heads, dim int, caches []Sequence,
	sees func(sequence, position int) bool, update bool) bindings.KV {
	k, v := p.poison(heads*dim), p.poison(heads*dim)
	kScale, vScale := p.poison(heads), p.poison(heads)
	for i, cache := range caches {
		for j := range cache.Past + cache.New {
			page, row, ok := p.slot(i, j)
			if !ok || !sees(i, j) {
				continue
			}
			for h := range heads {
				at, from := p.at(page, row, h, heads, 1), j*heads+h
				if quantized(dtype) {
					cache.QuantizedK.copyRow(from, k[at*dim:(at+1)*dim], kScale[at:])
					cache.QuantizedV.copyRow(from, v[at*dim:(at+1)*dim], vScale[at:])
					continue
				}
				copy(k[at*dim:(at+1)*dim], cache.K[from*dim:])
				copy(v[at*dim:(at+1)*dim], cache.V[from*dim:])
			}
		}
	}
	shape := []int64{int64(p.pages), int64(heads), int64(p.size), int64(dim)}
	place := func(name string, dtype bindings.DType, values []float64, shape ...int64) bindings.Tensor {
		data := encode(dtype, values)
		if quantized(dtype) {
			data = pack(dtype, values, dim)
		}
		return r.place(name, dtype, data, update, shape)
	}
	kv := bindings.KV{
		K:         place("kv.k", dtype, k, shape...),
		V:         place("kv.v", dtype, v, shape...),
		PageTable: r.ints("kv.page_table", p.table, int64(len(p.spans)), int64(p.columns)),
	}
	if quantized(dtype) {
		kv.KScale = place("kv.k_scale", bindings.F32, kScale, shape[:3]...)
		kv.VScale = place("kv.v_scale", bindings.F32, vScale, shape[:3]...)
	}
	for _, first := range p.first {
		if first != 0 { // else absent, which means the same
			kv.FirstPage = r.ints("kv.first_page", p.first, int64(len(p.first)))
			break
		}
	}
	return kv
}

// copyRow copies the numbers and the scale of a row that is one group.
func (q *Quantized) copyRow(row int, numbers, scale []float64) {
	copy(numbers, q.Q[row*q.K:(row+1)*q.K])
	scale[0] = q.Scale[row]
}

// poison returns pages full of NaN.
func (p *paging) poison(width int) []float64 {
	out := make([]float64, p.pages*p.size*width)
	for i := range out {
		out[i] = math.NaN()
	}
	return out
}

// at returns the index of a head's row in the pages.
func (p *paging) at(page, row, head, heads, dim int) int {
	return ((page*heads+head)*p.size + row) * dim
}

// newCaches draws the keys and values of every position.
func newCaches(rng *rand.Rand, spans []span, heads, dim int, dtype bindings.DType) []Sequence {
	var out []Sequence
	for _, s := range spans {
		n := (s.past + s.new) * heads
		c := Sequence{Past: s.past, New: s.new}
		if quantized(dtype) {
			c.QuantizedK, c.QuantizedV = newHeads(rng, n, dim, dtype), newHeads(rng, n, dim, dtype)
			c.K, c.V = c.QuantizedK.Matrix().Data, c.QuantizedV.Matrix().Data
		} else {
			c.K, c.V = random(rng, dtype, n*dim), random(rng, dtype, n*dim)
		}
		out = append(out, c)
	}
	return out
}

// newHeads draws n quantized heads, about as large as random numbers are.
func newHeads(rng *rand.Rand, n, dim int, dtype bindings.DType) *Quantized {
	q := &Quantized{DType: dtype, N: n, K: dim, Group: dim, ScaleType: bindings.F32}
	for range n {
		scale, most := float64(rng.Float32()+0.5), 3.5
		if dtype == bindings.F8 {
			most = 224
		}
		q.Scale = append(q.Scale, Round(scale/most, bindings.F32))
		for range dim {
			x := most * rng.NormFloat64()
			if dtype == bindings.F8 {
				q.Q = append(q.Q, E4M3(EncodeE4M3(x)))
			} else {
				q.Q = append(q.Q, max(-7, min(7, math.RoundToEven(x))))
			}
		}
	}
	return q
}

func TestPaging(t *testing.T) {
	p := newPaging(newRand("paging"), []span{{0, 1}, {9, 3}, {100, 2}}, 4, 10)
	require.Equal(t, []int32{0, 0, 25}, p.first)
	require.Equal(t, []int{0, 9, 10, 11, 100, 101}, p.positions())
	_, _, ok := p.slot(2, 99)
	require.False(t, ok)
	seen := make(map[[2]int]bool)
	for i, s := range p.spans {
		for j := int(p.first[i]) * 4; j < s.past+s.new; j++ {
			page, row, ok := p.slot(i, j)
			require.True(t, ok)
			require.Less(t, page, p.pages)
			require.False(t, seen[[2]int{page, row}])
			seen[[2]int{page, row}] = true
		}
	}
}
