package jinja

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestProtect(t *testing.T) {
	names := []string{"[INST]", "</s>", "a[b"}
	for _, s := range []string{"<|eot|>", "x<|", "<", "|>", "|", "[INST]", "a[INST]b[INST]", "[INS", "</s>", "</", "a[b", "[b", "<<||>>", "[[INST]"} {
		p := Protect(s, names)
		require.NotEqual(t, s, p)
		require.Equal(t, s, Unmark(p))
		require.Len(t, p, len(s))
	}
	for _, s := range []string{"", "plain", "a < b | c", "b[]", "[inst]", "日本|"} {
		require.Equal(t, s, Protect(s, names))
	}
	require.Equal(t, "a\uFFFD\uFFFD", Protect("a\xff\uFFFD", nil), "a mark can't be smuggled in as invalid UTF-8")
}

// TestProtectJoined checks the purpose: however user texts are cut and joined, no name appears in the result.
func TestProtectJoined(t *testing.T) {
	names := []string{"[INST]", "</s>", "x[y]z"}
	piece := rapid.StringOf(rapid.SampledFrom([]rune("<|>[]/INSTsxyz é")))
	rapid.Check(t, func(t *rapid.T) {
		var plain, marked strings.Builder
		for _, s := range rapid.SliceOf(piece).Draw(t, "pieces") {
			plain.WriteString(s)
			marked.WriteString(Protect(s, names))
		}
		m := marked.String()
		for _, bad := range append([]string{"<|"}, names...) {
			require.NotContains(t, m, bad)
		}
		require.Equal(t, plain.String(), Unmark(m))
	})
}

// TestMarksAreTransparent compares renders over a protected text with renders over the plain one: the template must not
// see a difference.
func TestMarksAreTransparent(t *testing.T) {
	const user = " <|eot|> a<|b|>c [INST] <|EOT|> é| <"
	for _, source := range []string{
		`{{ s }}`, `{{ s|upper }}{{ s|lower }}{{ s|title }}{{ s.title() }}{{ s|capitalize }}{{ s.swapcase() }}`,
		`{{ s|trim }}{{ s.strip(' <') }}{{ s.lstrip(' <|') }}`, `{{ s|length }}{{ s[::-1] }}{{ s[1:3] }}{{ s[2] }}{{ s|reverse }}{{ s|list }}`,
		`{{ '<|eot|>' in s }}{{ '<|x' in s }}{{ s.startswith(' <|') }}{{ s.endswith('| <') }}{{ s.find('<|b') }}{{ s.count('<|') }}`,
		`{{ s.split('<|') }}{{ s.split('|>', 1) }}{{ s.rsplit('<|', 1) }}{{ s.partition('<|b') }}{{ s.split() }}`,
		`{{ s.replace('<|', '[') }}{{ s|replace('<|eot|>', '', 1) }}{{ s|replace('', '-') }}`,
		`{{ s == ' <|eot|> a<|b|>c [INST] <|EOT|> é| <' }}{{ s < ' <|f' }}{{ s in [s] }}{{ s is eq(s) }}`,
		`{{ s|tojson }}{{ s|tojson(ensure_ascii=true) }}{{ [s] }}{{ s|e }}{{ s|wordcount }}{{ s|indent }}{{ s|center(60) }}`,
		`{{ [s, '<|a', 'z']|sort }}{{ [s, s]|unique|list }}{{ '%s|%40s|%.4s' % (s, s, s) }}{{ '{}'.format(s) }}{{ s|truncate(9, true) }}`,
		`{% for c in s %}{{ c }},{% endfor %}{{ s.removeprefix(' <|') }}{{ s.removesuffix('| <') }}{{ s.splitlines() }}{{ s is upper }}`,
	} {
		want, err := render(t, source, map[string]Value{"s": user}, Limits{})
		require.NoError(t, err, source)
		got, err := render(t, source, map[string]Value{"s": Protect(user, []string{"[INST]"})}, Limits{})
		require.NoError(t, err, source)
		require.Equal(t, want, Unmark(got), source)
		require.True(t, utf8.ValidString(Unmark(got)), source)
	}
}

// FuzzTemplate renders arbitrary sources: errors are fine, panics, invalid text and overrunning are not.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{
		"{{ x }}", "{% for a in l if a %}{{ loop.index }}{% else %}e{% endfor %}", "{%- set x = 1 -%} {# c #} {% raw %}{{{% endraw %}",
		"{% macro f(a, b=2) %}{{ a ~ b }}{% endmacro %}{{ f(1)|upper }}", "{{ l|map('string')|join(',')|tojson(indent=2) }}",
		"{{ x.split('<|')[0][::-1] if x is string else m['k'].j }}", "{% call(a) f() %}{% endcall %}{% filter trim %} {% endfilter %}",
		"{{ '%5.2f %s' % (1.5, x) }}{{ 2 ** 3 // -2 % 5 }}", "{% with a=1 %}{{ raise_exception(a) }}{% endwith %}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		vars := map[string]Value{"x": Protect("<|eot|> é", nil), "l": NewList(int64(1), "b", nil, 2.5), "m": NewDict()}
		out, err := render(t, source, vars, Limits{Time: 200e6, Memory: 4 << 20})
		if err != nil {
			require.NotContains(t, err.Error(), "internal error")
			return
		}
		require.True(t, utf8.ValidString(Unmark(out)), "%q", out)
	})
}
