package toolcall

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// collect adds deltas up to a Result; it fails where they are not in order.
func collect(t require.TestingT, r *Result, deltas []Delta) {
	for _, d := range deltas {
		last := len(r.Calls) - 1
		switch d.Kind {
		case Content:
			require.NotEmpty(t, d.Text)
			r.Content += d.Text
		case Begin:
			require.Equal(t, last+1, d.Index)
			r.Calls = append(r.Calls, Call{Name: d.Text})
		case Arguments:
			require.Equal(t, last, d.Index)
			require.NotEmpty(t, d.Text)
			r.Calls[last].Arguments = append(r.Calls[last].Arguments, d.Text...)
		case End:
			require.Equal(t, last, d.Index)
			require.Equal(t, d.Incomplete, d.Text != "" || d.Incomplete)
			r.Calls[last].Arguments = append(r.Calls[last].Arguments, d.Text...)
			r.Calls[last].Incomplete = d.Incomplete
		}
	}
}

// checkPieces checks that a text means the same in pieces and whole, and that its arguments are JSON.
func checkPieces(t require.TestingT, text string, o Options, cuts []int) {
	whole := Parse(text, o)
	p := NewParser(o)
	var sum Result
	from := 0
	for _, cut := range append(slices.Clip(cuts), len(text)) {
		collect(t, &sum, p.Feed(text[from:cut]))
		from = cut
	}
	collect(t, &sum, p.Flush())
	sum.Incomplete = whole.Incomplete
	require.Equal(t, whole, sum, "%q cut at %v", text, cuts)
	require.Equal(t, whole, p.Result())
	for _, c := range whole.Calls {
		require.True(t, json.Valid(c.Arguments), "%s", c.Arguments)
		require.Equal(t, byte('{'), c.Arguments[0])
		require.True(t, o.Tools != nil || !c.Incomplete)
	}
}

// parts are what random texts are made of.
var parts = []string{"[", "]", "(", ")", "{", "}", ",", "=", ":", ";", " ", "\n", "\"", "'", `"""`, "\\", "\\n", "\\u00e9", "\\ud83d", "\\x", "0", "12", "-1.5", "1_0",
	"f", "g", "a", "b", "True", "null", "r", "é", "😀", "\xff", "\xf0\x9f", "`", "```", "~~~\n", "[f(a=", "[f(", `{"name": "f", `, `"parameters": {`, `{"function": {`, "[1, "}

func drawText(t *rapid.T) string {
	var b strings.Builder
	for _, s := range rapid.SliceOfN(rapid.SampledFrom(parts), 0, 30).Draw(t, "parts") {
		b.WriteString(s)
	}
	return b.String()
}

func drawCuts(t *rapid.T, n int) []int {
	cuts := rapid.SliceOfN(rapid.IntRange(0, n), 0, 12).Draw(t, "cuts")
	slices.Sort(cuts)
	return cuts
}

// TestPieces cuts texts everywhere: those of the goldens, faults included, and random ones.
func TestPieces(t *testing.T) {
	g := readGoldens(t)
	for i, c := range append(g.Python, g.JSON...) {
		every := make([]int, len(c.Text))
		for j := range every {
			every[j] = j
		}
		for _, o := range []Options{{}, toolsOf(Call{Name: "f"}, Call{Name: "get_it"})} {
			checkPieces(t, c.Text, o, every)
			checkPieces(t, c.Text[:i%(len(c.Text)+1)], o, nil)
			checkPieces(t, "x "+c.Text+"; "+c.Text, o, every)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := drawText(t)
		for _, o := range []Options{{}, known} {
			checkPieces(t, text, o, drawCuts(t, len(text)))
		}
	})
}

// TestNothingLost: a text without a call is content, to the byte.
func TestNothingLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawText(t)
		for _, o := range []Options{{}, known, {Tools: []Tool{}}} {
			if r := Parse(text, o); len(r.Calls) == 0 {
				require.Equal(t, text, r.Content)
			}
		}
	})
}

