package chat

import (
	"context"
	"encoding/json"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func files(m map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, data := range m {
		fsys[name] = &fstest.MapFile{Data: []byte(data)}
	}
	return fsys
}

func TestLoad(t *testing.T) {
	const show = `{{ bos_token }}/{{ eos_token }}/{{ messages[0].content }}`
	config := `{"bos_token":"<s>","eos_token":{"content":"</s>","special":true},"pad_token":null`
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"jinja file first": {map[string]string{"chat_template.jinja": show, "tokenizer_config.json": config + `,"chat_template":"wrong"}`,
			"chat_template.json": `{"chat_template":"wrong"}`}, "<s>/</s>/hi"},
		"config string": {map[string]string{"tokenizer_config.json": config + `,"chat_template":"` + show + `"}`,
			"chat_template.json": `{"chat_template":"wrong"}`}, "<s>/</s>/hi"},
		"config list": {map[string]string{"tokenizer_config.json": config + `,"chat_template":[{"name":"tool_use","template":"wrong"},{"name":"default","template":"` +
			show + `"}]}`}, "<s>/</s>/hi"},
		"json file":    {map[string]string{"chat_template.json": `{"chat_template":"` + show + `"}`}, "//hi"},
		"tokens apart": {map[string]string{"chat_template.jinja": show, "special_tokens_map.json": `{"bos_token":"B"}`}, "B//hi"},
	} {
		tmpl, err := Load(files(c.files))
		require.NoError(t, err, name)
		p, err := tmpl.Render(t.Context(), Input{Messages: []Message{{Role: "user", Content: Text("hi")}}})
		require.NoError(t, err, name)
		require.Equal(t, c.want, p.String(), name)
	}
}

func TestLoadErrors(t *testing.T) {
	_, err := Load(files(nil))
	require.ErrorIs(t, err, ErrNoTemplate)
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"syntax":      {map[string]string{"chat_template.jinja": "a\n{% if %}"}, "chat_template.jinja: chat template: line 2: expected an expression"},
		"json":        {map[string]string{"tokenizer_config.json": "{"}, "tokenizer_config.json: unexpected end of JSON input"},
		"no default":  {map[string]string{"tokenizer_config.json": `{"chat_template":[{"name":"rag","template":"x"}]}`}, "no template named default among [rag]"},
		"kind":        {map[string]string{"tokenizer_config.json": `{"chat_template":5}`}, "chat_template of tokenizer_config.json: expected a string or a list"},
		"token":       {map[string]string{"chat_template.jinja": "x", "tokenizer_config.json": `{"bos_token":7}`}, "bos_token of tokenizer_config.json: expected a string"},
		"added":       {map[string]string{"chat_template.jinja": "x", "tokenizer_config.json": `{"added_tokens_decoder":[]}`}, "added_tokens_decoder of tokenizer_config.json"},
		"not a text":  {map[string]string{"chat_template.jinja": "\xff"}, "the source is not valid UTF-8"},
		"null in all": {map[string]string{"tokenizer_config.json": `{"chat_template":null}`}, "no chat template"},
	} {
		_, err := Load(files(c.files))
		require.ErrorContains(t, err, c.want, name)
	}
}

func TestRenderErrors(t *testing.T) {
	tmpl, err := Parse("{{ messages[0].content }}{{ q }}", Options{})
	require.NoError(t, err)
	hi := []Message{{Role: "user", Content: Text("hi")}}
	for want, in := range map[string]Input{
		"chat template: no messages":                             {},
		"tools must be a list of objects":                        {Messages: hi, Tools: []byte(`{}`)},
		"tools[1] must be an object":                             {Messages: hi, Tools: []byte(`[{},3]`)},
		"tools: bad JSON":                                        {Messages: hi, Tools: []byte(`[`)},
		"variable q: json: unsupported type":                     {Messages: hi, Extra: map[string]any{"q": func() {}}},
		"the variable messages can't be set by Extra":            {Messages: hi, Extra: map[string]any{"messages": 1}},
		`messages[0]: content: [0]: unknown part type "video"`:   {Messages: []Message{{Role: "user", Content: Parts(Part{Type: "video"})}}},
		"messages[0]: content: bad JSON":                         {Messages: []Message{{Role: "user", Content: Content{JSON: []byte("{")}}}},
		"messages[0]: x: bad JSON: unexpected EOF":               {Messages: []Message{{Role: "user", Extra: []Field{{Name: "x"}}}}},
		"messages[0]: tool_calls: [0]: bad JSON: unexpected EOF": {Messages: []Message{{Role: "user", ToolCalls: []json.RawMessage{nil}}}},
	} {
		_, err := tmpl.Render(t.Context(), in)
		require.ErrorContains(t, err, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = tmpl.Render(ctx, Input{Messages: hi})
	require.ErrorIs(t, err, context.Canceled)
}
