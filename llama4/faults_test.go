package llama4

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/chat"
	"github.com/llama4go/llama4go/llama4/demo"
	"github.com/llama4go/llama4go/llama4/sample"
)

// inUse is how many pages of both pools are taken.
func inUse(m *Model) [2]int { return [2]int{m.cache.chunked.inUse(), m.cache.global.inUse()} }

// A pass that fails, whyever, gives back the pages that it had reserved.
func TestFailedPassGivesPagesBack(t *testing.T) {
	m := openTest(t, "grouped", Options{Device: "cpu", PageSize: 4, CacheTokens: 80})
	ctx := context.Background()
	ids := randomTokens(rand.New(rand.NewPCG(15, 16)), m, 60)
	a, b, c := m.NewSequence(), m.NewSequence(), m.NewSequence()
	require.NoError(t, m.Prefill(ctx, a, ids[:40], NoRows, nil))
	before := inUse(m)

	err := m.Forward(ctx, []Step{{Sequence: b, Tokens: ids[:36]}, {Sequence: c, Tokens: ids[:40]}}, nil)
	require.ErrorIs(t, err, ErrCacheFull)
	require.Equal(t, before, inUse(m))

	broken := errors.New("the visitor gave up")
	step := Step{Sequence: b, Tokens: ids[:30], Logits: LastRow}
	require.ErrorIs(t, m.Forward(ctx, []Step{step}, func(*Logits) error { return broken }), broken)
	require.Equal(t, before, inUse(m))

	cancelled, cancel := context.WithCancel(ctx)
	m.options.Tap = func(string, int, []float32) { cancel() } // in the middle of the pass
	require.ErrorIs(t, m.Forward(cancelled, []Step{step}, func(*Logits) error { return nil }), context.Canceled)
	m.options.Tap = nil
	require.Equal(t, before, inUse(m))

	require.NoError(t, m.Prefill(ctx, c, ids[:40], NoRows, nil)) // what is free can be had
	for _, q := range []*Sequence{a, b, c} {
		require.NoError(t, q.Close())
	}
}

// A pass that fails takes no random number of a sampler.
func TestFailedPassTakesNoRandomNumber(t *testing.T) {
	m := openTest(t, "grouped", Options{Device: "cpu", PageSize: 4, CacheTokens: 40})
	ctx := context.Background()
	ids := randomTokens(rand.New(rand.NewPCG(25, 26)), m, 40)
	seed := uint64(7)
	p := sample.Params{Temperature: 3, TopP: 1, RepetitionPenalty: 1, Seed: &seed}
	prompt, n := ids[:3], 5
	want := hostTokens(t, m, p, prompt, n)
	s, err := sample.New(p, m.config.Vocab)
	require.NoError(t, err)
	q := m.NewSequence()
	var got []int32
	for next := prompt; len(got) < n; next = got[len(got)-1:] {
		other := m.NewSequence()
		steps := []Step{{Sequence: q, Tokens: next}, {Sequence: other, Tokens: ids}}
		_, err := m.Next(ctx, steps, []*sample.Sampler{s, nil})
		require.ErrorIs(t, err, ErrCacheFull)
		chosen, err := m.Next(ctx, steps[:1], []*sample.Sampler{s})
		require.NoError(t, err)
		got = append(got, chosen...)
		require.NoError(t, other.Close())
	}
	require.Equal(t, want, got)
	require.NoError(t, q.Close())
}

// A cache that could not grow as a whole has moved in part: graphs do not outlive it.
func TestGraphsEndWithHalfAMove(t *testing.T) {
	m := openTest(t, "grouped", Options{Device: "cpu"})
	m.recordSteps()
	q := m.NewSequence()
	step := Step{Sequence: q, Tokens: []int32{1}, Logits: LastRow}
	require.NoError(t, m.Forward(context.Background(), []Step{step}, func(*Logits) error { return nil }))
	require.Len(t, m.graphs.kinds, 1)
	pool := m.cache.global
	last := len(pool.values) - 1
	require.NoError(t, pool.values[last].Close())
	before := pool.keys[0]
	require.Error(t, pool.grow(m.stream, pool.pages+1))
	require.NotSame(t, before, pool.keys[0])
	require.Empty(t, m.graphs.kinds)
	pool.values[last] = nil
	require.NoError(t, pool.grow(m.stream, pool.pages+1))
	require.NoError(t, q.Close())
}

// Where config.json leaves them out, the special tokens are the tokenizer's.
func TestSpecialTokensByName(t *testing.T) {
	files := fstest.MapFS{}
	for _, name := range []string{"config.json", "model.safetensors", "tokenizer.json"} {
		files[name] = &fstest.MapFile{Data: readAll(t, name)}
	}
	text := string(files["config.json"].Data)
	text = strings.Replace(text, `"bos_token_id": 747,`, "", 1)
	text = strings.Replace(text, "\"eos_token_id\": [\n      748,\n      752,\n      753\n    ],", "", 1)
	require.NotContains(t, text, "os_token_id")
	files["config.json"].Data = []byte(text)
	m, err := OpenFS(context.Background(), files, &Options{Device: "cpu"})
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	bos, ok := m.BOS()
	require.True(t, ok)
	require.Equal(t, int32(747), bos)
	require.Equal(t, []int32{748, 752, 753}, m.eos())
}