// drawValue draws a JSON value; numbers are integers or floats.
func drawValue(t *rapid.T, depth int) any {
	most := 6
	if depth == 0 {
		most = 4
	}
	switch rapid.IntRange(0, most).Draw(t, "kind") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return rapid.Int64().Draw(t, "int")
	case 3:
		f := rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64).Draw(t, "float")
		return json.Number(strconv.FormatFloat(f, 'e', -1, 64)) // told from an integer by its exponent
	case 4:
		return rapid.String().Draw(t, "string")
	case 5:
		list := make([]any, rapid.IntRange(0, 3).Draw(t, "n"))
		for i := range list {
			list[i] = drawValue(t, depth-1)
		}
		return list
	}
	dict := make(map[string]any)
	for range rapid.IntRange(0, 3).Draw(t, "n") {
		dict[rapid.String().Draw(t, "key")] = drawValue(t, depth-1)
	}
	return dict
}

// python prints a value as Python's repr would, or in other words for the same.
func python(t *rapid.T, v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return map[bool]string{true: "True", false: "False"}[v]
	case int64:
		return strconv.FormatInt(v, 10)
	case json.Number:
		if rapid.Bool().Draw(t, "upper") {
			return strings.ToUpper(v.String())
		}
		return v.String()
	case string:
		return pythonString(t, v)
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = python(t, v[i])
		}
		if len(v) > 0 && rapid.Bool().Draw(t, "tuple") {
			return "(" + strings.Join(items, ", ") + ",)"
		}
		return "[" + strings.Join(items, " ,") + "]"
	case map[string]any:
		var items []string
		for k, v := range v {
			items = append(items, pythonString(t, k)+": "+python(t, v))
		}
		return "{" + strings.Join(items, ",") + "}"
	}
	panic(fmt.Sprintf("%T", v))
}

func pythonString(t *rapid.T, s string) string {
	quote := rapid.SampledFrom([]string{`"`, `'`, `"""`, `'''`}).Draw(t, "quote")
	var b strings.Builder
	b.WriteString(quote)
	for _, r := range s {
		switch {
		case r == '\\' || string(r) == quote[:1]:
			b.WriteString(`\` + string(r))
		case r < ' ' || r > 0xFFFF:
			fmt.Fprintf(&b, `\U%08x`, r)
		case r > '~' && r%2 == 0:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteString(quote)
	if rapid.Bool().Draw(t, "second part") {
		b.WriteString(` ""`)
	}
	return b.String()
}

// TestRoundTrip prints values as arguments, in Python and in JSON, and reads them back.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawValue(t, 3), drawValue(t, 3)
		want, err := json.Marshal(map[string]any{"a": a, "b": b})
		require.NoError(t, err)
		indented, err := json.MarshalIndent(map[string]any{"a": a, "b": b}, "", "  ")
		require.NoError(t, err)
		for _, text := range []string{
			"[f(a=" + python(t, a) + ", b=" + python(t, b) + ")]",
			`{"name": "f", "parameters": ` + string(indented) + "}",
		} {
			for _, o := range []Options{{}, known} {
				r := Parse(text, o)
				require.Len(t, r.Calls, 1, text)
				require.False(t, r.Incomplete, text)
				require.Empty(t, r.Content)
				require.Equal(t, meaning(t, want), meaning(t, r.Calls[0].Arguments), text)
				checkPieces(t, text, o, drawCuts(t, len(text)))
			}
		}
	})
}

// FuzzParse checks any text in any pieces.
func FuzzParse(f *testing.F) {
	f.Add(`Hm. [f(a="x", b=[1, (2,), {"k": None}]), g()] ok`, uint64(0x8421))
	f.Add(`{"name": "f", "parameters": {"a": "\ud83d\ude00 \/"}}; {"type":"function","function":{"name":"g","arguments":{}}}`, uint64(1)<<40)
	f.Add("```\n[f()]\n``` [f(a=1, b=NaN)] [1](x) {\"f\": [f(a='''x''' r'\\')]}", ^uint64(0))
	f.Fuzz(func(t *testing.T, text string, where uint64) {
		var cuts []int
		for i := range len(text) {
			if where>>(i%64)&1 == 1 {
				cuts = append(cuts, i)
			}
		}
		for _, o := range []Options{{}, known} {
			checkPieces(t, text, o, cuts)
			r := Parse(text, o)
			if len(r.Calls) == 0 {
				require.Equal(t, text, r.Content)
			}
			_, err := json.Marshal(r.Message())
			require.NoError(t, err)
		}
	})
}
