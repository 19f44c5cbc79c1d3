package llama4

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/sample"
)

// A device without graphs that is taken for one with them runs the same steps, with
// rounded bounds and padded tables, and gets the same bits.
func TestStepsWithoutGraphs(t *testing.T) {
	for _, name := range []string{"scout16", "maverick16-mm"} {
		plain := openTest(t, name, Options{Device: "cpu", PageSize: 5})
		var heard strings.Builder
		rounded := openTest(t, name, Options{Device: "cpu", PageSize: 5, Log: slog.New(slog.NewTextHandler(&heard, nil))})
		rounded.recordSteps()
		r := rand.New(rand.NewPCG(19, 20))
		texts := [][]int32{randomTokens(r, plain, 60), randomTokens(r, plain, 41), randomTokens(r, plain, 50)}
		require.Equal(t, decodeTexts(t, plain, texts, 0), decodeTexts(t, rounded, texts, 0))
		require.NotEmpty(t, rounded.graphs.kinds)
		require.Contains(t, heard.String(), "this device records no graphs")
		for _, kind := range rounded.graphs.kinds {
			require.True(t, kind.plain)
			require.Nil(t, kind.graph)
		}
	}
}

// decodeTexts returns the logits of texts that are run token by token beside each
// other, from a token on until the longest is at its end.
func decodeTexts(t *testing.T, m *Model, texts [][]int32, from int) [][]float32 {
	t.Helper()
	q := make([]*Sequence, len(texts))
	for i := range q {
		q[i] = m.NewSequence()
		defer func() { require.NoError(t, q[i].Close()) }()
		if from > 0 {
			require.NoError(t, m.Prefill(context.Background(), q[i], texts[i][:from], NoRows, nil))
		}
	}
	rows, err := collect(m, func(visit func(*Logits) error) error {
		for at := from; ; at++ {
			var steps []Step
			for i, text := range texts {
				if at < len(text) {
					steps = append(steps, Step{Sequence: q[i], Tokens: text[at : at+1], Logits: LastRow})
				}
			}
			if len(steps) == 0 {
				return nil
			}
			if err := m.Forward(context.Background(), steps, visit); err != nil {
				return err
			}
		}
	})
	require.NoError(t, err)
	return rows
}

// eachGraphDevice opens a checkpoint on each device that records graphs.
func eachGraphDevice(t *testing.T, name string, o Options, test func(t *testing.T, m *Model)) {
	t.Helper()
	tested := false
	for _, device := range testDevices(t) {
		o.Device = device
		m := openTest(t, name, o)
		if m.graphs != nil {
			tested = true
			t.Run(device, func(t *testing.T) { test(t, m) })
		}
	}
	if !tested {
		t.Skip("no device here records graphs")
	}
}

// A step gives the same bits whether it runs, is recorded or is launched, and
// graphs outlive the sequences that they were recorded with.
func TestGraphSteps(t *testing.T) {
	eachGraphDevice(t, "scout16", Options{PageSize: 5}, func(t *testing.T, m *Model) {
		texts := [][]int32{randomTokens(rand.New(rand.NewPCG(21, 22)), m, 30), nil}
		texts[1] = texts[0][:24] // as long as a chunk
		var want [][]float32
		for i := range 2 {
			got := decodeTexts(t, m, texts, 20)
			if i == 0 {
				want = got
			}
			require.Equal(t, want, got, "run %d", i)
		}
		require.Len(t, m.graphs.kinds, 2) // of two sequences, and of one
		for _, kind := range m.graphs.kinds {
			require.NotNil(t, kind.graph)
			require.False(t, kind.plain)
		}
	})
}

// A graph that samples gives the same tokens again, from the same seed.
func TestGraphSampling(t *testing.T) {
	eachGraphDevice(t, "scout16", Options{PageSize: 5}, func(t *testing.T, m *Model) {
		seed := uint64(3)
		p := sample.Params{Temperature: 1, TopP: 0.95, RepetitionPenalty: 1, Seed: &seed}
		r := &Request{Tokens: []int32{5, 6, 7}, Sampling: &p, MaxTokens: 8}
		first, err := m.Complete(context.Background(), r)
		require.NoError(t, err)
		again, err := m.Complete(context.Background(), r)
		require.NoError(t, err)
		require.Equal(t, first.OutputIDs, again.OutputIDs)
		require.Len(t, m.graphs.kinds, 1)
		require.NotNil(t, m.graphs.kinds[0].graph)
		require.True(t, m.graphs.kinds[0].key.sampled)
	})
}

// A longer context is another kind of step; a cache or a workspace that grows drops
// every graph; prompts leave them alone.
func TestGraphsAreDropped(t *testing.T) {
	eachGraphDevice(t, "grouped", Options{PageSize: 8}, func(t *testing.T, m *Model) {
		ctx := context.Background()
		r := rand.New(rand.NewPCG(23, 24))
		step := func(q ...*Sequence) {
			t.Helper()
			var steps []Step
			for _, s := range q {
				steps = append(steps, Step{Sequence: s, Tokens: randomTokens(r, m, 1), Logits: LastRow})
			}
			require.NoError(t, m.Forward(ctx, steps, func(*Logits) error { return nil }))
		}
		a, b := m.NewSequence(), m.NewSequence()
		step(a)
		step(a)
		require.Len(t, m.graphs.kinds, 1)
		first := m.graphs.kinds[0].graph
		require.NotNil(t, first)
		require.NoError(t, m.Prefill(ctx, a, randomTokens(r, m, 100), NoRows, nil))
		step(a)
		require.Same(t, first, m.graphs.kinds[0].graph)
		step(a, b) // twice the rows
		require.Len(t, m.graphs.kinds, 1)
		step(a, b)
		step(a)
		require.Len(t, m.graphs.kinds, 2)
		require.NoError(t, m.Prefill(ctx, a, randomTokens(r, m, 300), NoRows, nil)) // more pages
		require.Empty(t, m.graphs.kinds)
		step(a)
		require.Equal(t, 512, m.graphs.kinds[0].key.maxContext)
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
	})
}

