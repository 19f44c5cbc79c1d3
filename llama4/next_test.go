package llama4

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/sample"
)

// hostTokens continues a prompt with the host's sampler.
func hostTokens(t *testing.T, m *Model, p sample.Params, prompt []int32, n int) []int32 {
	t.Helper()
	s, err := sample.New(p, m.config.Vocab)
	require.NoError(t, err)
	s.ObservePrompt(prompt...)
	q := m.NewSequence()
	defer func() { _ = q.Close() }()
	var ids []int32
	for next := prompt; len(ids) < n; next = ids[len(ids)-1:] {
		require.NoError(t, m.Prefill(context.Background(), q, next, LastRow, func(l *Logits) error {
			row, err := l.Row(l.Rows() - 1)
			require.NoError(t, err)
			id, err := s.Next(row)
			ids = append(ids, id)
			s.Observe(id)
			return err
		}))
	}
	return ids
}

// samplings are ways to choose without bias and penalties.
var samplings = map[string]sample.Params{
	"greedy":      {TopP: 1, RepetitionPenalty: 1},
	"temperature": {Temperature: 1.3, TopP: 1, RepetitionPenalty: 1},
	"top-p":       {Temperature: 0.8, TopP: 0.9, RepetitionPenalty: 1},
	"top-k":       {Temperature: 2, TopK: 5, TopP: 1, RepetitionPenalty: 1},
	"min-p":       {Temperature: 1.5, MinP: 0.05, TopP: 1, RepetitionPenalty: 1},
	"all":         {Temperature: 3, TopK: 40, TopP: 0.95, MinP: 0.01, RepetitionPenalty: 1},
}

// The device chooses the tokens that the host would, one by one from the same seed.
func TestDeviceSamplesLikeHost(t *testing.T) {
	for _, device := range testDevices(t) {
		models := map[string]*Model{"grouped": openTest(t, "grouped", Options{Device: device})}
		if device == "cpu" {
			models["demo"] = openDemo(t, Options{Device: device})
		}
		for model, m := range models {
			for name, p := range samplings {
				t.Run(device+"/"+model+"/"+name, func(t *testing.T) {
					for seed := range within(device, 3, 1) {
						p.Seed = new(uint64)
						*p.Seed = uint64(seed)
						prompt := randomTokens(rand.New(rand.NewPCG(*p.Seed, 14)), m, 6)
						r := &Request{Tokens: prompt, Sampling: &p, MaxTokens: within(device, 40, 8)}
						c, err := m.Complete(context.Background(), r)
						require.NoError(t, err)
						require.Equal(t, hostTokens(t, m, p, prompt, len(c.OutputIDs)), c.OutputIDs, "seed %d", seed)
					}
				})
			}
		}
	}
}

// A batch of prompts, pieces of prompts and single tokens, with and without
// penalties, gives each sequence the tokens that it gets alone.
func TestNext(t *testing.T) {
	ctx := context.Background()
	m := openTest(t, "scout16", Options{Device: "cpu"})
	for _, plain := range []bool{true, false} {
		r := rand.New(rand.NewPCG(15, 16))
		const sequences, n = 5, 12
		prompts, params := make([][]int32, sequences), make([]sample.Params, sequences)
		want, got := make([][]int32, sequences), make([][]int32, sequences)
		q, samplers := make([]*Sequence, sequences), make([]*sample.Sampler, sequences)
		for i := range prompts {
			seed := uint64(i)
			prompts[i] = randomTokens(r, m, 2+r.IntN(40))
			params[i] = sample.Params{Temperature: float64(i) / 2, TopP: 0.9, RepetitionPenalty: 1, Seed: &seed}
			if !plain && i%2 == 0 {
				params[i].RepetitionPenalty = 1.5
			}
			want[i] = hostTokens(t, m, params[i], prompts[i], n)
			q[i] = m.NewSequence()
			var err error
			samplers[i], err = sample.New(params[i], m.config.Vocab)
			require.NoError(t, err)
			samplers[i].ObservePrompt(prompts[i]...)
		}
		for left := sequences; left > 0; {
			var steps []Step
			var with []*sample.Sampler
			var members []int
			for i := range q {
				switch at := q[i].Len(); {
				case len(got[i]) == n:
				case at < len(prompts[i])-1 && r.IntN(2) == 0: // a piece of the prompt
					steps = append(steps, Step{Sequence: q[i], Tokens: prompts[i][at : at+1]})
					with, members = append(with, nil), append(members, i)
				case at < len(prompts[i]):
					steps = append(steps, Step{Sequence: q[i], Tokens: prompts[i][at:]})
					with, members = append(with, samplers[i]), append(members, i)
				default:
					steps = append(steps, Step{Sequence: q[i], Tokens: got[i][len(got[i])-1:]})
					with, members = append(with, samplers[i]), append(members, i)
				}
			}
			ids, err := m.Next(ctx, steps, with)
			require.NoError(t, err)
			for j, i := range members {
				if with[j] == nil {
					require.EqualValues(t, -1, ids[j])
					continue
				}
				samplers[i].Observe(ids[j])
				if got[i] = append(got[i], ids[j]); len(got[i]) == n {
					left--
				}
			}
		}
		require.Equal(t, want, got)
		for i := range q {
			require.NoError(t, q[i].Close())
		}
	}
}

