package sample

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func newStopper(t require.TestingT, stops ...string) *Stopper {
	s, err := NewStopper(stops)
	require.NoError(t, err)
	return s
}

func TestStopper(t *testing.T) {
	for _, c := range []struct {
		name          string
		stops, pieces []string
		want          []string // what Feed returns for each piece
		stopped       bool     // after the last
		flush         string
	}{
		{"no stops", nil, []string{"a", "", "b"}, []string{"a", "", "b"}, false, ""},
		{"no match", []string{"xyz"}, []string{"abc", "def"}, []string{"abc", "def"}, false, ""},
		{"whole", []string{"END"}, []string{"the END of it"}, []string{"the "}, true, ""},
		{"at once", []string{"END"}, []string{"END"}, []string{""}, true, ""},
		{"split", []string{"END"}, []string{"the E", "N", "D of it"}, []string{"the ", "", ""}, true, ""},
		{"dropped after", []string{"END"}, []string{"aEND", "b", "END"}, []string{"a", "", ""}, true, ""},
		{"held and freed", []string{"END"}, []string{"a EN", "GINE"}, []string{"a ", "ENGIN"}, false, "E"},
		{"held at the end", []string{"END"}, []string{"a EN"}, []string{"a "}, false, "EN"},
		{"held anew", []string{"aab"}, []string{"aa", "a", "a", "b"}, []string{"", "a", "a", ""}, true, ""},
		{"several", []string{"one", "two"}, []string{"a two b one"}, []string{"a "}, true, ""},
		{"prefix of another", []string{"stop", "stopper"}, []string{"x stopper"}, []string{"x "}, true, ""},
		{"end of another", []string{"op", "stop"}, []string{"x st", "op"}, []string{"x ", ""}, true, ""},
		{"inside another, complete first", []string{"abcd", "bc"}, []string{"xab", "cd"}, []string{"x", "a"}, true, ""},
		{"overlap, complete first", []string{"abcx", "cd"}, []string{"ab", "c", "d"}, []string{"", "", "ab"}, true, ""},
		{"longest held", []string{"ba", "abab"}, []string{"xab"}, []string{"x"}, false, "ab"},
		{"characters", []string{"é!"}, []string{"caf", "é", "è"}, []string{"caf", "", "éè"}, false, ""},
		{"half a character alike", []string{"é"}, []string{"è"}, []string{"è"}, false, ""},
		{"newlines", []string{"\n\n"}, []string{"a\n", "b\n", "\nc"}, []string{"a", "\nb", ""}, true, ""},
		{"twice the same", []string{"x", "x"}, []string{"ax"}, []string{"a"}, true, ""},
		{"broken text", []string{"END"}, []string{"\xffE", "\xc3", "END"}, []string{"\xff", "E\xc3", ""}, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStopper(t, c.stops...)
			var stopped bool
			for i, piece := range c.pieces {
				var got string
				got, stopped = s.Feed(piece)
				require.Equal(t, c.want[i], got, "piece %d", i)
			}
			require.Equal(t, c.stopped, stopped)
			require.Equal(t, c.flush, s.Flush())
			require.Empty(t, s.Flush())
		})
	}
}

func TestStopperFlushBeginsAnew(t *testing.T) {
	s := newStopper(t, "END")
	_, stopped := s.Feed("EN")
	require.False(t, stopped)
	require.Equal(t, "EN", s.Flush())
	safe, stopped := s.Feed("D")
	require.Equal(t, "D", safe)
	require.False(t, stopped)
}

func TestNewStopperErrors(t *testing.T) {
	for _, c := range []struct {
		stops []string
		want  string
	}{
		{strings.Split(strings.Repeat("x", MaxStops+1), ""), "got 17 stop strings, want at most 16"},
		{[]string{"a", ""}, "stop string 1 is empty; leave it out"},
		{[]string{strings.Repeat("x", MaxStopBytes+1)}, "stop string 0 has 1025 bytes, want at most 1024"},
		{[]string{"a\xff"}, `stop string 0 is not UTF-8: "a\xff"`},
	} {
		_, err := NewStopper(c.stops)
		require.EqualError(t, err, c.want)
	}
	_, err := NewStopper(strings.Split(strings.Repeat("x", MaxStops), ""))
	require.NoError(t, err)
	_, err = NewStopper([]string{strings.Repeat("x", MaxStopBytes)})
	require.NoError(t, err)
}

// plainCut returns the text before the first stop string that is complete, of
// several at the same byte before the longest.
func plainCut(text string, stops []string) (string, bool) {
	for end := range len(text) + 1 {
		longest := 0
		for _, stop := range stops {
			if strings.HasSuffix(text[:end], stop) {
				longest = max(longest, len(stop))
			}
		}
		if longest > 0 {
			return text[:end-longest], true
		}
	}
	return text, false
}

// plainHeld returns the longest end of text with which a stop string begins.
func plainHeld(text string, stops []string) string {
	for i := range text {
		for _, stop := range stops {
			if strings.HasPrefix(stop, text[i:]) {
				return text[i:]
			}
		}
	}
	return ""
}

// checkStopper feeds the pieces and compares with the plain rules.
func checkStopper(t require.TestingT, stops, pieces []string) {
	text := strings.Join(pieces, "")
	want, wantStop := plainCut(text, stops)
	s := newStopper(t, stops...)
	var out, in string
	var stopped bool
	whole := true // all characters came whole
	for _, piece := range pieces {
		in += piece
		whole = whole && utf8.ValidString(piece)
		safe, now := s.Feed(piece)
		out += safe
		require.False(t, stopped && !now, "stopped, then went on")
		stopped = now
		require.True(t, strings.HasPrefix(want, out), "sent %q, which is not the beginning of %q", out, want)
		if !stopped && utf8.ValidString(in) {
			require.Equal(t, strings.TrimSuffix(in, plainHeld(in, stops)), out, "held back too much or too little")
		}
		require.True(t, !whole || utf8.ValidString(safe), "half a character in %q", safe)
	}
	require.Equal(t, wantStop, stopped)
	out += s.Flush()
	require.Equal(t, want, out)
	for _, stop := range stops {
		require.NotContains(t, out, stop)
	}
}

func TestStopperEqualsPlainRules(t *testing.T) {
	// Few letters make many matches; the others share bytes: é is C3 A9, è C3 A8, and
	// 。 and 、 differ in the last of three.
	alphabet := rapid.SampledFrom([]string{"a", "a", "b", "c", "é", "è", "。", "、", "🦙"})
	word := func(least, most int) *rapid.Generator[string] {
		return rapid.Map(rapid.SliceOfN(alphabet, least, most), func(s []string) string { return strings.Join(s, "") })
	}
	rapid.Check(t, func(t *rapid.T) {
		stops := rapid.SliceOfN(word(1, 5), 0, 4).Draw(t, "stops")
		pieces := rapid.SliceOfN(word(0, 6), 0, 12).Draw(t, "pieces")
		checkStopper(t, stops, pieces)
	})
}
