package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const fox = "Tell me a story about a fox."

var statsLine = regexp.MustCompile(`^\d+ prompt tokens at [\d.]+ tok/s, \d+ tokens generated at [\d.]+ tok/s(, stopped at the limit)?\n$`)

func TestGenerateText(t *testing.T) {
	g := demoGoldens(t)
	story, sum, plain := g.Greedy[0], g.Greedy[1], g.Greedy[6]
	o := succeed(t, "", "generate", "--compute", "f32", fox)
	require.Equal(t, story.Text+"\n", o.stdout)
	require.Regexp(t, statsLine, o.stderr)
	require.Contains(t, o.stderr, fmt.Sprintf("%d prompt tokens", len(story.InputIDs)))
	require.Contains(t, o.stderr, fmt.Sprintf("%d tokens generated", len(story.OutputIDs)+1))

	// From standard input, which ends in a line break.
	require.Equal(t, sum.Text+"\n", succeed(t, "What is 7 plus 12?\r\n", "generate", "-").stdout)
	// Without the template the text goes on where the prompt ended.
	require.Equal(t, plain.Text+"\n", succeed(t, "", "generate", "--compute", "f32", "--raw", *plain.Prompt).stdout)
	// The limit.
	o = succeed(t, "", "generate", "-n", "5", "--raw", "Once upon")
	require.Equal(t, " a time, a hungry\n", o.stdout)
	require.Contains(t, o.stderr, "5 tokens generated")
	require.Contains(t, o.stderr, ", stopped at the limit\n")
	// A stop string is not part of the text, wherever its tokens end.
	require.Equal(t, "There was once a hungry fox cal\n", succeed(t, "", "generate", "--compute", "f32", "--stop", "led Ma", "--stop", "zebra", fox).stdout)
	require.Equal(t, "\n", succeed(t, "", "generate", "--stop", "There", fox).stdout)
}

// The system message reaches the prompt.
func TestGenerateSystem(t *testing.T) {
	plain := succeed(t, "", "generate", "-n", "1", "Hi, I am Leo.")
	system := succeed(t, "", "generate", "-n", "1", "--system", "You are a kind teller of tales.", "Hi, I am Leo.")
	require.NotEqual(t, strings.Fields(plain.stderr)[0], strings.Fields(system.stderr)[0])
	ids := demoGoldens(t).Score[2].InputIDs
	require.Equal(t, fmt.Sprint(len(ids)), strings.Fields(system.stderr)[0])
}

func TestGenerateSampling(t *testing.T) {
	drawn := func(args ...string) string {
		o := succeed(t, "", append([]string{"generate", "--raw", "-n", "12", "--temperature", "2"}, append(args, "One day")...)...)
		require.NotContains(t, o.stderr, "warning")
		return o.stdout
	}
	first := drawn("--seed", "1")
	require.Equal(t, first, drawn("--seed", "1"))
	texts := map[string]bool{}
	for seed := range 5 {
		texts[drawn("--seed", fmt.Sprint(seed))] = true
	}
	require.Greater(t, len(texts), 1)
	// With one token to draw from, nothing is left to chance.
	greedy := succeed(t, "", "generate", "--raw", "-n", "12", "One day").stdout
	require.Equal(t, greedy, drawn("--top-k", "1"))
	require.Equal(t, greedy, drawn("--top-p", "0"))
	require.Equal(t, greedy, drawn("--min-p", "1"))
	require.NotEqual(t, greedy, succeed(t, "", "generate", "--raw", "-n", "12", "--logit-bias", "11=-100", "One day").stdout)
	// "Max" comes again and again, unless it is penalized.
	story := []string{"generate", "--raw", "-n", "40", "One day"}
	greedy = succeed(t, "", story...).stdout
	for _, penalty := range []string{"--repeat-penalty=50", "--presence-penalty=2", "--frequency-penalty=2"} {
		require.NotEqual(t, greedy, succeed(t, "", append(story, penalty)...).stdout, penalty)
	}

	o := succeed(t, "", "generate", "--raw", "-n", "1", "--top-k", "5", "One day")
	require.Contains(t, o.stderr, "warning: the temperature is 0")
}

type answer struct {
	ID           json.RawMessage `json:"id"`
	InputIDs     []int32         `json:"input_ids"`
	OutputIDs    []int32         `json:"output_ids"`
	Text         string          `json:"text"`
	FinishReason string          `json:"finish_reason"`
	Usage        map[string]int  `json:"usage"`
	LogProbs     []float64       `json:"logprobs"`
	Top          [][][2]float64  `json:"top"`
	Error        string          `json:"error"`
}

