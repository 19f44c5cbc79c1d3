package tokenizer

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// demoVocabulary is the demo tokenizer in parts.
func demoVocabulary(tb testing.TB) *Vocabulary {
	tb.Helper()
	raw, err := os.ReadFile(demoFile)
	require.NoError(tb, err)
	var f struct {
		AddedTokens []struct {
			ID      int
			Content string
		} `json:"added_tokens"`
		Model struct {
			Vocab  map[string]int
			Merges [][]string
		}
	}
	require.NoError(tb, json.Unmarshal(raw, &f))
	n := len(f.Model.Vocab) + len(f.AddedTokens)
	v := &Vocabulary{Tokens: make([]string, n), Kinds: make([]Kind, n)}
	for token, id := range f.Model.Vocab {
		v.Tokens[id] = token
	}
	for _, a := range f.AddedTokens {
		v.Tokens[a.ID], v.Kinds[a.ID] = a.Content, Special
	}
	for _, m := range f.Model.Merges {
		v.Merges = append(v.Merges, strings.Join(m, " "))
	}
	return v
}

// TestNew makes the tokenizer that ParseJSON makes of the same vocabulary.
func TestNew(t *testing.T) {
	v := demoVocabulary(t)
	got, err := New(v)
	require.NoError(t, err)
	want := demo(t)
	require.Equal(t, want.VocabSize(), got.VocabSize())
	for _, text := range []string{"", "Once upon a time", "naïve 你好 🦊\r\n\t'LL 12345", "<|begin_of_text|>Hi<|eot|>", "\xff<|eot"} {
		require.Equal(t, want.Encode(text), got.Encode(text), text)
		require.Equal(t, want.EncodeSpecial(text), got.EncodeSpecial(text), text)
	}

	v.Kinds[slices.Index(v.Tokens, "<|eot|>")] = Word
	got, err = New(v)
	require.NoError(t, err)
	require.Equal(t, want.EncodeSpecial("Hi<|eot|>"), got.Encode("Hi<|eot|>"))
	_, special := got.Special("<|eot|>")
	require.False(t, special)
}

func TestNewFaults(t *testing.T) {
	last := len(demoVocabulary(t).Tokens) - 1
	for want, change := range map[string]func(*Vocabulary){
		"vocabulary: 764 tokens, but kinds of 763":                            func(v *Vocabulary) { v.Kinds = v.Kinds[1:] },
		`vocabulary: tokens[0] "": an empty token`:                            func(v *Vocabulary) { v.Tokens[0] = "" },
		`vocabulary: tokens[763] "": an empty token`:                          func(v *Vocabulary) { v.Tokens[last] = "" },
		`vocabulary: tokens[763] "\xff": not UTF-8`:                           func(v *Vocabulary) { v.Tokens[last] = "\xff" },
		`vocabulary: tokens[763] "<|eot|>": there twice`:                      func(v *Vocabulary) { v.Tokens[last] = "<|eot|>" },
		`vocabulary: tokens[0] " ": U+0020 is not a letter of the byte-level`: func(v *Vocabulary) { v.Tokens[0] = " " },
		`vocabulary: tokens[1]: token "!" is the same as tokens[0]`:           func(v *Vocabulary) { v.Tokens[1] = v.Tokens[0] },
		`vocabulary: no token for byte 0x21`:                                  func(v *Vocabulary) { v.Kinds[0] = Special },
		`vocabulary: merges[0]: "ab" is not "a b"`:                            func(v *Vocabulary) { v.Merges[0] = "ab" },
		`vocabulary: merges[0]: "a b c" is not "a b"`:                         func(v *Vocabulary) { v.Merges[0] = "a b c" },
		`vocabulary: merges[1]: token "zzz" is not in the vocabulary`:         func(v *Vocabulary) { v.Merges[1] = "zzz zz" },
		`vocabulary: merges[2]: an empty token`:                               func(v *Vocabulary) { v.Merges[2] = "a " },
	} {
		v := demoVocabulary(t)
		change(v)
		_, err := New(v)
		require.ErrorContains(t, err, want)
	}
}