// More rows than one block of logits has.
func TestNextManySequences(t *testing.T) {
	m := openTest(t, "grouped", Options{Device: "cpu"})
	r := rand.New(rand.NewPCG(17, 18))
	var steps []Step
	var samplers []*sample.Sampler
	var want []int32
	for i := range 3*logitsRows/2 + 1 {
		p := sample.Params{Temperature: 1 + float64(i)/10, TopP: 1, RepetitionPenalty: 1, Seed: new(uint64)}
		s, err := sample.New(p, m.config.Vocab)
		require.NoError(t, err)
		step := Step{Sequence: m.NewSequence(), Tokens: randomTokens(r, m, 1+i%3)}
		want = append(want, hostTokens(t, m, p, step.Tokens, 1)[0])
		steps, samplers = append(steps, step), append(samplers, s)
	}
	got, err := m.Next(context.Background(), steps, samplers)
	require.NoError(t, err)
	require.Equal(t, want, got)
	for _, step := range steps {
		require.NoError(t, step.Sequence.Close())
	}
}

func TestNextErrors(t *testing.T) {
	ctx := context.Background()
	m := openTest(t, "grouped", Options{Device: "cpu"})
	q := m.NewSequence()
	defer func() { require.NoError(t, q.Close()) }()
	s, err := sample.New(sample.Default(), m.config.Vocab)
	require.NoError(t, err)
	step := Step{Sequence: q, Tokens: []int32{1}}
	_, err = m.Next(ctx, []Step{step}, nil)
	require.ErrorContains(t, err, "0 samplers for 1 steps")
	_, err = m.Next(ctx, []Step{step, step}, []*sample.Sampler{s, s})
	require.ErrorContains(t, err, "twice")
	ids, err := m.Next(ctx, nil, nil)
	require.NoError(t, err)
	require.Empty(t, ids)
	ids, err = m.Next(ctx, []Step{step}, []*sample.Sampler{nil})
	require.NoError(t, err)
	require.Equal(t, []int32{-1}, ids)
	require.Equal(t, 1, q.Len())
}

func TestUpload(t *testing.T) {
	m := openTest(t, "grouped", Options{Device: "cpu"})
	u := upload{values: []int32{9, 9, 9}[:0]} // room with something in it
	ints, floats := u.int32s([]int32{1, 2, 3}), u.float32s([]float32{0.5, float32(math.Inf(-1))})
	none := u.int32s(nil)
	matrix := u.int32s([]int32{1, 2, 3, 4, 5, 6})
	b, err := u.send(&m.work, "test")
	require.NoError(t, err)
	for part, want := range map[part][]int32{ints: {1, 2, 3}, matrix: {1, 2, 3, 4, 5, 6}} {
		got := make([]int32, len(want))
		require.NoError(t, bindings.Read(m.stream, part.in(b, bindings.I32), got))
		require.Equal(t, want, got)
		require.Zero(t, part.in(b, bindings.I32).Offset%64)
	}
	got, err := bindings.ReadFloat32s(m.stream, floats.in(b, bindings.F32))
	require.NoError(t, err)
	require.Equal(t, []float32{0.5, float32(math.Inf(-1))}, got)
	require.Zero(t, none.in(b, bindings.I32).Elements())
	require.Equal(t, []int64{2, 3}, matrix.in(b, bindings.I32, 2, 3).Shape())
}

func newGreedy(t *testing.T, m *Model) *sample.Sampler {
	t.Helper()
	s, err := sample.New(sample.Default(), m.config.Vocab)
	require.NoError(t, err)
	return s
}
