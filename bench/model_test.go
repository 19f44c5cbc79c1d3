package bench

import (
	"context"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4"
	"github.com/llama4go/llama4go/llama4/demo"
)

func openModel(b *testing.B) *llama4.Model {
	b.Helper()
	o := &llama4.Options{Device: os.Getenv("LLAMA4_DEVICE")}
	open := func() (*llama4.Model, error) { return llama4.OpenFS(context.Background(), demo.FS(), o) }
	if dir := os.Getenv("LLAMA4_MODEL"); dir != "" {
		open = func() (*llama4.Model, error) { return llama4.Open(context.Background(), dir, o) }
	}
	m, err := open()
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, m.Close()) })
	return m
}

func ignore(*llama4.Logits) error { return nil }

// BenchmarkModelPrompt evaluates a prompt of 512 tokens and the logits of its last.
func BenchmarkModelPrompt(b *testing.B) {
	m := openModel(b)
	ids := make([]int32, 512)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range ids {
		ids[i] = int32(r.IntN(m.Config().Vocab))
	}
	for b.Loop() {
		q := m.NewSequence()
		require.NoError(b, m.Prefill(context.Background(), q, ids, llama4.LastRow, ignore))
		require.NoError(b, q.Close())
	}
	b.ReportMetric(float64(len(ids)*b.N)/b.Elapsed().Seconds(), "tok/s")
}

// BenchmarkModelGenerate decodes one sequence, a token at a time, greedily.
func BenchmarkModelGenerate(b *testing.B) {
	m := openModel(b)
	ctx := context.Background()
	q := m.NewSequence()
	next := []int32{0}
	greedy := func(l *llama4.Logits) error {
		_, ids, err := l.TopK(0, 1)
		next = ids
		return err
	}
	for b.Loop() {
		if q.Len()+1 >= m.Context() {
			require.NoError(b, q.Close())
			q = m.NewSequence()
		}
		step := llama4.Step{Sequence: q, Tokens: next, Logits: llama4.LastRow}
		require.NoError(b, m.Forward(ctx, []llama4.Step{step}, greedy))
	}
	require.NoError(b, q.Close())
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tok/s")
}
