package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type object = map[string]any

func TestParseJSONVariants(t *testing.T) {
	want := demo(t)
	same := func(t *testing.T, data []byte) {
		t.Helper()
		tok, err := ParseJSON(data)
		require.NoError(t, err)
		for _, x := range readGoldens(t).Texts[:200] {
			require.Equal(t, want.Encode(x.Text), tok.Encode(x.Text), "%q", x.Text)
		}
	}
	for name, edit := range map[string]func(m object){
		"as it is": func(object) {},
		"merges as strings": func(m object) {
			model := m["model"].(object)
			for i, x := range model["merges"].([]any) {
				model["merges"].([]any)[i] = fmt.Sprint(x.([]any)[0], " ", x.([]any)[1])
			}
		},
		"no model type, no decoder": func(m object) {
			delete(m, "decoder")
			delete(m["model"].(object), "type")
		},
		"empty prefix and suffix": func(m object) {
			m["model"].(object)["continuing_subword_prefix"] = ""
			m["model"].(object)["end_of_word_suffix"] = ""
		},
		"special tokens in the vocabulary too": func(m object) {
			for _, a := range m["added_tokens"].([]any) {
				m["model"].(object)["vocab"].(object)[a.(object)["content"].(string)] = a.(object)["id"]
			}
		},
	} {
		t.Run(name, func(t *testing.T) { same(t, editDemo(t, edit)) })
	}
	t.Run("escaped and indented", func(t *testing.T) {
		var out bytes.Buffer
		require.NoError(t, json.Indent(&out, editDemo(t, func(object) {}), "\t", "  "))
		var ascii strings.Builder
		for _, r := range out.String() {
			if r < 0x80 {
				_, _ = ascii.WriteRune(r)
			} else {
				_, _ = fmt.Fprintf(&ascii, `\u%04x`, r)
			}
		}
		same(t, []byte(ascii.String()))
	})
}

// "Ġzq" has no merge that makes it: only ignore_merges lets a piece become it.
func TestIgnoreMerges(t *testing.T) {
	for _, ignore := range []bool{true, false} {
		tok, err := ParseJSON(editDemo(t, func(m object) {
			model := m["model"].(object)
			model["ignore_merges"] = ignore
			model["vocab"].(object)["Ġzq"] = 764
		}))
		require.NoError(t, err)
		ids := tok.Encode("a zq zqs")
		space, z, q, s := tok.Encode(" ")[0], tok.Encode("z")[0], tok.Encode("q")[0], tok.Encode("s")[0]
		want := []int32{tok.Encode("a")[0], space, z, q, space, z, q, s}
		if ignore {
			want = []int32{tok.Encode("a")[0], 764, space, z, q, s}
		}
		require.Equal(t, want, ids)
		require.Equal(t, " zq", tok.Token(764))
	}
}

// As in Hugging Face's tokenizers, the last of two equal merges counts.
func TestMergeTwice(t *testing.T) {
	encode := func(merges ...any) []int32 {
		tok, err := ParseJSON(editDemo(t, func(m object) {
			model := m["model"].(object)
			model["vocab"].(object)["xq"], model["vocab"].(object)["qz"] = 764, 765
			model["merges"] = merges
		}))
		require.NoError(t, err)
		return tok.Encode("xqz")
	}
	xq, qz := [2]string{"x", "q"}, [2]string{"q", "z"}
	require.Equal(t, int32(764), encode(xq, qz)[0])
	require.Equal(t, int32(765), encode(xq, qz, xq)[1])
}

