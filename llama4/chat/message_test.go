package chat

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMessageJSON(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Content
	}{
		{`{"role":"user","content":"hi"}`, Text("hi")},
		{`{"role":"user","content":""}`, Text("")},
		{`{"role":"user","content":[]}`, Parts()},
		{`{"role":"user","content":[{"type":"text","text":"a"},{"type":"image","path":"x.png"}]}`, Parts(
			Part{Type: "text", Text: "a", keys: []string{"type", "text"}}, Part{Type: "image", Path: "x.png", keys: []string{"type", "path"}})},
		{`{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://x","detail":"low"}}]}`, Parts(
			Part{Type: "image", URL: "http://x", keys: []string{"type", "url"}})},
		{`{"role":"user","content":[{"image":"QUJD","type":"image"}]}`, Parts(Part{Type: "image", Image: "QUJD", keys: []string{"image", "type"}})},
		{`{"role":"user","content":null}`, Content{JSON: json.RawMessage("null")}},
		{`{"role":"assistant","content":null,"tool_calls":[{"function":{}}]}`, Text("")},
		{`{"role":"assistant","tool_calls":[]}`, Content{absent: true}},
		{`{"content":{"a":[1]},"role":"tool"}`, Content{JSON: json.RawMessage(`{"a":[1]}`)}},
		{`{"role":"ipython","content":[1,{"type":"x"}]}`, Content{JSON: json.RawMessage(`[1,{"type":"x"}]`)}},
		{`{"role":"tool","content":4.5}`, Content{JSON: json.RawMessage(`4.5`)}},
	} {
		var m Message
		require.NoError(t, json.Unmarshal([]byte(c.in), &m), c.in)
		require.Equal(t, c.want, m.Content, c.in)
	}
}

func TestMessageErrors(t *testing.T) {
	for in, want := range map[string]string{
		`[1]`:               "messages[0]: message: expected a JSON object",
		`{}`:                "messages must be a JSON list of objects",
		`[{"content":"x"}]`: "messages[0]: role is missing",
		`[{"role":"user","content":"x"},{"role":7}]`:                                            "messages[1]: role must be a string",
		`[{"role":"user","content":5}]`:                                                         "messages[0]: content must be a string, a list of parts or null",
		`[{"role":"user","content":{"a":1}}]`:                                                   "content must be a string, a list of parts or null",
		`[{"role":"user","content":[{"type":"text","text":"a"},{"type":"audio","audio":"x"}]}]`: `messages[0]: content[1]: unknown part type "audio", want text or image`,
		`[{"role":"user","content":[{"text":"a"}]}]`:                                            "content[0]: type is missing",
		`[{"role":"user","content":["a"]}]`:                                                     "content[0]: part: expected a JSON object",
		`[{"role":"user","content":[{"type":"text"}]}]`:                                         "content[0]: text is missing",
		`[{"role":"user","content":[{"type":"text","text":null}]}]`:                             "content[0]: text must be a string",
		`[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]`:                     "content[0]: image_url must be",
		`[{"role":"assistant","tool_calls":{}}]`:                                                "messages[0]: tool_calls must be a list of objects",
		`[{"role":"assistant","tool_calls":["f"]}]`:                                             "messages[0]: tool_calls[0] must be an object",
		`[{"role":"user","name":1}]`:                                                            "messages[0]: name must be a string",
		`[{"role":"user","content":"a"`:                                                         "messages must be a JSON list of objects",
	} {
		_, err := ReadMessages([]byte(in))
		require.ErrorContains(t, err, want, in)
	}
}

// TestMessageRoundTrip checks that keys keep their order, extra ones included.
func TestMessageRoundTrip(t *testing.T) {
	for _, in := range []string{
		`{"role":"user","content":"a<b> é"}`,
		`{"zeta":{"b":1,"a":[null]},"content":[{"text":"x","type":"text","cache":true},{"type":"image"}],"role":"user","alpha":1}`,
		`{"role":"assistant","content":"","tool_calls":[{"type":"function","function":{"name":"f","arguments":{"z":1,"a":2}}}]}`,
		`{"role":"tool","name":"f","tool_call_id":"1","content":{"z":1,"a":2}}`,
		`{"role":"assistant","tool_calls":[]}`,
	} {
		var m Message
		require.NoError(t, json.Unmarshal([]byte(in), &m))
		out, err := json.Marshal(m)
		require.NoError(t, err)
		require.JSONEq(t, in, string(out))
		var again Message
		require.NoError(t, json.Unmarshal(out, &again))
		require.Equal(t, m.keys, again.keys)
	}
	m := Message{Role: "user", Content: Parts(TextPart("a"), ImagePart("b.png")), Name: "n", Extra: []Field{{"x", json.RawMessage("1")}}}
	out, err := json.Marshal(m)
	require.NoError(t, err)
	require.Equal(t, `{"role":"user","content":[{"type":"text","text":"a"},{"type":"image","path":"b.png"}],"name":"n","x":1}`, string(out))
}
