package llama4

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// randomTokens draws n tokens of the vocabulary.
func randomTokens(r *rand.Rand, m *Model, n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(r.IntN(m.config.Vocab))
	}
	return ids
}

// alone returns the logits of every token of a text, run in one piece by itself.
func alone(t *testing.T, m *Model, ids []int32) [][]float32 {
	t.Helper()
	rows, err := collect(m, func(visit func(*Logits) error) error {
		q := m.NewSequence()
		defer func() { _ = q.Close() }()
		return m.Forward(context.Background(), []Step{{Sequence: q, Tokens: ids, Logits: AllRows}}, visit)
	})
	require.NoError(t, err)
	require.Len(t, rows, len(ids))
	return rows
}

// collect copies the rows that run visits.
func collect(m *Model, run func(visit func(*Logits) error) error) ([][]float32, error) {
	var rows [][]float32
	err := run(func(l *Logits) error {
		for i := range l.Rows() {
			row, err := l.Row(i)
			if err != nil {
				return err
			}
			rows = append(rows, append([]float32(nil), row...))
		}
		return nil
	})
	return rows, err
}

// Any split of a prompt into pieces gives the same bits, in both precisions and
// whatever is quantized.
func TestPrefillPieces(t *testing.T) {
	for _, o := range []Options{
		{Compute: bindings.ComputeF32}, {}, {KVCache: "fp8"}, {KVCache: "int4"}, {Compute: bindings.ComputeF32, KVCache: "int4"},
		{Quant: "int4-all"}, {Quant: "fp8-all"}, {Quant: "fp8-all", Compute: bindings.ComputeF32, KVCache: "fp8"},
	} {
		o.Device, o.PageSize = "cpu", 5
		for _, name := range []string{"scout16", "maverick128", "top2"} {
			t.Run(o.Compute.String()+o.Quant+o.KVCache+"/"+name, func(t *testing.T) {
				m := openTest(t, name, o)
				r := rand.New(rand.NewPCG(1, 2))
				ids := randomTokens(r, m, 75)
				want := alone(t, m, ids)
				for range 8 {
					got, err := collect(m, func(visit func(*Logits) error) error {
						q := m.NewSequence()
						defer func() { _ = q.Close() }()
						for rest := ids; len(rest) > 0; {
							n := 1 + r.IntN(min(len(rest), 1+r.IntN(40)))
							step := Step{Sequence: q, Tokens: rest[:n], Logits: AllRows}
							if err := m.Forward(context.Background(), []Step{step}, visit); err != nil {
								return err
							}
							rest = rest[n:]
						}
						return nil
					})
					require.NoError(t, err)
					require.Equal(t, want, got)
				}
			})
		}
	}
}

// A ragged batch, where sequences join with their own pasts and numbers of new
// tokens, gives each sequence the bits that it gets alone.
func TestRaggedBatch(t *testing.T) {
	for _, compute := range []bindings.Compute{bindings.ComputeF32, bindings.ComputeAuto} {
		for _, name := range []string{"scout16", "maverick16-mm", "grouped"} {
			t.Run(compute.String()+"/"+name, func(t *testing.T) {
				m := openTest(t, name, Options{Device: "cpu", Compute: compute, PageSize: 3})
				r := rand.New(rand.NewPCG(3, 4))
				const sequences = 6
				texts := make([][]int32, sequences)
				want := make([][][]float32, sequences)
				q := make([]*Sequence, sequences)
				for i := range texts {
					texts[i] = randomTokens(r, m, 1+r.IntN(90))
					want[i] = alone(t, m, texts[i])
					q[i] = m.NewSequence()
				}
				for {
					var steps []Step
					var expected [][]float32
					for i := range q {
						at := q[i].Len()
						if left := len(texts[i]) - at; left > 0 && r.IntN(4) > 0 {
							n := 1 + r.IntN(min(left, 30))
							steps = append(steps, Step{Sequence: q[i], Tokens: texts[i][at : at+n], Logits: AllRows})
							expected = append(expected, want[i][at:at+n]...)
						}
					}
					got, err := collect(m, func(visit func(*Logits) error) error {
						return m.Forward(context.Background(), steps, visit)
					})
					require.NoError(t, err)
					require.Equal(t, expected, got)
					if left(q, texts) == 0 {
						break
					}
				}
				for i := range q {
					require.NoError(t, q[i].Close())
				}
				require.Zero(t, m.cache.chunked.inUse())
				require.Zero(t, m.cache.global.inUse())
			})
		}
	}
}

// left is how many tokens the sequences have yet to take.
func left(q []*Sequence, texts [][]int32) int {
	n := 0
	for i := range q {
		n += len(texts[i]) - q[i].Len()
	}
	return n
}

// The number of threads does not show in the bits.
func TestThreads(t *testing.T) {
	var want [][]float32
	for _, threads := range []int{1, 2, 5} {
		m := openTest(t, "maverick16-mm", Options{Device: "cpu", Threads: threads})
		ids := randomTokens(rand.New(rand.NewPCG(5, 6)), m, 60)
		got := alone(t, m, ids)
		if want == nil {
			want = got
		}
		require.Equal(t, want, got, "%d threads", threads)
	}
}

