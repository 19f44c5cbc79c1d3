package tokenizer

import (
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAccessors(t *testing.T) {
	tok := demo(t)
	require.Equal(t, 764, tok.VocabSize())

	eot, ok := tok.Special("<|eot|>")
	require.True(t, ok)
	require.Equal(t, int32(753), eot)
	require.True(t, tok.IsSpecial(eot))
	require.Equal(t, "<|eot|>", tok.Token(eot))
	name, ok := tok.Bytes(eot)
	require.True(t, ok)
	require.Equal(t, "<|eot|>", string(name))

	for _, name := range []string{"", "eot", "<|eot", "the", "<|no_such|>"} {
		_, ok := tok.Special(name)
		require.False(t, ok, name)
	}
	for _, id := range []int32{-1, math.MinInt32, 764, math.MaxInt32} {
		_, ok := tok.Bytes(id)
		require.False(t, ok)
		require.False(t, tok.IsSpecial(id))
		require.Empty(t, tok.Token(id))
		require.Empty(t, tok.Decode([]int32{id}))
		require.Empty(t, NewDecoder(tok).Next(id))
	}

	euro := tok.Encode("€") // three bytes in the demo vocabulary
	require.Len(t, euro, 3)
	require.False(t, tok.IsSpecial(euro[0]))
	require.Equal(t, "\uFFFD", tok.Token(euro[0]))
	require.Equal(t, " the", tok.Token(tok.Encode(" the")[0]))

	b, _ := tok.Bytes(0)
	b[0] = 'x'
	require.Equal(t, "!", tok.Token(0), "what Bytes returns is a copy")
}

func TestEncodeIsPlainText(t *testing.T) {
	tok := demo(t)
	for _, name := range []string{"<|eot|>", "<|image|>", "<|patch|>", "a<|begin_of_text|>b"} {
		ids := tok.Encode(name)
		require.False(t, slices.ContainsFunc(ids, tok.IsSpecial), name)
		require.Equal(t, name, tok.Decode(ids))
	}
}

func TestAppendEncode(t *testing.T) {
	tok := demo(t)
	dst := append(make([]int32, 0, 100), 7)
	got := tok.AppendEncode(dst, "the end")
	require.Equal(t, append([]int32{7}, tok.Encode("the end")...), got)
	require.Same(t, &dst[0], &got[0], "no new array while there is room")
	require.Nil(t, tok.AppendEncode(nil, ""))
	require.NotNil(t, tok.Encode(""))
	require.Empty(t, tok.EncodeSpecial(""))

	text := strings.Repeat("the end of a longer word, ", 9)
	dst = make([]int32, 0, 1000)
	require.Zero(t, testing.AllocsPerRun(10, func() { _ = tok.AppendEncode(dst, text) }))
}

// Bytes that are not UTF-8 come through byte for byte.
func TestInvalidBytes(t *testing.T) {
	tok := demo(t)
	for text, decoded := range map[string]string{
		"\xff":                      "\uFFFD",
		"a\xc3b":                    "a\uFFFDb",
		"\xe4\xbd":                  "\uFFFD",
		"\xe4\xbd\xa0\xe5":          "你\uFFFD",
		"\xf0\x9f\x98x":             "\uFFFDx",
		"\xf0\x9f\xff":              "\uFFFD\uFFFD",
		"\xed\xa0\x80":              "\uFFFD\uFFFD\uFFFD", // a surrogate
		"\xf4\x90\x80\x80":          "\uFFFD\uFFFD\uFFFD\uFFFD",
		"\xc0\x80\xe0\x80":          "\uFFFD\uFFFD\uFFFD\uFFFD", // overlong
		"\xf8\x88\x80\x80\x80 word": "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD word",
		"\uFFFD":                    "\uFFFD",
	} {
		ids := tok.Encode(text)
		require.Equal(t, text, joined(tok, ids))
		require.Equal(t, decoded, tok.Decode(ids), "%q", text)
		require.Equal(t, decoded, stream(tok, false, ids), "%q", text)
	}
}

func TestDecoderHoldsBack(t *testing.T) {
	tok := demo(t)
	d := NewDecoder(tok)
	next := func(b byte) string { return d.Next(tok.merger.bytes[b]) }

	require.Equal(t, []string{"", "", "", "😀"}, []string{next(0xF0), next(0x9F), next(0x98), next(0x80)})
	require.Equal(t, []string{"", "\uFFFDa"}, []string{next(0xE4), next('a')}, "dead once it cannot be finished")
	require.Equal(t, []string{"", "", "\uFFFD", "é"}, []string{next(0xE4), next(0xBD), next(0xC3), next(0xA9)})
	require.Equal(t, []string{"\uFFFD", "\uFFFD"}, []string{next(0x80), next(0xFF)}, "dead from the start")
	require.Equal(t, []string{"", "\uFFFD\uFFFD", "\uFFFD"}, []string{next(0xF0), next(0x80), next(0xF5)}, "overlong")

	require.Empty(t, next(0xE4))
	require.Equal(t, "\uFFFD", d.Flush())
	require.Empty(t, d.Flush())
	require.Equal(t, "b", next('b'), "ready again after Flush")
}

func TestDecoderSpecial(t *testing.T) {
	tok := demo(t)
	eot, _ := tok.Special("<|eot|>")
	e := tok.Encode("é")
	require.Len(t, e, 2)
	ids := []int32{e[0], eot, e[1], eot}
	require.Equal(t, "\uFFFD<|eot|>\uFFFD<|eot|>", stream(tok, true, ids))
	require.Equal(t, "é", stream(tok, false, ids), "without a trace")
	require.Equal(t, tok.Decode(ids), stream(tok, true, ids))
}

func TestSplitSpecial(t *testing.T) {
	tok := demo(t)
	id := func(name string) int32 {
		id, ok := tok.Special(name)
		require.True(t, ok)
		return id
	}
	text := "a<|eot|><|eot|> <|eo<|image|>b<|image_start|"
	want := []Piece{
		{"a", -1}, {"<|eot|>", id("<|eot|>")}, {"<|eot|>", id("<|eot|>")}, {" <|eo", -1},
		{"<|image|>", id("<|image|>")}, {"b<|image_start|", -1},
	}
	require.Equal(t, want, slices.Collect(tok.SplitSpecial(text)))
	for range tok.SplitSpecial(text) {
		break // an early end is no fault
	}
	require.Empty(t, slices.Collect(tok.SplitSpecial("")))
	require.Equal(t, []Piece{{"x", -1}}, slices.Collect(tok.SplitSpecial("x")))
}

func TestLongestSpecialWins(t *testing.T) {
	m := newMatcher([]addedToken{{id: 1, name: "ab"}, {id: 2, name: "abcd"}, {id: 3, name: "bc"}, {id: 4, name: "é"}, {id: 5, name: "a\xff"}})
	var got []int32
	split("abcabcdxbcabé\xc3abca\xff", []*matcher{m}, func(p Piece) bool {
		got = append(got, p.ID)
		return true
	})
	require.Equal(t, []int32{1, -1, 2, -1, 3, 1, 4, -1, 1, -1, 5}, got)
}

func TestOpen(t *testing.T) {
	data, err := os.ReadFile(demoFile)
	require.NoError(t, err)
	write := func(path string, data []byte) {
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
	size := func(path string) int {
		tok, err := Open(path)
		require.NoError(t, err)
		return tok.VocabSize()
	}

	dir := t.TempDir()
	_, err = Open(dir)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "neither tokenizer.json nor tokenizer.model")

	write(filepath.Join(dir, "tokenizer.model"), []byte(modelFile("ab")))
	require.Equal(t, 257+2048, size(dir))
	write(filepath.Join(dir, "tokenizer.json"), data)
	require.Equal(t, 764, size(dir), "tokenizer.json comes first")
	write(filepath.Join(dir, "any name"), append([]byte("\n "), data...))
	require.Equal(t, 764, size(filepath.Join(dir, "any name")))

	_, err = Open(filepath.Join(dir, "missing"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	write(filepath.Join(dir, "bad"), []byte("{"))
	_, err = Open(filepath.Join(dir, "bad"))
	require.ErrorContains(t, err, filepath.Join(dir, "bad")+": tokenizer.json: line 1")
	write(filepath.Join(dir, "bad"), nil)
	_, err = Open(filepath.Join(dir, "bad"))
	require.ErrorContains(t, err, "bad: tokenizer.model: no token for byte 0x00")

	require.NoError(t, os.Truncate(filepath.Join(dir, "bad"), maxFile+1)) // sparse
	_, err = Open(filepath.Join(dir, "bad"))
	require.ErrorContains(t, err, "too many for a tokenizer")
}

func TestConcurrentUse(t *testing.T) {
	tok := demo(t)
	texts := readGoldens(t).Texts[:400]
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, x := range texts {
				if got := tok.Encode(x.Text); !slices.Equal(got, x.Demo) || stream(tok, true, got) != x.Text {
					t.Errorf("%q: %v", x.Text, got)
				}
			}
		})
	}
	wg.Wait()
}
