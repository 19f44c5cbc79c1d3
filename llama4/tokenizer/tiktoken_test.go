package tokenizer

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// modelFile writes the 256 bytes and more tokens as tokenizer.model.
func modelFile(more ...string) string {
	var sb strings.Builder
	for i := range 256 + len(more) {
		s := string([]byte{byte(i)})
		if i >= 256 {
			s = more[i-256]
		}
		_, _ = fmt.Fprintf(&sb, "%s %d\n", base64Of(s), i)
	}
	return sb.String()
}

func TestParseTiktoken(t *testing.T) {
	// Blank lines, the line ends of Windows and no line end are all fine.
	for _, file := range []string{
		modelFile("ab", "abc"),
		"\n" + strings.ReplaceAll(modelFile("ab", "abc"), "\n", "\r\n") + "\n\n",
		strings.TrimSuffix(modelFile("ab", "abc"), "\n"),
	} {
		tok, err := ParseTiktoken([]byte(file))
		require.NoError(t, err)
		require.Equal(t, 258+2048, tok.VocabSize())
		require.Equal(t, []int32{257, 'c', 256, 'a', 258 + 8}, tok.EncodeSpecial("abccaba<|eot|>"))
	}
}

// The demo's tokenizer.json and the same vocabulary as ranks give the same ids.
func TestLoadersAgreeOnDemo(t *testing.T) {
	tok := demo(t)
	var sb strings.Builder
	for id, s := range tok.tokens {
		if !tok.special[id] {
			_, _ = fmt.Fprintf(&sb, "%s %d\n", base64Of(s), id)
		}
	}
	ranks, err := ParseTiktoken([]byte(sb.String()))
	require.NoError(t, err)
	for _, x := range readGoldens(t).Texts {
		require.Equal(t, x.Demo, ranks.Encode(x.Text), "%q", x.Text)
	}
}

func TestParseTiktokenErrors(t *testing.T) {
	line := func(n int, with string) string {
		lines := strings.Split(modelFile("ab"), "\n")
		lines[n-1] = with
		return strings.Join(lines, "\n")
	}
	for name, x := range map[string]struct{ file, want string }{
		"empty":            {"", "no token for byte 0x00"},
		"byte missing":     {strings.TrimSuffix(modelFile(), "/w== 255\n"), "no token for byte 0xFF"},
		"base64":           {line(3, "A*== 2"), "line 3: token: illegal base64"},
		"base64 cut":       {line(3, "AA 2"), "line 3: token: illegal base64"},
		"base64 loose":     {line(3, "AC== 2"), "line 3: token: illegal base64"},
		"one field":        {line(5, "BA=="), "line 5: 1 fields"},
		"three fields":     {line(5, "BA== 4 4"), "line 5: 3 fields"},
		"rank":             {line(5, "BA== four"), `line 5: rank "four" is not a number`},
		"rank float":       {line(5, "BA== 4.0"), `line 5: rank "4.0" is not a number`},
		"rank negative":    {line(5, "BA== -4"), "line 5: rank -4 is out of range"},
		"rank past end":    {line(5, "BA== 257"), "line 5: rank 257 is out of range: the file has 257 tokens, so ranks run from 0 to 256"},
		"rank huge":        {line(5, "BA== 4000000000"), "line 5: rank 4000000000 is out of range"},
		"rank beyond int":  {line(5, "BA== 99999999999999999999"), "line 5: rank"},
		"rank twice":       {line(5, "BA== 3"), "line 5: rank 3 is already on line 4"},
		"token twice":      {line(257, "BA== 256"), `line 257: token "\x04" is the same as line 5`},
		"token too long":   {line(257, base64Of(strings.Repeat("x", 1025))+" 256"), "line 257: a token of 1025 bytes"},
		"not a model file": {"\x00\x01\x02", "line 1: 1 fields"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseTiktoken([]byte(x.file))
			require.ErrorContains(t, err, "tokenizer.model: ")
			require.ErrorContains(t, err, x.want)
		})
	}
}
