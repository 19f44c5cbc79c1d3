package optest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// Tensors are aligned to their elements, no more: each may begin where no vector does.
// The emulator refuses vectors that are not aligned, as a GPU does.
func TestUnaligned(t *testing.T) {
	onTargets(t, func(t *testing.T, r *rig) {
		for _, op := range append(operations(r), wideAttention(r)) {
			for _, f := range op.tensors {
				t.Run(op.name+" "+f.name, func(t *testing.T) {
					right := *f.tensor
					defer func() { *f.tensor = right }()
					*f.tensor = r.shifted(f.name, right)
					require.NoError(t, op.call())
					require.NoError(t, r.stream.Synchronize())
				})
			}
		}
	})
}

// wideAttention is attention whose heads are worth vectors.
func wideAttention(r *rig) operation {
	const dim = 32
	kv := smallKV(r)
	kv.K, kv.V = r.zerosAct("kv.k", 6, 2, 2, dim), r.zerosAct("kv.v", 6, 2, 2, dim)
	a := &bindings.AttentionArgs{
		Scale: 0.5, Batch: smallBatch(r), KV: kv,
		Q: r.zerosAct("q", 3, 4, dim), Out: r.zerosAct("out", 3, 4, dim),
	}
	return operation{
		name: "attention", call: func() error { return r.stream.Attention(a) },
		tensors: []field{
			{name: "q", tensor: &a.Q}, {name: "kv.k", tensor: &a.KV.K}, {name: "kv.v", tensor: &a.KV.V},
			{name: "out", tensor: &a.Out},
		},
	}
}

// shifted is a copy of a tensor that begins one element past where rows are aligned.
func (r *rig) shifted(name string, x bindings.Tensor) bindings.Tensor {
	r.t.Helper()
	size := x.DType.Size()
	longer := append(make([]byte, size), r.bytes(x)...)
	whole := r.place(name, x.DType, longer, true, []int64{int64(len(longer)) / size, 1})
	tensor := whole.Buffer.Tensor(x.DType, x.Shape()...)
	tensor.Offset = whole.Offset + size
	return tensor
}

// Without rows there is nothing to do, which is no mistake.
func TestNoRows(t *testing.T) {
	rows := map[string][]string{
		"embed":         {"ids", "out"},
		"rms_norm":      {"x", "add", "out", "unrounded"},
		"layer_norm":    {"x", "out"},
		"matmul":        {"x", "out"},
		"router":        {"x", "logits", "experts", "scores", "row_tokens", "row_scores"},
		"swiglu":        {"gate_up", "out"},
		"logits":        {"rows", "out"},
		"log_softmax":   {"x", "out"},
		"top_k":         {"x", "values", "indices"},
		"sample":        {"x", "temperature", "top_k", "top_p", "min_p", "draw", "ids"},
		"unfold":        {"x", "out"},
		"pixel_shuffle": {"x", "out"},
	}
	onTargets(t, func(t *testing.T, r *rig) {
		for _, op := range operations(r) {
			if rows[op.name] == nil {
				continue
			}
			t.Run(op.name, func(t *testing.T) {
				for _, f := range op.tensors {
					if slices.Contains(rows[op.name], f.name) {
						*f.tensor = f.tensor.Rows(0, 0)
					}
				}
				require.NoError(t, op.call())
				require.NoError(t, r.stream.Synchronize())
			})
		}
	})
}
