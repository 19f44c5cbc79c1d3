package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// badPrompts are requests that score and generate refuse, with their ids and what
// the answer says.
var badPrompts = []struct{ line, id, says string }{
	{`nonsense`, "null", "not JSON"},
	{`[1]`, "null", "not a JSON object"},
	{`"text"`, "null", "not a JSON object"},
	{`{"id":1,"prompt":"x"`, "1", "not JSON: the line ends too early"},
	{`{"id":2,"prompt":"x"} {}`, "2", "text after the JSON object"},
	{`{"id":3,"prompt":"x",}`, "3", "not JSON"},
	{"{\"id\":4,\"prompt\":\"\xff\"}", "null", "not UTF-8"},
	{`{"id":5,"prompt":"x","prompt":"y"}`, "5", `"prompt" is there twice`},
	{`{"id":6,"prompt":"x","foo":1}`, "6", `unknown field "foo"`},
	{`{"id":7,"Prompt":"x"}`, "7", `unknown field "Prompt"`},
	{`{"id":8}`, "8", "exactly one of prompt, messages and input_ids"},
	{`{"id":9,"prompt":"x","input_ids":[1]}`, "9", "exactly one of prompt, messages and input_ids"},
	{`{"id":10,"prompt":null}`, "10", "exactly one of prompt, messages and input_ids"},
	{`{"id":11,"prompt":5}`, "11", "prompt is 5, want a text"},
	{`{"id":12,"input_ids":[]}`, "12", "input_ids is [], want a list of token ids"},
	{`{"id":13,"input_ids":[1,-2]}`, "13", "input_ids[1] is -2, want a token id from 0 to 763"},
	{`{"id":14,"input_ids":[764]}`, "14", "input_ids[0] is 764, want a token id from 0 to 763"},
	{`{"id":15,"input_ids":[1,null]}`, "15", "input_ids[1] is null"},
	{`{"id":16,"input_ids":[1.5]}`, "16", "want a list of token ids"},
	{`{"id":17,"input_ids":"1 2"}`, "17", "want a list of token ids"},
	{`{"id":18,"input_ids":[99999999999999999999]}`, "18", "want a list of token ids"},
	{`{"id":19,"messages":[]}`, "19", "want one message or more"},
	{`{"id":20,"messages":"x"}`, "20", "messages"},
	{`{"id":21,"messages":[{"content":"x"}]}`, "21", "messages[0]"},
	{`{"id":22,"messages":[{"role":"user","content":7}]}`, "22", "messages[0]"},
	{`{"id":23,"messages":[{"role":"user","content":[{"type":"image","path":"a.png"}]}]}`, "23", "messages[0].content[0]: stat a.png: no such file or directory"},
	{`{"id":24,"prompt":"x","add_bos":"yes"}`, "24", `add_bos is "yes", want true or false`},
	{`{"id":25,"input_ids":[1],"add_bos":1}`, "25", "add_bos is 1, want true or false"},
	{`{"id":26,"prompt":"","add_bos":false}`, "26", "no tokens"},
	{`{"id":27,"prompt":"` + strings.Repeat("x ", 3000) + `"}`, "27", "tokens, the context 2048: shorten the prompt"},
	{`{"id":[28,"x"],"prompt":1}`, `[28,"x"]`, "prompt is 1, want a text"},
	{`{"foo":1,"id":29}`, "29", `unknown field "foo"`},
	{`{"id":30,"prompt":` + strings.Repeat("[", 20000) + `}`, "30", "not JSON"},
}

// badChoices are refused by generate alone.
var badChoices = []struct{ fields, says string }{
	{`"max_tokens":0`, "max_tokens is 0, want a whole number from 1 to 2048"},
	{`"max_tokens":1000000000000`, "want a whole number from 1 to 2048"},
	{`"max_tokens":"5"`, "want a whole number from 1 to 2048"},
	{`"max_tokens":1.5`, "want a whole number from 1 to 2048"},
	{`"temperature":-1`, "temperature is -1, want a number from 0 to 100"},
	{`"temperature":"1"`, "want a number from 0 to 100"},
	{`"temperature":1e999`, "want a number from 0 to 100"},
	{`"top_p":1.1`, "want a number from 0 to 1"},
	{`"min_p":true`, "want a number from 0 to 1"},
	{`"top_k":-1`, "want a whole number from 0"},
	{`"top_k":2.5`, "want a whole number from 0"},
	{`"seed":-1`, "want a whole number from 0 to 18446744073709551615"},
	{`"seed":1.5`, "want a whole number from 0 to 18446744073709551615"},
	{`"repetition_penalty":0`, "want a number from 0.01 to 100"},
	{`"presence_penalty":2.5`, "want a number from -2 to 2"},
	{`"frequency_penalty":[1]`, "want a number from -2 to 2"},
	{`"logprobs":21`, "want true, false or a whole number from 0 to 20"},
	{`"logprobs":-1`, "want true, false or a whole number from 0 to 20"},
	{`"stop":5`, "want a text or a list of texts"},
	{`"stop":["a",null]`, "want a text or a list of texts"},
	{`"stop":""`, "want texts of 1 to 1024 bytes"},
	{`"stop":[` + strings.Repeat(`"a",`, 16) + `"a"]`, "want at most 16 texts"},
	{`"stop":"` + strings.Repeat("a", 1025) + `"`, "want texts of 1 to 1024 bytes"},
	{`"stop_ids":[764]`, "stop_ids[0] is 764"},
	{`"stop_ids":[-1]`, "stop_ids[0] is -1"},
	{`"stop_ids":[` + strings.Repeat("1,", 64) + `1]`, "stop_ids has 65 token ids, want at most 64"},
	{`"logit_bias":[1]`, "want an object of token ids and numbers"},
	{`"logit_bias":{"x":1}`, `logit_bias names "x"`},
	{`"logit_bias":{"764":1}`, `logit_bias names "764", want a token id from 0 to 763`},
	{`"logit_bias":{"1":101}`, "want a number from -100 to 100"},
	{`"logit_bias":{"1":null}`, "want a number from -100 to 100"},
	{`"n":2`, `unknown field "n"`},
}

