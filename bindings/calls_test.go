package bindings

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// sample is a small model step: the arguments of calls that work.
type sample struct {
	swiglu    SwiGLUArgs
	matmul    MatmulArgs
	attention AttentionArgs
	router    RouterArgs
}

func newSample(t testing.TB, d *Device, s *Stream) *sample {
	zeros := func(shape ...int64) Tensor {
		x := newTensor(t, d, F32, shape...)
		require.NoError(t, Write(s, x, make([]float32, x.Elements())))
		return x
	}
	ints := func(values []int32, shape ...int64) Tensor { return filled(t, s, values, shape...) }
	batch := Batch{
		Sequences: 1, Tokens: 1, MaxNew: 1, MaxContext: 1,
		SeqStart: ints([]int32{0, 1}, 2), Past: ints([]int32{0}, 1),
	}
	return &sample{
		swiglu: SwiGLUArgs{GateUp: zeros(1, 2), Out: zeros(1, 1)},
		matmul: MatmulArgs{
			X: zeros(1, 2), Out: zeros(1, 4),
			Weights: []Weight{
				{Data: filled(t, s, bf16s(1, 2, 3, 4), 2, 2)},
				{Data: filled(t, s, bf16s(1, 2, 3, 4), 2, 2), Layout: LayoutKN},
			},
		},
		attention: AttentionArgs{
			Scale: 1, Batch: batch, Q: zeros(1, 1, 4), Out: zeros(1, 1, 4),
			KV: KV{K: zeros(1, 1, 1, 4), V: zeros(1, 1, 1, 4), PageTable: ints([]int32{0}, 1, 1)},
		},
		router: RouterArgs{
			TopK: 1, X: zeros(1, 2), Weight: filled(t, s, bf16s(1, 2, 3, 4), 2, 2),
			Logits: zeros(1, 2), Experts: ints([]int32{0}, 1, 1), Scores: zeros(1, 1),
			Offsets: ints([]int32{0, 0, 0}, 3), RowTokens: ints([]int32{0}, 1), RowScores: zeros(1),
		},
	}
}

// A call allocates nothing on the Go heap.
func TestCallsAllocateNothing(t *testing.T) {
	d, s := openCPU(t)
	a := newSample(t, d, s)
	values := make([]float32, 2)
	calls := map[string]func() error{
		"swiglu":      func() error { return s.SwiGLU(&a.swiglu) },
		"matmul":      func() error { return s.Matmul(&a.matmul) },
		"attention":   func() error { return s.Attention(&a.attention) },
		"router":      func() error { return s.Router(&a.router) },
		"write":       func() error { return Write(s, a.swiglu.GateUp, values) },
		"read":        func() error { return Read(s, a.swiglu.GateUp, values) },
		"copy":        func() error { return s.Copy(a.matmul.X, a.swiglu.GateUp) },
		"synchronize": func() error { return s.Synchronize() },
		"literal": func() error {
			return s.Matmul(&MatmulArgs{X: a.matmul.X, Out: a.matmul.Out, Weights: []Weight{
				a.matmul.Weights[0], a.matmul.Weights[1],
			}})
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, call())
			require.Zero(t, testing.AllocsPerRun(50, func() {
				if call() != nil {
					panic("a call failed")
				}
			}))
		})
	}
}

// BenchmarkCall is what a call costs beside the work: SwiGLU of one pair.
func BenchmarkCall(b *testing.B) {
	d, err := Open("cpu", &Options{Threads: 1})
	require.NoError(b, err)
	s, err := d.NewStream()
	require.NoError(b, err)
	b.Cleanup(func() {
		require.NoError(b, s.Close())
		require.NoError(b, d.Close())
	})
	a := newSample(b, d, s)
	for name, call := range map[string]func() error{
		"swiglu":    func() error { return s.SwiGLU(&a.swiglu) },
		"attention": func() error { return s.Attention(&a.attention) },
		"matmul":    func() error { return s.Matmul(&a.matmul) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := call(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
