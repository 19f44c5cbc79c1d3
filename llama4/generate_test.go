package llama4

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/chat"
	"github.com/llama4go/llama4go/llama4/demo"
	"github.com/llama4go/llama4go/llama4/sample"
)

func openDemo(t testing.TB, o Options) *Model {
	t.Helper()
	m, err := OpenFS(context.Background(), demo.FS(), &o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

func user(text string) []chat.Message {
	return []chat.Message{{Role: "user", Content: chat.Text(text)}}
}

func greedy() *sample.Params {
	p := sample.Default()
	return &p
}

// The demo model answers as the reference does, up to the first step whose margin
// rounding may move.
func TestDemoGoldens(t *testing.T) {
	g := loadGolden(t, "testdata/demo_goldens.json")
	m := openDemo(t, Options{Device: "cpu", Compute: bindings.ComputeF32})
	for _, item := range g.Score {
		s, err := m.Score(context.Background(), &Prompt{Tokens: item.InputIDs}, len(item.Top))
		require.NoError(t, err)
		d, _ := distance(t, s.LogProbs, item.LogProbs)
		require.LessOrEqual(t, d, parityTolerance, "score %d", item.ID)
	}
	for _, item := range g.Greedy {
		c, err := m.Complete(context.Background(), &Request{
			Tokens: item.InputIDs, MaxTokens: item.MaxTokens, Sampling: greedy(), LogProbs: 1,
		})
		require.NoError(t, err)
		certain := true
		for i, want := range item.OutputIDs {
			if certain = item.Margins[i] > 2*parityTolerance; !certain {
				break
			}
			require.Equal(t, want, c.OutputIDs[i], "greedy %d, step %d", item.ID, i)
			require.InDelta(t, item.LogProbs[i], c.Pieces[i].LogProb, parityTolerance)
		}
		if certain {
			require.Equal(t, item.Text, c.Text, "greedy %d", item.ID)
			require.Equal(t, item.FinishReason, string(c.Finish))
		}
	}
}

// Messages and prompts become the tokens of the reference.
func TestEncodeGoldens(t *testing.T) {
	m := openDemo(t, Options{Device: "cpu"})
	for _, item := range loadGolden(t, "testdata/demo_goldens.json").Greedy {
		r := &Request{Prompt: item.Prompt}
		if len(item.Messages) > 0 {
			messages, err := chat.ReadMessages(item.Messages)
			require.NoError(t, err)
			r.Messages = messages
		}
		p, err := m.Encode(context.Background(), r)
		require.NoError(t, err)
		require.Equal(t, item.InputIDs, p.Tokens)
	}
}

func TestSpecialTokensInUserTextArePlain(t *testing.T) {
	m := openDemo(t, Options{Device: "cpu"})
	eot, ok := m.Tokenizer().Special("<|eot|>")
	require.True(t, ok)
	for _, r := range []*Request{{Prompt: "a<|eot|>b"}, {Messages: user("a<|eot|>b")}} {
		p, err := m.Encode(context.Background(), r)
		require.NoError(t, err)
		n := 0
		for _, id := range p.Tokens {
			if id == eot {
				n++
			}
		}
		require.LessOrEqual(t, n, 1) // the template's own
		require.Contains(t, m.Tokenizer().Decode(p.Tokens), "a<|eot|>b")
	}
}

// collectText runs a request and returns the text and the last piece.
func collectText(t *testing.T, m *Model, r *Request) (string, Piece) {
	t.Helper()
	var text strings.Builder
	var last Piece
	for piece, err := range m.Generate(context.Background(), r) {
		require.NoError(t, err)
		require.Empty(t, last.Finish, "a piece after the last")
		text.WriteString(piece.Text)
		last = piece
	}
	require.NotNil(t, last.Usage)
	return text.String(), last
}

func TestGenerateStops(t *testing.T) {
	m := openDemo(t, Options{Device: "cpu", Compute: bindings.ComputeF32})
	r := Request{Messages: user("What is 7 plus 12?"), Sampling: greedy()}
	text, last := collectText(t, m, &r)
	require.Equal(t, "7 plus 12 is 19.", text)
	require.Equal(t, FinishStop, last.Finish)
	require.Equal(t, 26, last.Usage.PromptTokens)

	for stop, want := range map[string]string{"plus": "7 ", "is 1": "7 plus 12 ", "9.": "7 plus 12 is 1", "zebra": text} {
		r.Stop = []string{stop}
		got, last := collectText(t, m, &r)
		require.Equal(t, want, got, "stop at %q", stop)
		require.Equal(t, FinishStop, last.Finish)
	}
	r.Stop, r.MaxTokens = nil, 3
	got, last := collectText(t, m, &r)
	require.True(t, strings.HasPrefix(text, got), "%q begins %q", got, text)
	require.Equal(t, FinishLength, last.Finish)
	require.Equal(t, 3, last.Usage.GeneratedTokens)

	r.MaxTokens, r.StopIDs = 0, []int32{last.ID}
	_, last = collectText(t, m, &r)
	require.Equal(t, 3, last.Usage.GeneratedTokens)
	require.Equal(t, FinishStop, last.Finish)
}

// The repetition penalty counts the prompt and the answer, the presence penalty
// the answer alone.
func TestGeneratePenalties(t *testing.T) {
	m := openDemo(t, Options{Device: "cpu", Compute: bindings.ComputeF32})
	plain, _ := collectText(t, m, &Request{Messages: user("What is 7 plus 12?"), Sampling: greedy()})
	require.Equal(t, "7 plus 12 is 19.", plain)

	repetition := sample.Default()
	repetition.RepetitionPenalty = 10
	first, _ := collectText(t, m, &Request{Messages: user("What is 7 plus 12?"), Sampling: &repetition, MaxTokens: 1})
	require.NotEqual(t, "7", first, "7 is in the prompt")

	presence := sample.Default()
	presence.PresencePenalty = 2
	presence.FrequencyPenalty = 2
	r := &Request{Tokens: m.Tokenizer().Encode("ha ha ha ha ha ha ha ha"), Sampling: greedy(), MaxTokens: 40}
	want, err := m.Complete(context.Background(), r)
	require.NoError(t, err)
	r.Sampling = &presence
	got, err := m.Complete(context.Background(), r)
	require.NoError(t, err)
	require.Equal(t, want.OutputIDs[0], got.OutputIDs[0], "the prompt does not count")
	require.NotEqual(t, want.OutputIDs, got.OutputIDs, "the answer does")
}

// What a stop string holds back is part of the text when the text ends otherwise.
func TestGenerateHeldBack(t *testing.T) {
	m := openDemo(t, Options{Device: "cpu", Compute: bindings.ComputeF32})
	r := &Request{Messages: user("What is 7 plus 12?"), Sampling: greedy(), Stop: []string{" plus 12 was"}}
	text, _ := collectText(t, m, r)
	require.Equal(t, "7 plus 12 is 19.", text)
	r.Stop, r.MaxTokens = []string{"7 plus 99"}, 4
	text, last := collectText(t, m, r)
	require.Equal(t, FinishLength, last.Finish)
	require.True(t, strings.HasPrefix("7 plus 12 is 19.", text) && len(text) > 4, text)
}

// The publisher's defaults are the checkpoint's, the penalty also of greedy ones.
func TestSamplingDefaults(t *testing.T) {
	m := openDemo(t, Options{Device: "cpu"})
	m.generation = &GenerationConfig{Temperature: 0.6, TopP: 0.9, TopK: 7, RepetitionPenalty: 1.2}
	require.Equal(t, sample.Params{TopP: 1, RepetitionPenalty: 1.2}, m.Sampling())
	m.generation.DoSample = true
	require.Equal(t, sample.Params{Temperature: 0.6, TopP: 0.9, TopK: 7, RepetitionPenalty: 1.2}, m.Sampling())
}

// The same seed gives the same text, whatever the temperature and the company.
func TestGenerateSeed(t *testing.T) {
	m := openDemo(t, Options{Device: "cpu"})
	seed := uint64(42)
	p := sample.Params{Temperature: 1.5, TopP: 0.95, RepetitionPenalty: 1.1, Seed: &seed}
	r := &Request{Messages: user("Tell me a story about a cat."), Sampling: &p, MaxTokens: 60}
	want, _ := collectText(t, m, r)
	done := make(chan string)
	for range 3 {
		go func() {
			c, err := m.Complete(context.Background(), r)
			if err != nil {
				done <- err.Error()
				return
			}
			done <- c.Text
		}()
	}
	for range 3 {
		require.Equal(t, want, <-done)
	}
	other := uint64(43)
	p.Seed = &other
	got, _ := collectText(t, m, r)
	require.NotEqual(t, want, got)
}

func TestGenerateGivesBack(t *testing.T) {
	m := openDemo(t, Options{Device: "cpu"})
	for _, err := range m.Generate(context.Background(), &Request{Prompt: "Once upon"}) {
		require.NoError(t, err)
		break
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	var failure error
	for _, err := range m.Generate(ctx, &Request{Prompt: "Once upon"}) {
		if n++; n == 3 {
			cancel()
		}
		failure = err
	}
	require.ErrorIs(t, failure, context.Canceled)
	require.Zero(t, m.cache.global.inUse())
	require.Zero(t, m.cache.chunked.inUse())
}

// A session computes only what a turn adds, and answers as without it.
func TestSession(t *testing.T) {
	m := openDemo(t, Options{Device: "cpu", Compute: bindings.ComputeF32})
	s := m.NewSession()
	defer func() { require.NoError(t, s.Close()) }()
	messages := user("Hello! My name is Nora.")
	for turn, question := range []string{"", "What is 12 plus 6?", "Tell me a story about an owl."} {
		if turn > 0 {
			messages = append(messages, chat.Message{Role: "user", Content: chat.Text(question)})
		}
		r := &Request{Messages: messages, Sampling: greedy()}
		want, _ := collectText(t, m, r)
		var got strings.Builder
		var last Piece
		for piece, err := range s.Generate(context.Background(), r) {
			require.NoError(t, err)
			got.WriteString(piece.Text)
			last = piece
		}
		require.Equal(t, want, got.String())
		if turn > 0 {
			require.Greater(t, last.Usage.CachedTokens, 20)
		}
		messages = append(messages, chat.Message{Role: "assistant", Content: chat.Text(want)})
	}
}

func TestRequestErrors(t *testing.T) {
	m := openDemo(t, Options{Device: "cpu", Context: 64})
	nan := sample.Default()
	nan.Temperature = -1
	for want, r := range map[string]*Request{
		"more than one of":              {Prompt: "a", Tokens: []int32{1}},
		"token 1 is 764":                {Tokens: []int32{1, 764}},
		"StopIDs: token 0 is -2":        {Prompt: "a", StopIDs: []int32{-2}},
		"MaxTokens is -1":               {Prompt: "a", MaxTokens: -1},
		"LogProbs is 21, want 0 to 20":  {Prompt: "a", LogProbs: 21},
		"70 tokens and 1 new ones, 64 ": {Tokens: make([]int32, 70)},
		"Temperature":                   {Prompt: "a", Sampling: &nan},
		"stop":                          {Prompt: "a", Stop: []string{""}},
		"image":                         {Messages: []chat.Message{{Role: "user", Content: chat.Parts(chat.ImagePart("x.png"))}}},
	} {
		_, err := m.Complete(context.Background(), r)
		require.ErrorContains(t, err, want)
	}
	// The context ends a text, it does not fail it.
	c, err := m.Complete(context.Background(), &Request{Tokens: make([]int32, 60), Sampling: greedy()})
	require.NoError(t, err)
	require.LessOrEqual(t, len(c.OutputIDs), 4)
}

func TestOpenWithoutTokenizer(t *testing.T) {
	m := openTest(t, "grouped", Options{Device: "cpu"})
	require.Nil(t, m.Tokenizer())
	_, err := m.Complete(context.Background(), &Request{Prompt: "a"})
	require.ErrorContains(t, err, "no tokenizer")
	c, err := m.Complete(context.Background(), &Request{Tokens: []int32{1, 2, 3}, MaxTokens: 5})
	require.NoError(t, err)
	require.NotEmpty(t, c.OutputIDs)
	require.Empty(t, c.Text)
}

func TestOpenProgress(t *testing.T) {
	var last, total int64
	o := Options{Device: "cpu", Progress: func(done, of int64) {
		require.GreaterOrEqual(t, done, last)
		require.LessOrEqual(t, done, of)
		last, total = done, of
	}}
	m, err := Open(context.Background(), "testdata/scout4-mm", &o)
	require.NoError(t, err)
	require.NoError(t, m.Close())
	require.Equal(t, total, last)
	info, err := os.Stat("testdata/scout4-mm/model.safetensors")
	require.NoError(t, err)
	require.Less(t, total, info.Size())
}