func TestParseJSONErrors(t *testing.T) {
	pre := func(m object, i int) object {
		return m["pre_tokenizer"].(object)["pretokenizers"].([]any)[i].(object)
	}
	model := func(key string, value any) func(m object) {
		return func(m object) { m["model"].(object)[key] = value }
	}
	vocab := func(key string, id any) func(m object) {
		return func(m object) { m["model"].(object)["vocab"].(object)[key] = id }
	}
	merge := func(x any) func(m object) {
		return func(m object) { m["model"].(object)["merges"].([]any)[7] = x }
	}
	added := func(key string, value any) func(m object) {
		return func(m object) { m["added_tokens"].([]any)[2].(object)[key] = value }
	}
	for name, x := range map[string]struct {
		edit func(m object)
		want string
	}{
		"normalizer":         {func(m object) { m["normalizer"] = object{"type": "NFC"} }, `normalizer: "NFC" is not supported`},
		"no pre-tokenizer":   {func(m object) { m["pre_tokenizer"] = nil }, "pre_tokenizer: missing"},
		"pre-tokenizer":      {func(m object) { m["pre_tokenizer"] = object{"type": "Metaspace"} }, `pre_tokenizer: "Metaspace" is not supported`},
		"pattern":            {func(m object) { pre(m, 0)["pattern"] = object{"Regex": `\s+`} }, `pre_tokenizer.pretokenizers[0].pattern.Regex: "\\s+" is not the o200k pattern`},
		"pattern is text":    {func(m object) { pre(m, 0)["pattern"] = object{"String": " "} }, "pattern.Regex: missing"},
		"behavior":           {func(m object) { pre(m, 0)["behavior"] = "Removed" }, `behavior: "Removed" is not supported`},
		"invert":             {func(m object) { pre(m, 0)["invert"] = true }, "invert: true is not supported"},
		"prefix space":       {func(m object) { pre(m, 1)["add_prefix_space"] = true }, "add_prefix_space: must be false"},
		"regex by default":   {func(m object) { delete(pre(m, 1), "use_regex") }, "use_regex: must be false"},
		"decoder":            {func(m object) { m["decoder"] = object{"type": "WordPiece"} }, `decoder: type "WordPiece" is not supported`},
		"no model":           {func(m object) { delete(m, "model") }, "model: missing"},
		"model type":         {model("type", "Unigram"), `model.type: "Unigram" is not supported, only BPE`},
		"dropout":            {model("dropout", 0.1), "model.dropout: 0.1 is not supported"},
		"unknown token":      {model("unk_token", "<unk>"), `model.unk_token: "<unk>" is not supported`},
		"prefix":             {model("continuing_subword_prefix", "##"), "model.continuing_subword_prefix"},
		"suffix":             {model("end_of_word_suffix", "</w>"), "model.end_of_word_suffix"},
		"byte fallback":      {model("byte_fallback", true), "model.byte_fallback: true is not supported"},
		"no vocabulary":      {func(m object) { delete(m["model"].(object), "vocab") }, "model.vocab: missing"},
		"vocabulary list":    {model("vocab", []int{1}), "model.vocab: not an object"},
		"no merges":          {func(m object) { delete(m["model"].(object), "merges") }, "model.merges: missing"},
		"merges object":      {model("merges", object{}), "model.merges: not a list"},
		"bad letter":         {vocab("a b", 764), `model.vocab["a b"]: U+0020 is not a letter of the byte-level alphabet`},
		"far letter":         {vocab("日", 764), `model.vocab["日"]: U+65E5 is not a letter`},
		"empty token":        {vocab("", 764), `model.vocab[""]: an empty token`},
		"id taken":           {vocab("zq", 300), "id 300 is already taken by model.vocab["},
		"id of added token":  {vocab("zq", 750), "id 750 is already taken by model.vocab[\"zq\"]"},
		"hole":               {vocab("zq", 765), `model.vocab["zq"]: id 765 is out of range: the file has 765 tokens, so ids run from 0 to 764 without a hole`},
		"negative id":        {vocab("zq", -1), `model.vocab["zq"]: id -1 is out of range`},
		"huge id":            {vocab("zq", int64(1)<<62), `model.vocab["zq"]: id 4611686018427387904 is out of range`},
		"id beyond int64":    {vocab("zq", json.RawMessage("99999999999999999999")), `model.vocab["zq"]: 99999999999999999999 is not an id`},
		"id is a float":      {vocab("zq", 764.5), `model.vocab["zq"]: 764.5 is not an id`},
		"id is a string":     {vocab("zq", "764"), `model.vocab["zq"]: " is not an id`},
		"id is null":         {vocab("zq", nil), `model.vocab["zq"]: null is not an id`},
		"byte missing":       {func(m object) { moveKey(m, "Ā", "zq") }, "model.vocab: no token for byte 0x00"},
		"unknown left":       {merge([]string{"zq", "a"}), `model.merges[7]: token "zq" is not in the vocabulary`},
		"unknown right":      {merge("a zq"), `model.merges[7]: token "zq" is not in the vocabulary`},
		"unknown result":     {merge("z q"), `model.merges[7]: token "zq" is not in the vocabulary`},
		"merge of bad byte":  {merge([]string{"日", "a"}), `model.merges[7]: "日": U+65E5 is not a letter`},
		"merge of nothing":   {merge([]string{"", "a"}), "model.merges[7]: an empty token"},
		"merge of one":       {merge("the"), "model.merges[7]: neither"},
		"merge of three":     {merge("t h e"), "model.merges[7]: neither"},
		"merge of list of 3": {merge([]string{"t", "h", "e"}), "model.merges[7]: neither"},
		"merge is a number":  {merge(5), "model.merges[7]: neither"},
		"added without id":   {added("id", nil), `added_tokens[2] "<|fim_prefix|>": id is missing`},
		"added without name": {added("content", ""), `added_tokens[2] "": content is missing or empty`},
		"added twice":        {added("content", "<|end_of_text|>"), `added_tokens[2] "<|end_of_text|>": content is there twice`},
		"added id taken":     {added("id", 748), `added_tokens[2] "<|fim_prefix|>": id 748 is already taken by added_tokens[1]`},
		"added id in vocab":  {added("id", 5), `added_tokens[2] "<|fim_prefix|>": id 5 is already taken by model.vocab["&"]`},
		"added id huge":      {added("id", 1<<40), `added_tokens[2] "<|fim_prefix|>": id 1099511627776 is out of range`},
		"added id is text":   {added("id", "7"), "added_tokens.id: unexpected string"},
		"added strips":       {added("lstrip", true), `added_tokens[2] "<|fim_prefix|>": single_word, lstrip and rstrip`},
		"added in vocab":     {vocab("<|fim_prefix|>", 748), `model.vocab["<|fim_prefix|>"]: id 748, but added_tokens says 749`},
		"vocabulary is text": {model("type", 5), "model.type: unexpected number"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseJSON(editDemo(t, x.edit))
			require.ErrorContains(t, err, "tokenizer.json: ")
			require.ErrorContains(t, err, x.want)
		})
	}
}

