package bench

import (
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/bindings/optest"
)

// repeated is n times the same number.
func repeated[T any](n int, value T) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = value
	}
	return out
}

// sample draws with Llama 4's own settings, temperature 0.6 and top-p 0.9.
func sample(r *rig, s shape) job {
	rows, vocab := s.dims["rows"], s.dims["vocab"]
	rules := optest.SampleRules{Temperature: 0.6, TopP: 0.9}
	draws := make([]float32, rows)
	for i := range draws {
		draws[i] = float32(r.rng.IntN(1<<24)) / (1 << 24)
	}
	x := r.random(bindings.F32, 1, rows, vocab)
	args := &bindings.SampleArgs{
		X: x.Tensor, TopK: r.int32s(make([]int32, rows)...),
		Temperature: write(r, bindings.F32, repeated(rows, rules.Temperature), rows),
		TopP:        write(r, bindings.F32, repeated(rows, rules.TopP), rows),
		MinP:        write(r, bindings.F32, make([]float32, rows), rows),
		Draw:        write(r, bindings.F32, draws, rows), IDs: r.empty(bindings.I32, rows),
	}
	return job{
		bytes: float64(x.Bytes()),
		run:   func() error { return r.stream.Sample(args) },
		check: func() error {
			ids := make([]int32, rows)
			require.NoError(r.b, bindings.Read(r.stream, args.IDs, ids))
			for _, row := range ends(rows) {
				rules.Draw = draws[row]
				if right := optest.Sample(r.row(x.Tensor, row), rules); !slices.Contains(right, ids[row]) {
					return fmt.Errorf("row %d: token %d, and only %v may be drawn", row, ids[row], right)
				}
			}
			return nil
		},
	}
}