// Chunked layers hold the current chunk only, global layers everything.
func TestChunkedPagesComeBack(t *testing.T) {
	m := openTest(t, "scout16", Options{Device: "cpu", PageSize: 4, PrefillTokens: 10})
	q := m.NewSequence()
	ids := randomTokens(rand.New(rand.NewPCG(7, 8)), m, 400)
	require.NoError(t, m.Prefill(context.Background(), q, ids, NoRows, nil))
	require.Equal(t, 100, m.cache.global.inUse())
	// At position 400 the chunk of 24 began at 384, on a page's edge.
	require.Equal(t, 4, m.cache.chunked.inUse())
	// A piece of 10 tokens and two chunks, at 4 tokens a page, at most.
	require.LessOrEqual(t, m.cache.chunked.pages, max(minPages, (24+24+10)/4+2))
	require.NoError(t, q.Close())
	require.NoError(t, q.Close())
	require.Zero(t, m.cache.global.inUse())
	require.Zero(t, m.cache.chunked.inUse())
}

// Pages go out in ascending order, so that a sequence reads memory forwards.
func TestPagesAscend(t *testing.T) {
	m := openTest(t, "scout16", Options{Device: "cpu"})
	for range 2 {
		pages, err := m.cache.global.take(m.stream, 3)
		require.NoError(t, err)
		require.Equal(t, []int32{0, 1, 2}, pages)
		m.cache.global.give([]int32{2, 1, 0})
	}
}

// A prompt in pieces has one last row.
func TestPrefillLastRow(t *testing.T) {
	m := openTest(t, "scout16", Options{Device: "cpu", PrefillTokens: 10})
	ids := randomTokens(rand.New(rand.NewPCG(13, 14)), m, 35)
	want := alone(t, openTest(t, "scout16", Options{Device: "cpu"}), ids)
	q := m.NewSequence()
	got, err := collect(m, func(visit func(*Logits) error) error {
		return m.Prefill(context.Background(), q, ids, LastRow, visit)
	})
	require.NoError(t, err)
	require.Equal(t, want[len(want)-1:], got)
	require.NoError(t, q.Close())
}

// A pass that fails leaves its sequences as they were.
func TestForwardFailsWhole(t *testing.T) {
	m := openTest(t, "grouped", Options{Device: "cpu", Context: 100, CacheTokens: 1024})
	ctx := context.Background()
	ids := randomTokens(rand.New(rand.NewPCG(9, 10)), m, 101)
	want := alone(t, m, ids[:50])
	q := m.NewSequence()
	require.NoError(t, m.Prefill(ctx, q, ids[:20], NoRows, nil))

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, m.Prefill(cancelled, q, ids[20:30], NoRows, nil), context.Canceled)
	require.ErrorIs(t, m.Prefill(ctx, q, ids, NoRows, nil), ErrContext)
	require.ErrorContains(t, m.Prefill(ctx, q, []int32{1, -1}, NoRows, nil), "token 1 is -1: the vocabulary has 301")
	require.ErrorContains(t, m.Prefill(ctx, q, []int32{301}, NoRows, nil), "token 0 is 301")
	broken := errors.New("the visitor gave up")
	step := Step{Sequence: q, Tokens: ids[20:21], Logits: LastRow}
	require.ErrorIs(t, m.Forward(ctx, []Step{step}, func(*Logits) error { return broken }), broken)
	require.ErrorContains(t, m.Forward(ctx, []Step{step, step}, nil), "twice")
	require.ErrorContains(t, m.Forward(ctx, []Step{{Sequence: q}}, nil), "no tokens")
	require.ErrorContains(t, m.Forward(ctx, []Step{{Tokens: ids[:1]}}, nil), "not one of this model")
	require.ErrorContains(t, m.Forward(ctx, []Step{step}, nil), "nobody to visit")
	require.Equal(t, 20, q.Len())

	got, err := collect(m, func(visit func(*Logits) error) error {
		return m.Prefill(ctx, q, ids[20:50], AllRows, visit)
	})
	require.NoError(t, err)
	require.Equal(t, want[20:], got)
	require.NoError(t, q.Close())
	require.ErrorContains(t, m.Prefill(ctx, q, ids[:1], NoRows, nil), "closed")
}

func TestCacheFull(t *testing.T) {
	m := openTest(t, "grouped", Options{Device: "cpu", PageSize: 4, CacheTokens: 80})
	ctx := context.Background()
	ids := randomTokens(rand.New(rand.NewPCG(11, 12)), m, 60)
	a, b := m.NewSequence(), m.NewSequence()
	require.NoError(t, m.Prefill(ctx, a, ids, NoRows, nil))
	require.ErrorIs(t, m.Prefill(ctx, b, ids, NoRows, nil), ErrCacheFull)
	require.NoError(t, m.Prefill(ctx, a, ids[:4], NoRows, nil)) // the other goes on
	require.NoError(t, a.Close())
	require.NoError(t, m.Prefill(ctx, b, ids, NoRows, nil))
	require.NoError(t, b.Close())
}

func TestClosedModel(t *testing.T) {
	m := openTest(t, "grouped", Options{Device: "cpu"})
	q := m.NewSequence()
	require.NoError(t, m.Close())
	require.NoError(t, m.Close())
	err := m.Forward(context.Background(), []Step{{Sequence: q, Tokens: []int32{1}}}, nil)
	require.ErrorContains(t, err, "closed")
}

func TestOptions(t *testing.T) {
	ctx := context.Background()
	for name, o := range map[string]Options{
		"unknown device 'abacus'":  {Device: "abacus"},
		"Threads is -1":            {Threads: -1},
		"PrefillTokens is -5":      {PrefillTokens: -5},
		"the model has 4096 posit": {Context: 1 << 30},
	} {
		_, err := Open(ctx, "testdata/grouped", &o)
		require.ErrorContains(t, err, name)
	}
	_, err := Open(ctx, "testdata/nothing", nil)
	require.ErrorContains(t, err, "testdata/nothing")
}