func readAll(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("demo", "model", name))
	require.NoError(t, err)
	return raw
}

// A computation that gives NaN fails, also where only the token is read.
func TestGreedyNaN(t *testing.T) {
	m := openTest(t, "grouped", Options{Device: "cpu"})
	nan := make([]float32, m.config.Hidden)
	for i := range nan {
		nan[i] = float32(math.NaN())
	}
	norm, err := m.device.NewTensor(bindings.F32, int64(len(nan)))
	require.NoError(t, err)
	defer func() { require.NoError(t, norm.Buffer.Close()) }()
	require.NoError(t, bindings.Write(m.stream, norm, nan))
	good := m.weights.norm
	m.weights.norm = norm
	_, err = m.Complete(context.Background(), &Request{Tokens: []int32{1}, Sampling: greedy(), MaxTokens: 3})
	require.ErrorContains(t, err, "no token can be chosen")
	q := m.NewSequence()
	step := Step{Sequence: q, Tokens: []int32{1}}
	_, err = m.Next(context.Background(), []Step{step}, []*sample.Sampler{newGreedy(t, m)})
	require.ErrorIs(t, err, errNoToken)
	require.ErrorContains(t, err, "step 0")
	require.Zero(t, q.Len())
	require.NoError(t, q.Close())
	require.Equal(t, [2]int{}, inUse(m))
	m.weights.norm = good
}

// "auto" is silent where there is no GPU, or no library for it, and loud where one is
// broken: in a process that has not yet found a good one.
func TestAutoFallsBack(t *testing.T) {
	if os.Getenv("LLAMA4_TEST_CHILD") == "" {
		child := exec.Command(os.Args[0], "-test.run", "^TestAutoFallsBack$")
		child.Env = append(os.Environ(), "LLAMA4_TEST_CHILD=1")
		out, err := child.CombinedOutput()
		if errors.Is(err, syscall.ENOEXEC) {
			t.Skip("this program runs in an emulator, which starts no others: ", err)
		}
		require.NoError(t, err, "%s", out)
		return
	}
	var heard strings.Builder
	o := Options{Device: "auto", Log: slog.New(slog.NewTextHandler(&heard, nil))}
	folder := t.TempDir()
	t.Setenv("LLAMA4_BACKENDS", folder)
	broken := filepath.Join(folder, "libllama4_cuda.so")
	require.NoError(t, os.WriteFile(broken, []byte("junk"), 0o644))
	m := openDemo(t, o)
	require.Contains(t, heard.String(), "running on the CPU")
	info, err := m.Device()
	require.NoError(t, err)
	require.Equal(t, "cpu", info.Name)

	heard.Reset()
	require.NoError(t, os.Remove(broken))
	openDemo(t, o)
	require.Empty(t, heard.String())
}

// A model may be closed while others generate: they end at their next token.
func TestCloseDuringGeneration(t *testing.T) {
	for _, device := range testDevices(t) {
		m := openDemo(t, Options{Device: device})
		pieces := 0
		var last error
		for _, err := range m.Generate(context.Background(), &Request{Prompt: "Once upon"}) {
			if last = err; err == nil {
				pieces++
			}
			if pieces == 3 {
				require.NoError(t, m.Close())
			}
		}
		require.ErrorIs(t, last, ErrClosed, device)
		require.Equal(t, 3, pieces)
		_, err := m.Device()
		require.ErrorIs(t, err, ErrClosed)
	}
}

func TestClosedSession(t *testing.T) {
	m := openDemo(t, Options{Device: "cpu"})
	s := m.NewSession()
	require.NoError(t, s.Close())
	for _, err := range s.Generate(context.Background(), &Request{Prompt: "a"}) {
		require.ErrorIs(t, err, ErrClosed)
	}
	require.Equal(t, [2]int{}, inUse(m))
}

func TestRefusedRequests(t *testing.T) {
	m := openDemo(t, Options{Device: "cpu"})
	for want, r := range map[string]*Request{
		"empty list of Tokens":   {Tokens: []int32{}},
		"empty list of Messages": {Messages: []chat.Message{}},
		"Tools without Messages": {Prompt: "a", Tools: []byte("[]")},
	} {
		_, err := m.Encode(context.Background(), r)
		require.ErrorContains(t, err, want)
	}
	bare := openTest(t, "grouped", Options{Device: "cpu"})
	_, err := bare.Complete(context.Background(), &Request{Tokens: []int32{1}, Stop: []string{"a"}})
	require.ErrorContains(t, err, "stop strings need a tokenizer")
	ctx := context.Background()
	require.ErrorContains(t, m.Prefill(ctx, nil, []int32{1}, NoRows, nil), "no sequence")
	require.ErrorContains(t, m.Prefill(ctx, m.NewSequence(), nil, NoRows, nil), "no tokens")
	require.ErrorIs(t, m.Prefill(ctx, m.NewSequence(), []int32{1}, LastRow, nil), errNoVisitor)
	for want, o := range map[string]Options{
		"CacheTokens is 9223372036854775807": {CacheTokens: math.MaxInt},
		"PageSize is 100000":                 {PageSize: 100000},
		"Compute is":                         {Compute: 9},
	} {
		_, err := OpenFS(ctx, demo.FS(), &o)
		require.ErrorContains(t, err, want)
	}
}
