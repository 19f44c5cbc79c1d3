package bench

import (
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/bindings/optest"
)

func rmsNorm(r *rig, s shape) job {
	tokens, hidden := s.dims["tokens"], s.dims["hidden"]
	const eps = 1e-5
	x, add := r.random(bindings.F32, 1, tokens, hidden), r.random(r.act, 1.0/16, tokens, hidden)
	w := r.random(bindings.BF16, 1, hidden)
	args := &bindings.RMSNormArgs{
		Eps: eps, X: x.Tensor, Add: add.Tensor, Weight: w.Tensor, Out: r.empty(r.act, tokens, hidden),
	}
	return job{
		bytes: float64(2*x.Bytes() + add.Bytes() + w.Bytes() + args.Out.Bytes()),
		run:   func() error { return r.stream.RMSNorm(args) },
		check: func() error {
			for _, t := range ends(tokens) {
				at, n := t*int64(hidden), int64(hidden)
				sum := r.row(args.X, t)
				if err := optest.Difference(sum, optest.Residual(x.slice(at, n), add.slice(at, n), bindings.F32)); err != nil {
					return err
				}
				want := optest.RMSNorm(widen(sum), w.slice(0, n), float64(float32(eps)), r.act)
				if err := optest.Difference(r.row(args.Out, t), want); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func widen(row []float32) []float64 {
	out := make([]float64, len(row))
	for i, f := range row {
		out[i] = float64(f)
	}
	return out
}

func swiglu(r *rig, s shape) job {
	tokens, f := s.dims["tokens"], s.dims["f"]
	x := r.random(r.act, 1, tokens, 2*f)
	args := &bindings.SwiGLUArgs{GateUp: x.Tensor, Out: r.empty(r.act, tokens, f)}
	return job{
		bytes: float64(x.Bytes() + args.Out.Bytes()),
		run:   func() error { return r.stream.SwiGLU(args) },
		check: func() error {
			for _, t := range ends(tokens) {
				want := optest.SwiGLU(x.slice(t*int64(2*f), int64(2*f)), f, r.act)
				if err := optest.Difference(r.row(args.Out, t), want); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func embed(r *rig, s shape) job {
	tokens, hidden, vocab := s.dims["tokens"], s.dims["hidden"], s.dims["vocab"]
	table := r.random(bindings.BF16, 1, vocab, hidden)
	ids := make([]int32, tokens)
	for i := range ids {
		ids[i] = int32(r.rng.IntN(vocab))
	}
	args := &bindings.EmbedArgs{IDs: r.int32s(ids...), Table: table.Tensor, Out: r.empty(bindings.F32, tokens, hidden)}
	return job{
		bytes: float64(2*tokens*hidden) + float64(args.Out.Bytes()),
		run:   func() error { return r.stream.Embed(args) },
		check: func() error {
			for _, t := range ends(tokens) {
				want := table.slice(int64(ids[t])*int64(hidden), int64(hidden))
				if err := optest.Difference(r.row(args.Out, t), optest.Exact(want)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func logSoftmax(r *rig, s shape) job {
	rows, vocab := s.dims["rows"], s.dims["vocab"]
	x := r.random(bindings.F32, 1, rows, vocab)
	args := &bindings.LogSoftmaxArgs{X: x.Tensor, Out: r.empty(bindings.F32, rows, vocab)}
	return job{
		bytes: float64(x.Bytes() + args.Out.Bytes()),
		run:   func() error { return r.stream.LogSoftmax(args) },
		check: func() error {
			for _, row := range ends(rows) {
				want := optest.LogSoftmax(x.slice(row*int64(vocab), int64(vocab)), vocab)
				if err := optest.Difference(r.row(args.Out, row), want); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func topK(r *rig, s shape) job {
	rows, vocab, k := s.dims["rows"], s.dims["vocab"], s.dims["top"]
	x := r.random(bindings.F32, 1, rows, vocab)
	args := &bindings.TopKArgs{
		X: x.Tensor, Values: r.empty(bindings.F32, rows, k), Indices: r.empty(bindings.I32, rows, k),
	}
	return job{
		bytes: float64(x.Bytes()),
		run:   func() error { return r.stream.TopK(args) },
		check: func() error {
			ids := make([]int32, rows*k)
			require.NoError(r.b, bindings.Read(r.stream, args.Indices, ids))
			for _, row := range ends(rows) {
				values, indices := optest.TopK(r.row(x.Tensor, row), vocab, k)
				if got := ids[row*int64(k):][:k]; !slices.Equal(indices, got) || !slices.Equal(values, r.row(args.Values, row)) {
					return fmt.Errorf("row %d: the largest are %v, not %v", row, indices, got)
				}
			}
			return nil
		},
	}
}
