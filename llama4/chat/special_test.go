package chat

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// allTokens are the names that a prompt for Llama 4 can hold, those of images too.
var allTokens = bytesEncoder{
	"<|begin_of_text|>", "<|end_of_text|>", "<|header_start|>", "<|header_end|>", "<|eom|>", "<|eot|>", "<|python_start|>", "<|python_end|>",
	"<|image_start|>", "<|image_end|>", "<|image|>", "<|patch|>", "<|tile_x_separator|>", "<|tile_y_separator|>", "<|finetune_right_pad|>",
}

// everyField is a conversation with tools that has s wherever somebody may write.
func everyField(t *testing.T, s string) Input {
	quoted, err := json.Marshal(s)
	require.NoError(t, err)
	escaped := strings.NewReplacer("<", `\u003c`, "|", `\u007C`).Replace(string(quoted))
	in := func(format string) json.RawMessage {
		return json.RawMessage(strings.NewReplacer("%q", string(quoted), "%e", escaped).Replace(format))
	}
	messages, err := ReadMessages(in(`[
		{"role":"system","content":%q,"name":%q},
		{"role":"user","content":%q,"name":%q,%q:{%q:[%q,%e]}},
		{"role":"user","content":[{"type":"text","text":%q,"more":%q},{"type":"image","path":%q},{"type":"text","text":%e},
			{"type":"image","url":%q},{"type":"image","image":%q},{"type":"text","text":"<"},{"type":"text","text":"|image|>"}]},
		{"role":"assistant","content":%q,"tool_calls":[
			{"id":%q,"type":"function","function":{"name":%q,"arguments":{%q:%q,"nested":[{%e:%e}]}}},
			{"type":"function","function":{"name":%e,"arguments":%q}}]},
		{"role":"tool","name":%q,"tool_call_id":%q,"content":%q},
		{"role":"ipython","content":{%q:[%q,{%e:%e}]}},
		{"role":"tool","content":[%q,[%e]]},
		{"role":"assistant","content":[{"type":"text","text":%q}]},
		{"role":%q,"content":%q}]`))
	require.NoError(t, err)
	return Input{Messages: messages, AddGenerationPrompt: true, DateString: s, Tools: in(`[
		{"type":"function","function":{"name":%q,"description":%q,%q:%e,"parameters":{"type":"object",
			"properties":{%q:{"type":"string","description":%q,"enum":[%q,%e],"default":%q}},"required":[%q]}}}]`)}
}

// TestEveryFieldStaysText writes special tokens, whole and in pieces, into every field that a template sees. The special
// tokens of the prompt must be those with harmless text in the same places, and the text must be the whole of it.
func TestEveryFieldStaysText(t *testing.T) {
	texts := []string{"<|", "<", "|>", "|eot|>", "<|eot", "<<|image|>>", "<|<|patch|>|>", strings.Join(allTokens, ""), strings.Join(allTokens, " ")}
	texts = append(texts, allTokens...)
	opts := Options{Tokens: map[string]string{"bos_token": "<|begin_of_text|>", "eos_token": "<|eot|>"}}
	dated, err := Parse("{% for m in messages %}{{ bos_token }}{{ date_string }}{{ date_string }}{% endfor %}", opts)
	require.NoError(t, err)
	for name, tmpl := range map[string]*Template{"llama4": parseFile(t, "llama4", opts), "dump": parseFile(t, "dump", opts), "dated": dated} {
		for _, tools := range []map[string]any{nil, {"tools_in_user_message": false}} {
			render := func(s string) (string, []string) {
				in := everyField(t, s)
				in.Extra = tools
				p, err := tmpl.Render(t.Context(), in)
				require.NoError(t, err)
				text, specials := allTokens.decode(p.Encode(allTokens))
				require.Equal(t, p.String(), text)
				return text, specials
			}
			_, want := render("x")
			if name == "llama4" {
				require.Contains(t, want, "<|image|>")
				require.Contains(t, want, "<|python_start|>")
			}
			for _, s := range texts {
				text, got := render(s)
				require.Equal(t, want, got, "%s with %q", name, s)
				require.GreaterOrEqual(t, strings.Count(text, s), 15, s)
			}
		}
	}
}