// Sequences that join, leave and grow get the same tokens and logits from graphs as
// from the same steps put on the stream one operation at a time.
func TestGraphsOfManySteps(t *testing.T) {
	o := Options{PageSize: 3, Context: 400}
	eachGraphDevice(t, "grouped", o, func(t *testing.T, m *Model) {
		o.Device = m.options.Device
		plain := openTest(t, "grouped", o)
		launched := 0
		want := manySteps(t, plain, func() {
			for _, kind := range plain.graphs.kinds {
				kind.plain = true
			}
		})
		got := manySteps(t, m, func() {
			if n := len(m.graphs.kinds); n > 0 && m.graphs.kinds[n-1].graph != nil {
				launched++
			}
		})
		require.Equal(t, want, got)
		require.Greater(t, launched, 10)
	})
}

// manySteps lets sequences come and go, and returns the tokens chosen for them and
// some of their logits.
func manySteps(t *testing.T, m *Model, after func()) (found []any) {
	t.Helper()
	ctx := context.Background()
	r := rand.New(rand.NewPCG(27, 28))
	var steps []Step
	var samplers []*sample.Sampler
	for i := range 40 {
		if len(steps) < 3 && r.IntN(3) == 0 || len(steps) == 0 {
			seed := uint64(i)
			s, err := sample.New(sample.Params{Temperature: 2, TopP: 1, RepetitionPenalty: 1, Seed: &seed}, m.config.Vocab)
			require.NoError(t, err)
			q := m.NewSequence()
			require.NoError(t, m.Prefill(ctx, q, randomTokens(r, m, 1+r.IntN(9*i+9)), NoRows, nil)) // so that the cache grows late
			steps = append(steps, Step{Sequence: q, Tokens: randomTokens(r, m, 1), Logits: LastRow})
			samplers = append(samplers, s)
		}
		if r.IntN(4) == 0 {
			rows, err := collect(m, func(visit func(*Logits) error) error { return m.Forward(ctx, steps, visit) })
			require.NoError(t, err)
			found = append(found, rows)
		}
		ids, err := m.Next(ctx, steps, samplers)
		require.NoError(t, err)
		found = append(found, ids)
		after()
		for j := len(steps) - 1; j >= 0; j-- {
			steps[j].Tokens = ids[j : j+1]
			if r.IntN(10) == 0 || steps[j].Sequence.Len() > m.options.Context-3 {
				require.NoError(t, steps[j].Sequence.Close())
				steps, samplers = slices.Delete(steps, j, j+1), slices.Delete(samplers, j, j+1)
			}
		}
	}
	for _, step := range steps {
		require.NoError(t, step.Sequence.Close())
	}
	return found
}

// The kind that was not used for longest is forgotten.
func TestGraphsForget(t *testing.T) {
	m := openTest(t, "grouped", Options{Device: "cpu"})
	g := &graphs{stream: m.stream, log: slog.New(slog.DiscardHandler)}
	run := func(sequences int) {
		require.NoError(t, g.run(graphKey{sequences: sequences}, func() error { return nil }))
	}
	for i := range maxGraphs {
		run(i)
	}
	run(0)
	run(maxGraphs)
	require.Len(t, g.kinds, maxGraphs)
	require.Nil(t, g.find(graphKey{sequences: 1}))
	require.NotNil(t, g.find(graphKey{sequences: 0}))
	g.drop()
	require.Empty(t, g.kinds)
}

func TestRoundContext(t *testing.T) {
	for n, want := range map[int]int{1: 256, 256: 256, 257: 512, 1000: 1024, 1025: 1500, 1500: 1500} {
		require.Equal(t, want, roundContext(n, 1500), "%d", n)
	}
	require.Equal(t, 100, roundContext(3, 100))
}

// The page table of a decode step is never longer than its bound says.
func TestColumnsOfDecodeSteps(t *testing.T) {
	for _, page := range []int{1, 3, 5, 16, 64} {
		m := openTest(t, "scout16", Options{Device: "cpu", PageSize: page})
		q := m.NewSequence()
		for n := 0; n < 80; n++ {
			columns := [2]int{m.cache.chunked.columns(n + 1), m.cache.global.columns(n + 1)}
			require.NoError(t, q.reserve(1))
			require.LessOrEqual(t, len(q.chunked.table), columns[0], "%d tokens in pages of %d", n+1, page)
			require.LessOrEqual(t, len(q.global.table), columns[1], "%d tokens in pages of %d", n+1, page)
			q.length++
			q.releaseChunks()
		}
		require.NoError(t, q.Close())
	}
}

// What a device cannot compute is said when the model is opened.
func TestComputeF32IsTheCPUs(t *testing.T) {
	for _, device := range testDevices(t) {
		d, err := bindings.Open(device, nil)
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		require.NoError(t, d.Close())
		if info.CPU() {
			continue
		}
		_, err = Open(context.Background(), "testdata/grouped", &Options{Device: device, Compute: bindings.ComputeF32})
		require.ErrorContains(t, err, "computes in bf16")
	}
}
