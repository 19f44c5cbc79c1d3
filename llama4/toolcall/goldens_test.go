package toolcall

import (
	"bytes"
	"encoding/json"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/chat"
)

// goldens is testdata/goldens.json, written by goldens.py from the references.
type goldens struct {
	Python, JSON []struct {
		Text  string
		Calls []Call
	}
	Tools    json.RawMessage
	Template string
	Render   []struct {
		Name, System string
		Turns        [][3]json.RawMessage
		Extra        map[string]any
		Out          string
	}
}

func readGoldens(t *testing.T) goldens {
	data, err := os.ReadFile("testdata/goldens.json")
	require.NoError(t, err)
	var g goldens
	require.NoError(t, json.Unmarshal(data, &g))
	return g
}

// meaning decodes JSON to what can be compared: numbers by their value, integers exactly.
func meaning(t require.TestingT, data []byte) any {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v), "%s", data)
	return numbers(t, v)
}

func numbers(t require.TestingT, v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, ok := new(big.Int).SetString(v.String(), 10); ok {
			return n.String()
		}
		f, err := strconv.ParseFloat(v.String(), 64)
		require.NoError(t, err)
		return f
	case []any:
		for i := range v {
			v[i] = numbers(t, v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(t, v[k])
		}
	}
	return v
}

// toolsOf makes every name in a list of calls known, and one more.
func toolsOf(calls ...Call) Options {
	o := Options{Tools: []Tool{{Name: "other"}}}
	for _, c := range calls {
		o.Tools = append(o.Tools, Tool{Name: c.Name})
	}
	return o
}

// TestMeta compares with Meta's reader of lists and of JSON, which take a whole answer for a call or none.
func TestMeta(t *testing.T) {
	g := readGoldens(t)
	require.Greater(t, len(g.Python), 500)
	afterwards := 0
	for _, c := range append(g.Python, g.JSON...) {
		r := Parse(c.Text, Options{})
		if c.Calls == nil {
			list, closed := strings.CutSuffix(c.Text, r.Content)
			if list != "" { // here text may follow a list
				require.True(t, closed && list != c.Text && strings.HasSuffix(list, "]"), c.Text)
				afterwards++
			}
			continue
		}
		require.Equal(t, r, Parse(c.Text, toolsOf(c.Calls...)), c.Text)
		require.Empty(t, r.Content, c.Text)
		require.False(t, r.Incomplete, c.Text)
		require.Len(t, r.Calls, len(c.Calls), c.Text)
		for i, want := range c.Calls {
			require.Equal(t, want.Name, r.Calls[i].Name, c.Text)
			require.Equal(t, meaning(t, want.Arguments), meaning(t, r.Calls[i].Arguments), c.Text)
		}
	}
	require.Less(t, afterwards, 5)
}

// TestRender sends what was parsed and the results back through transformers' template.
func TestRender(t *testing.T) {
	g := readGoldens(t)
	tmpl, err := chat.Parse(g.Template, chat.Options{Tokens: map[string]string{"bos_token": "<|begin_of_text|>"}})
	require.NoError(t, err)
	tools, err := ReadTools(g.Tools)
	require.NoError(t, err)
	for _, c := range g.Render {
		var msgs []chat.Message
		if c.System != "" {
			msgs = append(msgs, chat.Message{Role: "system", Content: chat.Text(c.System)})
		}
		var calls []Call
		for _, turn := range c.Turns {
			switch string(turn[0]) {
			case `"user"`:
				msgs = append(msgs, chat.Message{Role: "user", Content: chat.Text(unquote(t, turn[1]))})
			case `"answer"`:
				r := Parse(unquote(t, turn[1]), Options{Tools: tools})
				require.Equal(t, unquote(t, turn[2]), r.Content)
				calls = r.Calls
				msgs = append(msgs, r.Message())
			case `"result"`:
				var i int
				require.NoError(t, json.Unmarshal(turn[1], &i))
				msgs = append(msgs, calls[i].Reply(chat.Content{JSON: turn[2]}))
			}
		}
		p, err := tmpl.Render(t.Context(), chat.Input{Messages: msgs, Tools: g.Tools, AddGenerationPrompt: true,
			DateString: "26 Jul 2024", Extra: c.Extra})
		require.NoError(t, err, c.Name)
		require.Equal(t, c.Out, p.String(), c.Name)
	}
}

func unquote(t *testing.T, raw json.RawMessage) string {
	var s string
	require.NoError(t, json.Unmarshal(raw, &s))
	return s
}
