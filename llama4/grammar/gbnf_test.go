package grammar

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGBNF(t *testing.T) {
	v := demoVocabulary(t)
	for _, c := range []struct {
		source    string
		good, bad []string
	}{
		{`root ::= "a\n\t\r\"\\\[\]" [\x41] [\u00e9] [\U0001F600]`, []string{"a\n\t\r\"\\[]Aé😀"}, []string{"a\n\t\r\"\\[]Aé"}},
		{`root ::= [a-c\]-]+`, []string{"abc]-"}, []string{"", "d"}},
		{`root ::= [^a-c\n]`, []string{"d", "é", "日", "😀", "\x00"}, []string{"a", "\n", "", "\xc3", "\xff", "de"}},
		{`root ::= .`, []string{"a", "\n", "é", "\U0010ffff"}, []string{"", "\xc3", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80"}},
		{`root ::= "ab"{2} [c]{1,} "d"{0,2} ("e" | "f")?`, []string{"ababc", "ababcccddf", "ababce"}, []string{"abab", "abc", "ababcddd", "ababcef"}},
		{`root ::= "a"{ 2 , 3 }`, []string{"aa", "aaa"}, []string{"a", "aaaa"}},
		{"root ::= a | # comment\n  b # more\n\n# and\na ::= \"x\"\r\nb ::= (\n\"y\"\n\"z\"\n)", []string{"x", "yz"}, []string{"y"}},
		{"root ::= \"x\"\n  | \"y\"\n", []string{"x", "y"}, []string{"xy"}},
		{`root ::=`, []string{""}, []string{"a"}},
		{`root ::= "" | "a" |`, []string{"", "a"}, []string{"b"}},
		{`root ::= "a"*?+`, []string{"", "aaa"}, []string{"b"}},
		{gbnfs["joined"], []string{"!1", "a!1", "a!2", "a(b)!1", "a(b)!2", "aa((b))!1", "aa()!2", "aaa!2"}, []string{"!2", "aaa!1", "a(b!1"}},
		{`root ::= "a" root | "b"`, []string{"b", "aab"}, []string{"a", "bb"}},
	} {
		g, err := ParseGBNF(c.source)
		require.NoError(t, err, c.source)
		for _, text := range c.good {
			require.True(t, accepts(g, v, text), "%s: %q", c.source, text)
		}
		for _, text := range c.bad {
			require.False(t, accepts(g, v, text), "%s: %q", c.source, text)
		}
	}
}

func TestGBNFErrors(t *testing.T) {
	for _, c := range []struct{ source, want string }{
		{``, `line 1, column 1: there is no rule "root"`},
		{"a ::= \"x\"\n", `line 2, column 1: there is no rule "root"`},
		{"root ::= a\n", `line 1, column 10: rule "a" is not defined`},
		{"root ::= \"é\" b", `line 1, column 14: rule "b" is not defined`},
		{"root ::= \"x\"\nroot ::= \"y\"", `line 2, column 1: rule "root" is defined already, at line 1, column 1`},
		{"root = \"x\"", `line 1, column 6: found "=", want ::= after the name of rule "root"`},
		{"root ::= \"x", `line 1, column 10: the literal has no closing quote on its line`},
		{"root ::= [x\n]", `line 1, column 10: the class has no closing ] on its line`},
		{"root ::= []", `line 1, column 10: no character is in the class []`},
		{`root ::= [^\x00-\U0010FFFF]`, `line 1, column 10: no character is in the class [^\x00-\U0010FFFF]`},
		{"root ::= [z-a]", `line 1, column 11: the range "z-a" ends before it starts`},
		{`root ::= "\q"`, `line 1, column 11: unknown escape, want \n \r \t \" \\ \[ \] \- \^ \xNN \uNNNN or \UNNNNNNNN`},
		{`root ::= "\xg0"`, `line 1, column 11: want 2 hexadecimal digits in the escape`},
		{`root ::= "\u12`, `line 1, column 11: the escape ends early, want 4 hexadecimal digits`},
		{`root ::= "\uD800"`, `line 1, column 11: the escape is no character`},
		{`root ::= "\UFFFFFFFF"`, `line 1, column 11: the escape is no character`},
		{`root ::= ("a"`, `line 1, column 14: found the end, want ) for the ( at line 1, column 10`},
		{`root ::= "a")`, `line 1, column 13: found ")", want the end of the line after rule "root"`},
		{`root ::= *`, `line 1, column 10: there is nothing before "*" to repeat`},
		{`root ::= "a"{x}`, `line 1, column 14: found "x", want a number of repetitions`},
		{`root ::= "a"{3,2}`, `line 1, column 13: the repetition has a maximum of 2 below its minimum of 3`},
		{`root ::= "a"{1000000}`, `line 1, column 14: 1000000 repetitions are more than 100000`},
		{`root ::= "a"{1`, `line 1, column 15: found the end, want } after a repetition`},
		{"root ::= \"a\xff\"", `line 1, column 12: the grammar is not valid UTF-8`},
		{"root ::= \"a\"\n\n= x", `line 3, column 1: found "=", want the name of a rule`},
		{"root ::= a\na ::= b \"x\"\nb ::= \"y\"? a | \"z\"", `grammar: rule "a" is left-recursive, it can begin with itself (a > b > a): write it as a repetition`},
		{"root ::= root \"x\" | \"y\"", `grammar: rule "root" is left-recursive, it can begin with itself (root > root): write it as a repetition`},
		{"root ::= \"x\" root", `grammar: rule "root" matches no finite text`},
		{"root ::= " + strings.Repeat("(", 300), `line 1, column 210: groups are nested more than 200 times`},
	} {
		_, err := ParseGBNF(c.source)
		require.EqualError(t, err, c.want, c.source)
	}
	_, err := ParseGBNF(strings.Repeat(" ", maxSource+1))
	require.ErrorContains(t, err, "more than 1048576")
}
