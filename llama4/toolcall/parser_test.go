package toolcall

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// known are the tools of the tables.
var known = Options{Tools: []Tool{{Name: "f", Parameters: []string{"a", "b"}}, {Name: "g"}, {Name: "ns.do-it"}}}

// show writes a result in short: the calls, ! after an incomplete one, then the content.
func show(r Result) string {
	var b strings.Builder
	for _, c := range r.Calls {
		b.WriteString(c.Name + string(c.Arguments))
		if c.Incomplete {
			b.WriteByte('!')
		}
		b.WriteByte(' ')
	}
	if r.Incomplete {
		b.WriteString("half ")
	}
	return b.String() + "|" + r.Content
}

// TestParse has texts that mean the same with the tools given and without, if there is one entry.
func TestParse(t *testing.T) {
	for _, c := range []struct{ text, want, withTools string }{
		// Forms.
		{`[f(a="x"), g(b=[1, {"k": null}])]`, `f{"a":"x"} g{"b":[1,{"k":null}]} |`, ""},
		{`{"name": "f", "parameters": {"a": "x"}}`, `f{"a":"x"} |`, ""},
		{`{"name":"f","arguments":{}}`, `f{} |`, ""},
		{`{"id":"1","type":"function","function":{"arguments":{"a":[]},"name":"f"}}`, `f{"a":[]} |`, ""},
		{`{"parameters":{"z":1,"a":2},"name":"f"}`, `f{"z":1,"a":2} |`, ""},
		{`[{"name":"f","parameters":{}}, {"name":"g","parameters":{}}]`, `f{} g{} |`, ""},
		{`{"name":"f","parameters":{}}; {"name":"g","parameters":{}}`, `f{} g{} |`, ""},
		{"{\"name\":\"f\",\"parameters\":{}}\n{\"name\":\"g\",\"parameters\":{}}", `f{} g{} |`, ""},
		{`{"name":"f","parameters":{}}{"name":"g","parameters":{}}`, `f{} g{} |`, ""},
		{`{'name': 'f', 'parameters': {'a': True}}`, `f{"a":true} |`, ""},
		{"{\"name\": \"f\", \"parameters\": {\"a\": \"two\nlines\"}}", `f{"a":"two\nlines"} |`, ""},
		{"[f(a='two\nlines')]", `f{"a":"two\nlines"} |`, ""},
		{`[f(a=true, b=null)]`, `f{"a":true,"b":null} |`, ""},
		{`[f(class=1)]`, `f{"class":1} |`, ""},
		{"[\n  f(\n a = 1 ,\n ),\n g ( ) ,\n]", `f{"a":1} g{} |`, ""},
		{`[f(a="it's", b='say "hi" [(')]`, `f{"a":"it's","b":"say \"hi\" [("} |`, ""},
		{`[f("x", 3)]`, `|[f("x", 3)]`, `f{"a":"x","b":3} |`},
		{`[f(1, b=(2,))]`, `|[f(1, b=(2,))]`, `f{"a":1,"b":[2]} |`},
		{`[f(x)]`, `|[f(x)]`, ""},
		{`[f(1, 2, 3)]`, `|[f(1, 2, 3)]`, `f{"a":1,"b":2}! half |3)]`},
		{`[f(1, a=2)]`, `|[f(1, a=2)]`, `f{"a":1}! half |a=2)]`},
		{`[f(a=1, 2)]`, `|[f(a=1, 2)]`, `f{"a":1}! half |2)]`},
		{`[f(b=1, 2)]`, `|[f(b=1, 2)]`, `f{"b":1}! half |2)]`},
		{`[ns.do-it(a=1)]`, `|[ns.do-it(a=1)]`, `ns.do-it{"a":1} |`},
		{`[h(a=1)]`, `h{"a":1} |`, `|[h(a=1)]`},
		{`{"name":"h","parameters":{}}`, `h{} |`, `|{"name":"h","parameters":{}}`},
		{`{"name":"Bob Smith","parameters":{}}`, `|{"name":"Bob Smith","parameters":{}}`, ""},

		// White space and text around.
		{"\n\n[f()]\n", `f{} |`, ""},
		{"Let me see.\n\n[f()]\n\nDone.\n", "f{} |Let me see.\n\nDone.\n", ""},
		{"[f()] ; [g()]", "f{} g{} |", ""},
		{"[f()]; and", "f{} |; and", ""},
		{"[f()], [1, 2]", "f{} |, [1, 2]", ""},
		{"[f()] [note]", "f{} |[note]", ""},
		{" \n ", "| \n ", ""},
		{"x [f()]", "f{} |x ", ""},
		{`call:{"name":"f","parameters":{}}.`, `f{} |call:.`, ""},

		// Not a call.
		{"[a](b) and [f(x)](y)", "|[a](b) and [f(x)](y)", ""},
		{"[1, 2] [] {} [\"a\"] {\"a\": [1]} (f())", "|[1, 2] [] {} [\"a\"] {\"a\": [1]} (f())", ""},
		{"[[f(a=1)]]", "|[[f(a=1)]]", ""},
		{`{"result": {"name": "f", "parameters": {}}}`, `|{"result": {"name": "f", "parameters": {}}}`, ""},
		{`[1, {"name": "f", "parameters": {}}]`, `|[1, {"name": "f", "parameters": {}}]`, ""},
		{`{"name": "f"}`, `|{"name": "f"}`, ""},
		{`{"name": "f", "parameters": [1]}`, `|{"name": "f", "parameters": [1]}`, ""},
		{`{"name": "f", "description": "d", "parameters": {}}`, `|{"name": "f", "description": "d", "parameters": {}}`, ""},
		{`{"type": "tool", "name": "f", "parameters": {}}`, `|{"type": "tool", "name": "f", "parameters": {}}`, ""},
		{`{"function": {"function": {}}}`, `|{"function": {"function": {}}}`, ""},
		{`{"name": "f", "name": "g", "parameters": {}}`, `|{"name": "f", "name": "g", "parameters": {}}`, ""},
		{"a[f(x=1)] b)[f()] \\[f(x=1)\\]", "|a[f(x=1)] b)[f()] \\[f(x=1)\\]", ""},
		{"[f(a=NaN)] [f(a=-inf)] [f(a=Infinity)]", "|[f(a=NaN)] [f(a=-inf)] [f(a=Infinity)]", ""},
		{`[f(a=b"x")] [f(a={1})] [f(a=f"x")]`, `|[f(a=b"x")] [f(a={1})] [f(a=f"x")]`, `f{"a":{}}! half |[f(a=b"x")] 1})] [f(a=f"x")]`},
		{"[\"no end\n[f()]", "f{} |[\"no end\n", ""},
		{"[ [f()]", "|[ [f()]", ""},
		{"[note: [f()]", "f{} |[note: ", ""},

		// Code.
		{"```\n[f()]\n```\n[g()]", "g{} |```\n[f()]\n```\n", ""},
		{"~~~py\n[f()]\n```\n[f()]\n~~~ \n[g()]", "g{} |~~~py\n[f()]\n```\n[f()]\n~~~ \n", ""},
		{"````\n```\n[f()]\n`````\n[g()]", "g{} |````\n```\n[f()]\n`````\n", ""},
		{"```\n```\n```\n[f()]", "|```\n```\n```\n[f()]", ""},
		{"`[f()]` and ``a`[f()]`` [g()]", "g{} |`[f()]` and ``a`[f()]`` ", ""},
		{"```x``` [g()]", "g{} |```x``` ", ""},
		{"an ` alone [f()]\n[g()]", "g{} |an ` alone [f()]\n", ""},
		{"x ```\n[g()]", "g{} |x ```\n", ""},
		{"~ ~~ ~~~ [g()]", "g{} |~ ~~ ~~~ ", ""},

		// Half a call.
		{`[`, `|[`, ""},
		{`[get_wea`, `|[get_wea`, ""},
		{`[f(`, `half |[f(`, ""},
		{`[f(a=`, `half |[f(a=`, ""},
		{`[f(a="x`, `half |[f(a="x`, `f{"a":"x"}! half |`},
		{`[f(a="x\u00`, `half |[f(a="x\u00`, `f{"a":"x"}! half |`},
		{`[f(a="x", b=12`, `half |[f(a="x", b=12`, `f{"a":"x"}! half |`},
		{`[f(a=[1, {"k": [2, (3, "y"`, `half |[f(a=[1, {"k": [2, (3, "y"`, `f{"a":[1,{"k":[2,[3,"y"]]}]}! half |`},
		{`[f(a=[1, {"k`, `half |[f(a=[1, {"k`, `f{"a":[1,{}]}! half |`},
		{`[f(a={"k": (("y"`, `half |[f(a={"k": (("y"`, `f{"a":{}}! half |`},
		{`[f(a=1), g(`, `half |[f(a=1), g(`, `f{"a":1} half |, g(`},
		{`[f(a=1)`, `half |[f(a=1)`, `f{"a":1} half |`},
		{`{"name": "f", "para`, `half |{"name": "f", "para`, ""},
		{`{"name": "f", "parameters": {"a": {"b": "c`, `half |{"name": "f", "parameters": {"a": {"b": "c`, `f{"a":{"b":"c"}}! half |`},
		{`{"name": "f", "parameters": {"a": 1}`, `half |{"name": "f", "parameters": {"a": 1}`, `f{"a":1}! half |`},
		{`see {"a": `, `|see {"a": `, ""},

		// Faults.
		{`[f(a=1), 42] x`, `|[f(a=1), 42] x`, `f{"a":1} |, 42] x`},
		{`[f(a=1, b=NaN)] x`, `|[f(a=1, b=NaN)] x`, `f{"a":1}! half |NaN)] x`},
		{`[f(a=1 for a in b)]`, `|[f(a=1 for a in b)]`, `f{"a":1}! half |for a in b)]`},
		{`[f(a="\N{DASH}")]`, `|[f(a="\N{DASH}")]`, `f{"a":""}! half |\N{DASH}")]`},
		{`[f(a=1, a=2)]`, `|[f(a=1, a=2)]`, `f{"a":1}! half |a=2)]`},
		{`{"name":"f","parameters":{},"x":1}`, `|{"name":"f","parameters":{},"x":1}`, `f{}! half |"x":1}`},
		{"[f(a=\"\xff\")]\xff", "f{\"a\":\"\uFFFD\"} |\xff", ""},
		{"[f(a=" + strings.Repeat("[", 98) + strings.Repeat("]", 98) + ")]", "f{\"a\":" + strings.Repeat("[", 98) + strings.Repeat("]", 98) + "} |", ""},
		{"[f(a=" + strings.Repeat("[", 99), "|[f(a=" + strings.Repeat("[", 99), "f{\"a\":" + strings.Repeat("[", 98) + strings.Repeat("]", 98) + "}! half |["},
	} {
		withTools := c.withTools
		if withTools == "" {
			withTools = c.want
		}
		require.Equal(t, c.want, show(Parse(c.text, Options{})), c.text)
		require.Equal(t, withTools, show(Parse(c.text, known)), c.text)
	}
}

