package tokenizer

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
	"github.com/stretchr/testify/require"
)

var oracle = regexp2.MustCompile(pattern)

// goClass classifies with Go's own tables, which are of Unicode 15.0.
func goClass(r rune) byte {
	switch {
	case r == '\r' || r == '\n':
		return classNewline
	case unicode.IsSpace(r):
		return classSpace
	case unicode.In(r, unicode.Lu, unicode.Lt):
		return classUpper
	case unicode.Is(unicode.Ll, r):
		return classLower
	case unicode.In(r, unicode.Lm, unicode.Lo):
		return classBoth
	case unicode.IsMark(r):
		return classMark
	case unicode.IsNumber(r):
		return classNumber
	}
	return classOther
}

// oracleEnds returns the ends of the pieces of b that the regular expression
// finds. The oracle reads runes: U+FFFD for what is ill-formed and, where it
// would take another class than ours, a character whose class nobody disputes.
func oracleEnds(b []byte) ([]int, error) {
	var runes []rune
	ends := []int{0} // by number of runes
	for i := 0; i < len(b); {
		n, whole := sequence(b[i:])
		r := utf8.RuneError
		if whole {
			r, _ = utf8.DecodeRune(b[i:])
		}
		if c := classOf(r); c != goClass(r) {
			r = map[byte]rune{classUpper: 'A', classLower: 'b', classBoth: '中', classMark: 0x301, classNumber: '1', classOther: '!'}[c]
		}
		i += n
		runes = append(runes, r)
		ends = append(ends, i)
	}
	var out []int
	err := oracle.FindRunesMatches(runes, 0, func(m regexp2.MatchView) bool {
		at, n, _ := m.GroupRange(0)
		out = append(out, ends[at+n])
		return true
	})
	return out, err
}

func scanEnds(b []byte) []int {
	var out []int
	for i := 0; i < len(b); {
		i = pieceEnd(b, i)
		out = append(out, i)
	}
	return out
}

func TestScanEqualsPattern(t *testing.T) {
	for _, x := range readGoldens(t).Texts {
		want, err := oracleEnds([]byte(x.Text))
		require.NoError(t, err)
		require.Equal(t, want, scanEnds([]byte(x.Text)), "%q", x.Text)
	}
}

// The alphabet has what the pattern tells apart, and parts of characters.
var alphabet = strings.Fields(`a s S t ll LL re v E d B ǅ ʰ ª 中 ́ ⃝ 1 ٣ ½ Ⅷ ! / ' '' ’ ſ … 😀 ` +
	"\xff \xc3 \xe4\xbd \xf0\x9f\x98 \xed\xa0\x80 \xbf \U00010d50 \U00016ea0 \U000323b0 ß \x00")

func TestScanEqualsPatternOnSequences(t *testing.T) {
	parts := append([]string{" ", "  ", "\n", "\r", "\r\n", "\t", "\u00a0", "\u3000", "\u0085", "\u2028"}, alphabet...)
	r := rand.New(rand.NewPCG(1, 2))
	for range 30000 {
		var s []byte
		for range r.IntN(20) {
			s = append(s, parts[r.IntN(len(parts))]...)
		}
		want, err := oracleEnds(s)
		require.NoError(t, err)
		require.Equal(t, want, scanEnds(s), "%q", s)
	}
}

func TestPieces(t *testing.T) {
	for text, want := range map[string][]string{
		"":                        nil,
		"Hello, World's":          {"Hello", ",", " World's"},
		"ABªCD efG":               {"ABª", "CD", " ef", "G"}, // L+ takes back what is in both classes
		"ABC'Sx":                  {"ABC'S", "x"},
		"a'ſb":                    {"a'ſ", "b"},
		"it''s":                   {"it", "''", "s"}, // no contraction, and no letter after the first quote
		"\u0301ABC":               {"\u0301", "ABC"},
		"12345":                   {"123", "45"},
		"a  b \n\n  c":            {"a", " ", " b", " \n\n", " ", " c"},
		" !?\r\n/x":               {" !?\r\n/", "x"},
		"\t\t1":                   {"\t", "\t", "1"},
		"x  ":                     {"x", "  "},
		"\xf0\x9fabc":             {"\xf0\x9fabc"}, // one ill-formed sequence is one character
		"\xbf\xbfabc":             {"\xbf\xbf", "abc"},
		"\U00016ea0\U00016ea0abc": {"\U00016ea0\U00016ea0", "abc"}, // no letter before Unicode 17
		"\U00010d50\U00010d70":    {"\U00010d50\U00010d70"},        // letters since Unicode 16
		"A\u00a0B":                {"A", "\u00a0B"},
	} {
		var got []string
		for i := 0; i < len(text); {
			j := pieceEnd([]byte(text), i)
			got = append(got, text[i:j])
			i = j
		}
		require.Equal(t, want, got, "%q", text)
	}
}

// Go's tables are of Unicode 15.0. Those here may only add characters to them.
func TestClassesExtendGo(t *testing.T) {
	if unicode.Version != "15.0.0" {
		t.Skipf("Go has Unicode %s", unicode.Version)
	}
	added := 0
	for r := range rune(unicode.MaxRune + 1) {
		if r >= 0xD800 && r < 0xE000 {
			continue
		}
		if got, old := classOf(r), goClass(r); got != old {
			require.Equal(t, byte(classOther), old, "%U", r)
			added++
		}
	}
	require.Positive(t, added)
}
