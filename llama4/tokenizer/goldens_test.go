package tokenizer

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The goldens come from tiktoken and Hugging Face tokenizers, which agree on
// all of them; see testdata/goldens.py.

func TestClassesEqualReference(t *testing.T) {
	runs := readGoldens(t).Classes
	for i, run := range runs {
		end := 0x110000
		if i+1 < len(runs) {
			end = runs[i+1].Start
		}
		for r := run.Start; r < end; r++ {
			if got := classOf(rune(r)); got != run.Class[0] {
				t.Fatalf("%U: class %c, want %s", r, got, run.Class)
			}
		}
	}
}

// equalGoldens compares a tokenizer with the goldens of one vocabulary.
func equalGoldens(t *testing.T, tok *Tokenizer, ids func(goldenText) []int32, decode []goldenDecode) {
	t.Helper()
	g := readGoldens(t)
	for _, x := range g.Texts {
		require.Equal(t, ids(x), tok.Encode(x.Text), "%q", x.Text)
		require.Equal(t, x.Text, tok.Decode(ids(x)))
	}
	for _, x := range g.Special {
		require.Equal(t, ids(x), tok.EncodeSpecial(x.Text), "%q", x.Text)
		require.Equal(t, x.Text, tok.Decode(ids(x)))
	}
	for _, x := range decode {
		require.Equal(t, x.Text, tok.Decode(x.IDs), "%v", x.IDs)
		require.Equal(t, x.Text, stream(tok, true, x.IDs), "%v", x.IDs)
	}
}

func demoIDs(x goldenText) []int32 { return x.Demo }
func realIDs(x goldenText) []int32 { return x.Real }

func TestDemoGoldens(t *testing.T) {
	equalGoldens(t, demo(t), demoIDs, readGoldens(t).Decode[0])
}

func TestRealGoldens(t *testing.T) {
	equalGoldens(t, realTokenizer(t), realIDs, readGoldens(t).Decode[1])
}

func TestRealGoldensAsJSON(t *testing.T) {
	tok := realTokenizer(t)
	data := convert(t, tok)
	for _, set := range []string{`"ignore_merges":true`, `"ignore_merges":false`} {
		t.Run(set, func(t *testing.T) {
			data := bytes.Replace(data, []byte(`"ignore_merges":true`), []byte(set), 1)
			require.Contains(t, string(data), set)
			got, err := ParseJSON(data)
			require.NoError(t, err)
			require.Equal(t, tok.added, got.added)
			require.True(t, slices.Equal(tok.tokens, got.tokens))
			equalGoldens(t, got, realIDs, readGoldens(t).Decode[1])
		})
	}
}

func TestLlama4Special(t *testing.T) {
	names := llama4Special()
	require.Len(t, names, 2048)
	for name, want := range map[string]int32{
		"<|begin_of_text|>": 200000, "<|end_of_text|>": 200001, "<|fim_suffix|>": 200004,
		"<|header_start|>": 200005, "<|header_end|>": 200006, "<|eom|>": 200007, "<|eot|>": 200008, "<|step|>": 200009,
		"<|text_post_train_reserved_special_token_5|>": 200015, "<|python_start|>": 200016, "<|python_end|>": 200017,
		"<|finetune_right_pad|>": 200018, "<|text_post_train_reserved_special_token_8|>": 200019,
		"<|text_post_train_reserved_special_token_68|>": 200079,
		"<|image_start|>": 200080, "<|image_end|>": 200081, "<|vision_reserved_special_token_1|>": 200083,
		"<|tile_x_separator|>": 200084, "<|tile_y_separator|>": 200085, "<|vision_reserved_special_token_5|>": 200089,
		"<|image|>": 200090, "<|patch|>": 200092, "<|vision_reserved_special_token_7|>": 200093,
		"<|vision_reserved_special_token_1047|>": 201133, "<|reasoning_reserved_special_token_0|>": 201134,
		"<|reasoning_thinking_start|>": 201142, "<|reasoning_thinking_end|>": 201143,
		"<|reserved_special_token_0|>": 201144, "<|reserved_special_token_903|>": 202047,
	} {
		require.Equal(t, name, names[want-200000])
	}
}

func TestRealSpecials(t *testing.T) {
	tok := realTokenizer(t)
	require.Equal(t, 202048, tok.VocabSize())
	for i, name := range llama4Special() {
		id, ok := tok.Special(name)
		require.True(t, ok, name)
		require.Equal(t, int32(200000+i), id, name)
		require.Equal(t, name, tok.Token(id))
		require.True(t, tok.IsSpecial(id))
	}
}

func TestAddedTokensGoldens(t *testing.T) {
	added := readGoldens(t).Added
	tok, err := ParseJSON(editDemo(t, func(m map[string]any) { m["added_tokens"] = added.Tokens }))
	require.NoError(t, err)
	for _, x := range added.Texts {
		require.Equal(t, x.Demo, tok.Encode(x.Text), "%q", x.Text)
		require.Equal(t, x.Real, tok.EncodeSpecial(x.Text), "%q", x.Text)
		require.Equal(t, x.Text, tok.Decode(tok.Encode(x.Text)))
	}
}

// stream decodes ids one by one.
func stream(t *Tokenizer, showSpecial bool, ids []int32) string {
	d := NewDecoder(t)
	d.ShowSpecial = showSpecial
	var out string
	for _, id := range ids {
		out += d.Next(id)
	}
	return out + d.Flush()
}