// A bad line has its error in its place, and those around it are answered.
func TestBadRequests(t *testing.T) {
	good := `{"id":"good","input_ids":[747,552],"add_bos":false`
	for command, last := range map[string]string{"score": "}", "generate": `,"max_tokens":1}`} {
		t.Run(command, func(t *testing.T) {
			rows := badPrompts
			if command == "generate" {
				for i, c := range badChoices {
					id := fmt.Sprint(1000 + i)
					rows = append(rows, struct{ line, id, says string }{`{"id":` + id + `,"prompt":"x",` + c.fields + `}`, id, c.says})
				}
			}
			var requests []string
			for _, row := range rows {
				requests = append(requests, row.line, good+last)
			}
			o := llama4Run(t, lines(requests...), command, "--jsonl")
			require.Equal(t, statusFailed, o.status)
			require.Equal(t, fmt.Sprintf("llama4: %d of %d requests failed: see the error in their answers\n", len(rows), 2*len(rows)), o.stderr)
			got := answers[map[string]json.RawMessage](t, o.stdout)
			require.Len(t, got, 2*len(rows))
			for i, row := range rows {
				bad, next := got[2*i], got[2*i+1]
				require.Len(t, bad, 2, "nothing but id and error: %s", row.line)
				require.Equal(t, row.id, string(bad["id"]), row.line)
				require.Contains(t, text(t, bad["error"]), row.says)
				require.NotContains(t, text(t, bad["error"]), "\n")
				require.Equal(t, `"good"`, string(next["id"]))
				require.NotContains(t, next, "error")
			}
		})
	}
}

func text(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var s string
	require.NoError(t, json.Unmarshal(raw, &s))
	return s
}

// A line that is too long fails alone, and its memory is bounded.
func TestLongLine(t *testing.T) {
	long := `{"id":"long","prompt":"` + strings.Repeat("x", maxLine) + `"}`
	o := llama4Run(t, lines(long, `{"id":2,"input_ids":[747]}`), "score", "--jsonl")
	require.Equal(t, statusFailed, o.status)
	got := answers[map[string]json.RawMessage](t, o.stdout)
	require.Len(t, got, 2)
	require.Equal(t, `"long"`, string(got[0]["id"]))
	require.Contains(t, string(got[0]["error"]), "longer than 67108864 bytes")
	require.Equal(t, "2", string(got[1]["id"]))
	require.Contains(t, got[1], "top")

	l, err := readLine(bufio.NewReader(strings.NewReader(long + long[:maxLine/2])))
	require.ErrorIs(t, err, io.EOF)
	require.ErrorIs(t, l.err, errTooLong)
	require.Len(t, l.text, keptOfTooLong)
	l, err = readLine(bufio.NewReader(strings.NewReader(strings.Repeat("x", maxLine) + "\r\nnext")))
	require.NoError(t, err)
	require.NoError(t, l.err, "as long as may be")
}

// The last line needs no line break, and lines may end as on Windows.
func TestLineEnds(t *testing.T) {
	o := succeed(t, "{\"id\":1,\"input_ids\":[747]}\r\n\r\n{\"id\":2,\"input_ids\":[747]}", "score", "--jsonl")
	require.Len(t, answers[scoredAnswer](t, o.stdout), 2)
	require.Empty(t, succeed(t, "", "score", "--jsonl").stdout)
}

// brokenReader fails after its text.
type brokenReader struct{ io.Reader }

func (b *brokenReader) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = errors.New("the disk is gone")
	}
	return n, err
}

// An answer that was asked for in full is given; what is cut off is not taken for
// whole.
func TestBrokenInput(t *testing.T) {
	a := newApp(&brokenReader{strings.NewReader("{\"id\":1,\"input_ids\":[747]}\n{\"id\":2,\"input_ids\":[747]}")}, nil, nil)
	o := runWith(t, a, "score", "--jsonl")
	require.Equal(t, statusFailed, o.status)
	require.Len(t, answers[scoredAnswer](t, o.stdout), 1)
	require.Equal(t, "llama4: reading the requests: the disk is gone\n", o.stderr)
}

// fullDisk takes no more than its room.
type fullDisk struct{ room int }

func (f *fullDisk) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

func TestFullDisk(t *testing.T) {
	for _, args := range []string{"score --jsonl", "generate hello", "tokenize hello", "inspect", "devices", "version"} {
		var stderr strings.Builder
		input := strings.NewReader(lines(`{"input_ids":[747]}`, `{"input_ids":[747]}`))
		require.Equal(t, statusFailed, run(t.Context(), strings.Fields(args), input, &fullDisk{}, &stderr), args)
		require.Contains(t, stderr.String(), "no space left")
	}
}

// Whatever a line holds, there is an error or an object, and an id that is JSON.
func FuzzParseObject(f *testing.F) {
	for _, row := range badPrompts[:20] {
		f.Add([]byte(row.line))
	}
	f.Add([]byte(`{"id":{"a":[1]},"prompt":"\ud800","x":-0.0e-5}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		o, err := parseObject(line)
		require.True(t, json.Valid(o.id), "%q", o.id)
		if err == nil {
			require.True(t, json.Valid(line))
			return
		}
		require.NotEmpty(t, err.Error())
	})
}