func TestNoTools(t *testing.T) {
	require.Equal(t, `|[f(a=1)]`, show(Parse(`[f(a=1)]`, Options{Tools: []Tool{}})))
}

// TestHugeForm holds back no more than its bound.
func TestHugeForm(t *testing.T) {
	for _, text := range []string{
		`[f(a="` + strings.Repeat("x", maxForm+10) + `")]`,
		`{"parameters":{"a":"` + strings.Repeat("x", maxForm+10) + `"},"name":"f"}`,
	} {
		p := NewParser(Options{})
		told := 0
		for _, d := range p.Feed(text[:maxForm+8]) {
			told += len(d.Text)
		}
		require.Greater(t, told, maxForm)
		p.Feed(text[maxForm+8:])
		p.Flush()
		require.Equal(t, "|"+text, show(p.Result()))
	}
	number := strings.Repeat("7", maxWord)
	require.Equal(t, `f{"a":`+number+`} |`, show(Parse("[f(a="+number+")]", known)))
	require.Equal(t, `|[f(a=7`+number+`)]`, show(Parse("[f(a=7"+number+")]", known)))
}

// TestStream follows a call in pieces: what is told when.
func TestStream(t *testing.T) {
	p := NewParser(known)
	for _, c := range []struct {
		piece string
		want  []Delta
	}{
		{"Hm", []Delta{{Kind: Content, Text: "Hm"}}},
		{". [f", []Delta{{Kind: Content, Text: ". "}}},
		{"(a=", nil},
		{`"Pa`, []Delta{{Kind: Begin, Text: "f"}, {Kind: Arguments, Text: `{"a":"Pa`}}},
		{`ris\`, []Delta{{Kind: Arguments, Text: `ris`}}},
		{`n`, []Delta{{Kind: Arguments, Text: `\n`}}},
		{`", b`, []Delta{{Kind: Arguments, Text: `"`}}},
		{"=[1", []Delta{{Kind: Arguments, Text: `,"b":[`}}},
		{"2, (3", []Delta{{Kind: Arguments, Text: `12`}}},
		{")])", []Delta{{Kind: Arguments, Text: `,3]}`}, {Kind: End}}},
		{", g()", []Delta{{Kind: Begin, Index: 1, Text: "g"}, {Kind: Arguments, Index: 1, Text: "{}"}, {Kind: End, Index: 1}}},
		{"]\n", nil},
		{"{\"name\": \"g\", \"parameters\"", nil},
		{": {", []Delta{{Kind: Begin, Index: 2, Text: "g"}, {Kind: Arguments, Index: 2, Text: "{"}}},
	} {
		require.Equal(t, c.want, append([]Delta(nil), p.Feed(c.piece)...), c.piece)
	}
	require.Equal(t, []Delta{{Kind: End, Index: 2, Text: "}", Incomplete: true}}, p.Flush())
	require.Equal(t, `f{"a":"Paris\n","b":[12,3]} g{} g{}! half |Hm. `, show(p.Result()))

	p = NewParser(Options{}) // without the tools a form is told at its end
	for _, piece := range []string{"[f(a=1)", ", g", "()"} {
		require.Empty(t, p.Feed(piece))
	}
	require.Len(t, p.Feed("]"), 6)
}

func TestSpecial(t *testing.T) {
	parse := func(pieces ...string) string {
		p := NewParser(known)
		for _, s := range pieces {
			if strings.HasPrefix(s, "<|") {
				p.Special(s)
			} else {
				p.Feed(s)
			}
		}
		p.Flush()
		return show(p.Result())
	}
	require.Equal(t, "f{} |", parse("<|python_start|>", "[f()]", "<|python_end|>"))
	require.Equal(t, "f{} g{} |", parse("<|python_start|>", "[f()]", "<|python_end|>", "\n", "<|python_start|>", "[g()]", "<|python_end|>"))
	require.Equal(t, "f{} |Let me", parse("<|python_start|>", "Let me", "<|python_end|>", `{"name": "f", "parameters": {}}`))
	require.Equal(t, "f{} |a", parse("a", "<|python_start|>", "[f()]"))
	require.Equal(t, "f{} |a", parse("a", "<|python_end|>", "[f()]"))
	require.Equal(t, "f{} |```\n", parse("```\n", "<|python_start|>", "[f()]"))
	require.Equal(t, `f{"a":1}! half |)]`, parse("[f(a=1,", "<|python_end|>", ")]"))
	require.Equal(t, "|[f()]", parse("[f(", "<|eom|>", ")]"))
	text := "<|python_start|>[f()]<|python_end|>"
	require.Equal(t, "f{} |<|python_start|><|python_end|>", show(Parse(text, known)), "names written as text are text")
}

func TestReadTools(t *testing.T) {
	tools, err := ReadTools(json.RawMessage(`[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"z":{"type":"string"},"a":{}}}}},
		{"name":"g"},{"name":"h","parameters":{"properties":null}}]`))
	require.NoError(t, err)
	require.Equal(t, []Tool{{Name: "f", Parameters: []string{"z", "a"}}, {Name: "g"}, {Name: "h"}}, tools)
	for _, none := range []string{"", "null", "[]"} {
		tools, err := ReadTools(json.RawMessage(none))
		require.NoError(t, err)
		require.Equal(t, []Tool{}, tools)
	}
	for in, want := range map[string]string{
		`{}`:  "tools must be a JSON list of objects",
		`[1]`: "tools must be a JSON list of objects",
		`[{"name":"f"},{"function":{"parameters":{}}}]`: "tools[1]: name is missing",
		`[{"name":"f","parameters":{"properties":[]}}]`: "tools[0]: parameters: properties: expected a JSON object",
	} {
		_, err := ReadTools(json.RawMessage(in))
		require.ErrorContains(t, err, want)
	}
}

func TestMessage(t *testing.T) {
	m := Parse(`Hm. [f(a="<|eot|>")] [g(b="1`, known).Message()
	out, err := json.Marshal(m)
	require.NoError(t, err)
	require.JSONEq(t, `{"role":"assistant","content":"Hm. ","tool_calls":[{"type":"function","function":{"name":"f","arguments":{"a":"<|eot|>"}}}]}`, string(out))
	require.Nil(t, Parse("text", known).Message().ToolCalls)
}
