package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4"
)

type scoredAnswer struct {
	ID       json.RawMessage `json:"id"`
	InputIDs []int32         `json:"input_ids"`
	LogProbs []float64       `json:"logprobs"`
	Top      [][2]float64    `json:"top"`
}

// The demo model and its tokenizer, and checkpoints that know ids alone.
func TestScoreGoldens(t *testing.T) {
	for name, model := range map[string][]string{
		"demo_goldens.json":          nil,
		"scout16/goldens.json":       {"-m", "../../llama4/testdata/scout16"},
		"maverick16-mm/goldens.json": {"-m", "../../llama4/testdata/maverick16-mm"},
	} {
		t.Run(name, func(t *testing.T) {
			g := readGoldens(t, "../../llama4/testdata/"+name)
			var requests []string
			for _, want := range g.Score {
				r := map[string]any{"id": want.ID}
				switch {
				case want.Prompt != nil:
					r["prompt"] = *want.Prompt
				case want.Messages != nil:
					r["messages"] = want.Messages
				default:
					r["input_ids"] = want.InputIDs
				}
				if want.AddBOS != nil {
					r["add_bos"] = *want.AddBOS
				}
				requests = append(requests, marshal(t, r))
			}
			o := succeed(t, lines(requests...), append([]string{"score", "--compute", "f32", "--jsonl"}, model...)...)
			require.Empty(t, o.stderr)
			got := answers[scoredAnswer](t, o.stdout)
			require.Len(t, got, len(g.Score))
			for i, want := range g.Score {
				require.Equal(t, fmt.Sprint(want.ID), string(got[i].ID))
				require.Equal(t, want.InputIDs, got[i].InputIDs)
				require.NotNil(t, got[i].LogProbs)
				require.InDeltaSlice(t, want.LogProbs, got[i].LogProbs, tolerance)
				require.Len(t, got[i].Top, 8)
				for j := range want.Top {
					require.Equal(t, want.Top[j][0], got[i].Top[j][0])
					require.InDelta(t, want.Top[j][1], got[i].Top[j][1], tolerance)
				}
			}
		})
	}
}

// add_bos puts the token in front once, whatever the prompt is given as; the fields
// of generate are passed over.
func TestScoreAddBOS(t *testing.T) {
	o := succeed(t, lines(
		`{"id":1,"input_ids":[552,551],"add_bos":true}`, `{"id":2,"input_ids":[747,552],"add_bos":true}`,
		`{"id":3,"input_ids":[552,551],"add_bos":false}`, `{"id":4,"prompt":"Once","add_bos":false,"max_tokens":7}`,
		`{"id":5,"messages":[{"role":"user","content":"a"}],"add_bos":true,"temperature":0.5}`,
	), "score", "--jsonl")
	got := answers[scoredAnswer](t, o.stdout)
	for i, want := range [][]int32{{747, 552, 551}, {747, 552}, {552, 551}, {552}, {747, 750}} {
		require.Equal(t, want, got[i].InputIDs[:len(want)])
	}
}

// One token has no log-probabilities: an empty list, not null.
func TestScoreOneToken(t *testing.T) {
	o := succeed(t, lines(`{"id":1,"prompt":""}`), "score", "--jsonl")
	require.True(t, strings.HasPrefix(o.stdout, `{"id":1,"input_ids":[747],"logprobs":[],"top":[[`), o.stdout)
}

func TestScoreText(t *testing.T) {
	o := succeed(t, "", "score", "Once upon a time")
	require.Contains(t, o.stdout, "   747  \"<|begin_of_text|>\"\n")
	require.Contains(t, o.stdout, "   551  \" upon\"\n")
	require.Contains(t, o.stdout, "likeliest to follow:\n   -0.0000      11  \",\"\n")
	require.Regexp(t, `^5 tokens, log-probability -1\.1\d+, -0\.29\d+ a token, perplexity 1\.3\d+\n$`, o.stderr)
	o = succeed(t, "Once\n", "score", "--no-bos", "-")
	require.True(t, strings.HasPrefix(o.stdout, "               552  \"Once\"\n"), o.stdout)
}

// JSON has no NaN and no infinities.
func TestNumbers(t *testing.T) {
	inf := math.Inf(1)
	raw, err := json.Marshal([]jsonNumber{-1.5, 0, -1e-9, -1234567.25, jsonNumber(inf), jsonNumber(-inf), jsonNumber(math.NaN())})
	require.NoError(t, err)
	require.Equal(t, "[-1.5,0,-1e-09,-1.23456725e+06,null,null,null]", string(raw))
	raw, err = json.Marshal(jsonTops([]llama4.TokenLogProb{{ID: 5, LogProb: -0.1}, {ID: 6, LogProb: -inf}}))
	require.NoError(t, err)
	require.Equal(t, "[[5,-0.1],[6,null]]", string(raw))
}