// Every text of the reference, with its log-probabilities.
func TestGenerateLinesGoldens(t *testing.T) {
	g := demoGoldens(t)
	var requests []string
	for _, want := range g.Greedy {
		r := map[string]any{"id": want.ID, "max_tokens": want.MaxTokens, "logprobs": true, "temperature": 0}
		if want.Prompt != nil {
			r["prompt"] = *want.Prompt
		} else {
			r["messages"] = want.Messages
		}
		requests = append(requests, marshal(t, r))
	}
	o := succeed(t, lines(requests...), "generate", "--compute", "f32", "--jsonl")
	require.Empty(t, o.stderr)
	got := answers[answer](t, o.stdout)
	require.Len(t, got, len(g.Greedy))
	for i, want := range g.Greedy {
		require.Equal(t, fmt.Sprint(want.ID), string(got[i].ID))
		require.Equal(t, want.InputIDs, got[i].InputIDs)
		// The token that ended the text is among the ids, not in the text.
		require.Equal(t, append(want.OutputIDs, want.StopID), got[i].OutputIDs)
		require.Equal(t, want.Text, got[i].Text)
		require.Equal(t, "stop", got[i].FinishReason)
		in, out := len(want.InputIDs), len(want.OutputIDs)+1
		require.Equal(t, map[string]int{"prompt_tokens": in, "completion_tokens": out, "total_tokens": in + out}, got[i].Usage)
		require.InDeltaSlice(t, want.LogProbs, got[i].LogProbs, tolerance)
		require.Empty(t, got[i].Top)
	}
}

func TestGenerateLinesFields(t *testing.T) {
	o := succeed(t, lines(
		`{"id":"a","prompt":"Once upon","max_tokens":3,"logprobs":3}`,
		"", "  \t",
		`{"id":{"b":[1,null]},"input_ids":[747,552,551],"max_tokens":3,"logprobs":0,"temperature":null}`,
		`{"prompt":"Once upon","add_bos":false,"max_tokens":1,"id":18446744073709551617}`,
		`{"prompt":"Once upon","max_tokens":9,"stop":"tim","stop_ids":[1]}`,
		`{"prompt":"Once upon","max_tokens":9,"stop":["zzz","a ti"]}`,
		`{"prompt":"Once upon","max_tokens":9,"stop_ids":[553]}`,
		`{"prompt":"Once upon","max_tokens":3,"temperature":2,"top_k":1,"top_p":0.5,"min_p":0.1,"seed":7,"repetition_penalty":1.5,"presence_penalty":0.5,"frequency_penalty":0.5}`,
		`{"prompt":"Once upon","max_tokens":1,"logit_bias":{"257":-100,"10":100.0}}`,
		`{"prompt":"","max_tokens":1}`,
		`{"prompt":"Once upon","max_tokens":1,"logprobs":2}`,
		`{"prompt":"Once upon","max_tokens":1,"logprobs":1}`,
		`{"messages":[{"role":"user","content":[{"type":"text","text":"What is "},{"type":"text","text":"7 plus 12?"}]}]}`,
	), "generate", "--jsonl")
	got := answers[answer](t, o.stdout)
	require.Len(t, got, 12)
	require.Equal(t, `"a"`, string(got[0].ID))
	require.Equal(t, []int32{257, 553, 11}, got[0].OutputIDs)
	require.Equal(t, " a time,", got[0].Text)
	require.Equal(t, "length", got[0].FinishReason)
	require.Len(t, got[0].LogProbs, 3)
	require.Len(t, got[0].Top, 3)
	for i, top := range got[0].Top {
		require.Len(t, top, 3)
		require.Equal(t, float64(got[0].OutputIDs[i]), top[0][0], "greedy takes the likeliest")
		require.Equal(t, got[0].LogProbs[i], top[0][1])
		require.GreaterOrEqual(t, top[0][1], top[1][1])
	}
	require.Equal(t, `{"b":[1,null]}`, string(got[1].ID))
	require.Equal(t, got[0].OutputIDs, got[1].OutputIDs)
	require.Empty(t, got[1].LogProbs)
	require.Equal(t, "18446744073709551617", string(got[2].ID))
	require.Equal(t, []int32{552, 551}, got[2].InputIDs)
	require.Equal(t, "null", string(got[3].ID))
	require.Equal(t, " a ", got[3].Text)
	require.Equal(t, "stop", got[3].FinishReason)
	require.Equal(t, " ", got[4].Text)
	require.Equal(t, []int32{257, 553}, got[5].OutputIDs)
	require.Equal(t, " a", got[5].Text)
	require.Equal(t, []int32{10}, got[7].OutputIDs)
	require.Equal(t, []int32{747}, got[8].InputIDs)
	require.Len(t, got[9].LogProbs, 1)
	require.Len(t, got[9].Top[0], 2)
	require.Len(t, got[10].LogProbs, 1)
	require.Empty(t, got[10].Top)
	require.Equal(t, "7 plus 12 is 19.", got[11].Text)
}

// The command's flags are the requests' defaults, and a file may hold the requests.
func TestGenerateLinesDefaults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "requests.jsonl")
	require.NoError(t, os.WriteFile(file, []byte(lines(
		`{"prompt":"Once upon"}`, `{"prompt":"Once upon","max_tokens":3,"stop":"x","logit_bias":{"257":0}}`, `{"prompt":"Once upon","logit_bias":{"257":0}}`)), 0o600))
	o := succeed(t, "ignored", "generate", "-n", "4", "--stop", "time", "--logit-bias", "257=-100", "--jsonl", file)
	got := answers[answer](t, o.stdout)
	require.Len(t, got, 3)
	require.NotContains(t, got[0].OutputIDs, int32(257))
	require.NotContains(t, got[0].Text, "time")
	require.Len(t, got[1].OutputIDs, 3)
	require.Contains(t, got[1].Text, "time", "a request's stop texts are in place of the flags'")
	require.Equal(t, " a ", got[2].Text)
}
