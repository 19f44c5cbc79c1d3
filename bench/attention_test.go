package bench

import (
	"math"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/bindings/optest"
)

// pageSize is that of the cache, in positions.
const pageSize = 64

// batch is sequences with new tokens each at the end of a context.
func (r *rig) batch(sequences, fresh, context int) bindings.Batch {
	starts, past := []int32{0}, []int32{}
	for i := range sequences {
		starts = append(starts, int32((i+1)*fresh))
		past = append(past, int32(context-fresh))
	}
	return bindings.Batch{
		Sequences: sequences, Tokens: sequences * fresh, MaxNew: fresh, MaxContext: context,
		SeqStart: r.int32s(starts...), Past: r.int32s(past...),
	}
}

// pages is a cache for sequences of a context: one after the other.
type pages struct {
	k, v    operand
	size    int // positions a page
	columns int // pages a sequence
	tensors bindings.KV
}

func (r *rig) pages(sequences, context, size, kvHeads, dim int) pages {
	columns := (context + size - 1) / size
	table := make([]int32, sequences*columns)
	for i := range table {
		table[i] = int32(i)
	}
	p := pages{size: size, columns: columns}
	p.k = r.random(bindings.BF16, 1, len(table), kvHeads, size, dim)
	p.v = r.random(bindings.BF16, 1, len(table), kvHeads, size, dim)
	p.tensors = bindings.KV{
		K: p.k.Tensor, V: p.v.Tensor, PageTable: r.int32s(table...).Reshape(int64(sequences), int64(columns)),
	}
	return p
}

// row is the number of a head at a position among all the rows of the cache.
func (p pages) row(sequence, position, head, kvHeads int) int64 {
	page := sequence*p.columns + position/p.size
	return int64((page*kvHeads+head)*p.size + position%p.size)
}

func attention(r *rig, s shape) job {
	d := s.dims
	sequences, fresh, context := d["sequences"], d["new"], d["context"]
	heads, kvHeads, dim := d["heads"], d["kv_heads"], d["dim"]
	tokens, size, bidirectional := sequences*fresh, pageSize, d["bidirectional"] != 0
	if bidirectional {
		size = context // as the vision tower keeps a tile
	}
	scale := 1 / math.Sqrt(float64(dim))
	q, kv := r.random(r.act, 1, tokens, heads, dim), r.pages(sequences, context, size, kvHeads, dim)
	args := &bindings.AttentionArgs{
		Scale: float32(scale), Chunk: d["chunk"], Batch: r.batch(sequences, fresh, context),
		Q: q.Tensor, KV: kv.tensors, Out: r.empty(r.act, tokens, heads, dim), Bidirectional: bidirectional,
	}
	// check one query of one head, as the last of those keys that it sees.
	check := func(sequence, token, head int) error {
		position := context - fresh + token
		if bidirectional {
			position = context - 1
		}
		first := d.first(position)
		seen := optest.Sequence{Past: position - first, New: 1}
		for p := first; p <= position; p++ {
			row := kv.row(sequence, p, head/(heads/kvHeads), kvHeads) * int64(dim)
			seen.K = append(seen.K, kv.k.slice(row, int64(dim))...)
			seen.V = append(seen.V, kv.v.slice(row, int64(dim))...)
		}
		at := int64(((sequence*fresh + token) * heads) + head)
		want := optest.Attention(optest.Attn{
			Heads: 1, KVHeads: 1, Dim: dim, Scale: float64(float32(scale)), Precision: r.precision(r.act),
		}, q.slice(at*int64(dim), int64(dim)), []optest.Sequence{seen})
		return optest.Difference(r.row(args.Out.Reshape(int64(tokens*heads), int64(dim)), at), want)
	}
	return job{
		flops: 4 * d.pairs() * float64(heads*dim),
		bytes: float64(sequences)*float64(d.keys())*2*2*float64(kvHeads*dim) + float64(q.Bytes()+args.Out.Bytes()),
		run:   func() error { return r.stream.Attention(args) },
		check: func() error {
			for _, c := range [][3]int{{0, 0, 0}, {sequences / 2, fresh / 2, heads / 2}, {sequences - 1, fresh - 1, heads - 1}} {
				if err := check(c[0], c[1], c[2]); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// qkvEpilogue rotates, normalises and caches the tokens of one prompt.
func qkvEpilogue(r *rig, s shape) job {
	tokens, heads, kvHeads, dim := s.dims["tokens"], s.dims["heads"], s.dims["kv_heads"], s.dims["dim"]
	width := (heads + 2*kvHeads) * dim
	frequencies, exact := make([]float32, dim/2), make([]float64, dim/2)
	for i := range frequencies {
		frequencies[i] = float32(math.Pow(500000, -2*float64(i)/float64(dim)))
		exact[i] = float64(frequencies[i])
	}
	qkv, kv := r.random(r.act, 1, tokens, width), r.pages(1, tokens, pageSize, kvHeads, dim)
	const eps = 1e-5
	args := &bindings.QKVEpilogueArgs{
		QKNorm: true, QKNormEps: eps, Batch: r.batch(1, tokens, tokens), QKV: qkv.Tensor,
		InvFreq: write(r, bindings.F32, frequencies, dim/2), Q: r.empty(r.act, tokens, heads, dim), KV: kv.tensors,
	}
	reference := optest.QKV{
		Heads: heads, KVHeads: kvHeads, Dim: dim, InvFreq: exact, Norm: true, Eps: float64(float32(eps)),
		Act: r.act, Cache: bindings.BF16,
	}
	check := func(t int64) error {
		q, k, v := optest.QKVEpilogue(reference, qkv.slice(t*int64(width), int64(width)), []int{int(t)})
		if err := optest.Difference(r.row(args.Q, t), q); err != nil {
			return err
		}
		for _, cached := range []struct {
			tensor bindings.Tensor
			want   optest.Values
		}{{kv.k.Tensor, k}, {kv.v.Tensor, v}} {
			var got []float32
			for h := range kvHeads {
				rows := cached.tensor.Reshape(cached.tensor.Elements()/int64(dim), int64(dim))
				got = append(got, r.row(rows, kv.row(0, int(t), h, kvHeads))...)
			}
			if err := optest.Difference(got, cached.want); err != nil {
				return err
			}
		}
		return nil
	}
	return job{
		bytes: float64(qkv.Bytes()+args.Q.Bytes()) + float64(2*2*tokens*kvHeads*dim),
		run:   func() error { return r.stream.QKVEpilogue(args) },
		check: func() error {
			for _, t := range ends(tokens) {
				if err := check(t); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