// moveKey gives a key of the vocabulary another name.
func moveKey(m object, from, to string) {
	vocab := m["model"].(object)["vocab"].(object)
	vocab[to] = vocab[from]
	delete(vocab, from)
}

// Errors that only the bytes of a file can have.
func TestParseJSONErrorsOfBytes(t *testing.T) {
	data, err := os.ReadFile(demoFile)
	require.NoError(t, err)
	lines := bytes.SplitAfter(data, []byte("\n"))
	require.Greater(t, len(lines), 100, "the tests below count lines")
	replace := func(old, with string) []byte {
		require.Contains(t, string(data), old)
		return bytes.Replace(data, []byte(old), []byte(with), 1)
	}
	for name, x := range map[string]struct {
		file []byte
		want string
	}{
		"empty":            {nil, "line 1: unexpected end of JSON input"},
		"cut off":          {bytes.Join(lines[:50], nil), "line 51: unexpected end of JSON input"},
		"bad syntax":       {replace(`"version": "1.0",`, `"version": "1.0";`), "line 2: invalid character ';'"},
		"not UTF-8":        {replace("<|eom|>", "<|\xffm|>"), "not UTF-8"},
		"cut-off UTF-8":    {append(bytes.Clone(data), 0xE4, 0xBD), "not UTF-8"},
		"key twice":        {replace(`"vocab": {`, `"vocab": {"!": 764, `), `model.vocab: id 764: token "!" is the same as id 0`},
		"id written twice": {replace(`"vocab": {`, `"vocab": {"zq": 0, `), `model.vocab["!"]: id 0 is already taken by model.vocab["zq"]`},
		"a list":           {[]byte("[]"), "line 1: top level: unexpected array"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseJSON(x.file)
			require.ErrorContains(t, err, x.want)
		})
	}
}
