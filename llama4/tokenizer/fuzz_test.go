package tokenizer

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// usable checks what must hold for any tokenizer that loads.
func usable(t *testing.T, tok *Tokenizer) {
	t.Helper()
	for _, text := range []string{"", "Hello, wörld! 你好 <|eot|>\n\xff\xe4\xbd", "aaaaabcabcabc  \n\n 12345"} {
		ids := tok.Encode(text)
		require.Equal(t, text, joined(tok, ids))
		require.Equal(t, text, joined(tok, tok.EncodeSpecial(text)))
		require.Equal(t, tok.Decode(ids), stream(tok, true, ids))
	}
}

func FuzzParseJSON(f *testing.F) {
	data, err := os.ReadFile(demoFile)
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte(`{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a","b"],"a b"]}}`))
	f.Add([]byte(`{"added_tokens":[{"id":0,"content":"x"}],"pre_tokenizer":{"type":"Sequence"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if tok, err := ParseJSON(data); err == nil {
			usable(t, tok)
		}
	})
}

// FuzzVocab fuzzes what stands in the vocabulary and in the merges of a file
// that is fine apart from them.
func FuzzVocab(f *testing.F) {
	f.Add(`{"a":0}`, `["a b"]`)
	f.Add(`{"\u0120":0, "b" : 1 , "a":5e0}`, `[["a","b"], "a b", [ "a" , "b" ]]`)
	f.Add(`[]`, `{"a":[]}`)
	f.Fuzz(func(t *testing.T, vocab, merges string) {
		data := editDemo(t, func(object) {})
		data = replaceRaw(t, data, vocab, merges)
		if tok, err := ParseJSON(data); err == nil {
			usable(t, tok)
		}
	})
}

func FuzzParseTiktoken(f *testing.F) {
	f.Add([]byte(modelFile("ab", "abc", "\xe4\xbd")))
	f.Add([]byte("AA== 0\n\nAQ== 1"))
	f.Add([]byte("=== -1\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if tok, err := ParseTiktoken(data); err == nil {
			usable(t, tok)
		}
		if tok, err := ParseTiktoken(append([]byte(modelFile()), data...)); err == nil {
			usable(t, tok)
		}
	})
}

func FuzzEncode(f *testing.F) {
	tok, err := Open(demoFile)
	require.NoError(f, err)
	for _, s := range []string{
		"", "Hello, World's end", "ABªCD'Sx ǅ\u0301", "a  b \n\n  c\t1 12345½", " !?\r\n//x", "<|eot|><|image", "\xf0\x9f\x98\x80\xf0\x9f\xff\xed\xa0\x80",
		"a'ſ ''ll \u00a0\u2028中文'd",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := oracleEnds([]byte(s))
		require.NoError(t, err)
		require.Equal(t, want, scanEnds([]byte(s)))

		ids := tok.Encode(s)
		require.Equal(t, s, joined(tok, ids))
		require.False(t, slices.ContainsFunc(ids, tok.IsSpecial))
		var defined []int32 // piece by piece, as byte pair encoding is defined
		start := 0
		for _, end := range want {
			defined = append(defined, slowMerge(tok.merger, []byte(s[start:end]))...)
			start = end
		}
		require.Equal(t, append([]int32{}, defined...), ids)

		special := tok.EncodeSpecial(s)
		require.Equal(t, s, joined(tok, special))
		require.Equal(t, tok.Decode(special), stream(tok, true, special))
		require.Equal(t, tok.Decode(ids), stream(tok, false, ids))
	})
}
