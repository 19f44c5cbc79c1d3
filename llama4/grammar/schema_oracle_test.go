package grammar

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// oracle is an independent implementation of JSON Schema.
func oracle(tb testing.TB, schema string) *jsonschema.Schema {
	tb.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	require.NoError(tb, err)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	require.NoError(tb, c.AddResource("schema.json", doc))
	s, err := c.Compile("schema.json")
	require.NoError(tb, err)
	return s
}

type schemaCase struct {
	name, schema string
	good, bad    []string
}

var schemaCases = []schemaCase{
	{"any", `{}`,
		[]string{`null`, `[1, "a", {"b": [true]}]`, `-0.5e-7`, "{\n  \"a\": 1\n}", `"\ud83d\ude00 é \u00e9"`, `[]`, `{}`},
		[]string{``, ` 1`, `01`, `"\ud83d"`, `"\udc00"`, `"\udc00\udc00"`, `"\ud83d\u0041"`, `"\ud83dx"`, "\"\n\"", `[1,]`, `{"a"}`, `[1 ,2]`, "\"\xff\"", `nul`, `1.`}},
	{"object", `{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},"tags":{"type":"array","items":{"type":"string"}}},"required":["name","age"],"additionalProperties":false}`,
		[]string{`{"name":"x","age":0}`, `{"name": "x", "age": 150, "tags": ["a", "b"]}`, "{\n  \"name\": \"x\",\n  \"age\": 7\n}"},
		[]string{`{"name":"x"}`, `{"age":1,"name":"x"}`, `{"name":"x","age":151}`, `{"name":"x","age":-1}`, `{"name":"x","age":1,"z":1}`, `{"name":1,"age":1}`}},
	{"all optional", `{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"},"c":{"type":"null"}}}`,
		[]string{`{}`, `{ }`, `{"a":null}`, `{"b":null}`, `{"a":null,"c":null}`, `{"b":null, "c":null}`, `{"a":null,"b":null,"c":null}`},
		[]string{`{"b":null,"a":null}`, `{,"a":null}`, `{"a":null,}`, `{"d":1}`}},
	{"additional", `{"type":"object","properties":{"name":{"type":"string"},"next":{"type":"boolean"}},"required":["name"],"additionalProperties":{"type":"integer"}}`,
		[]string{`{"name":"x"}`, `{"name":"x","z":1}`, `{"name":"x","next":true,"nam":1,"names":-2,"":3}`, `{"name":"x","é\n":1}`},
		[]string{`{"name":"x","name":1}`, `{"name":"x","next":1}`, `{"name":"x","z":"1"}`, `{"z":1}`, `{"name":"x","n\u0061me":1}`}},
	{"map", `{"type":"object","additionalProperties":{"type":["integer","null"]}}`,
		[]string{`{}`, `{"a":1,"b":null}`}, []string{`{"a":"b"}`, `{"a":1.5}`}},
	{"arrays", `{"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":4}`,
		[]string{`[1,2]`, `[1, 2, 3, 4]`}, []string{`[]`, `[1]`, `[1,2,3,4,5]`, `["1","2"]`}},
	{"tuple", `{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"items":{"type":"boolean"},"minItems":1}`,
		[]string{`["a"]`, `["a",1]`, `["a",1,true,false]`}, []string{`[]`, `[1]`, `["a","b"]`, `["a",1,2]`}},
	{"closed tuple", `{"type":"array","prefixItems":[{"const":1},{"const":2}],"items":false,"minItems":2}`,
		[]string{`[1,2]`}, []string{`[1]`, `[1,2,3]`}},
	{"enum", `{"enum":["red","gr\"een",3,null,{"a":[1,{}]},[]]}`,
		[]string{`"red"`, `"gr\"een"`, `3`, `null`, `{"a": [1, {}]}`, `[]`}, []string{`"blue"`, `4`, `{"a":[]}`}},
	{"typed enum", `{"type":"string","enum":["a","b",1]}`, []string{`"a"`, `"b"`}, []string{`1`}},
	{"anyOf", `{"anyOf":[{"type":"string","maxLength":3},{"type":"object","properties":{"k":{"const":"v"}},"required":["k"]},{"type":"null"}]}`,
		[]string{`"abc"`, `{"k":"v"}`, `null`}, []string{`"abcd"`, `{"k":"w"}`, `1`}},
	{"anyOf beside", `{"type":"object","properties":{"kind":{"enum":["a","b"]},"v":{"type":"integer"}},"required":["kind"],"anyOf":[{"properties":{"kind":{"const":"a"}}},{"properties":{"kind":{"const":"b"}},"required":["v"]}]}`,
		[]string{`{"kind":"a"}`, `{"kind":"a","v":1}`, `{"kind":"b","v":1}`}, []string{`{"kind":"b"}`, `{"kind":"c"}`}},
	{"allOf", `{"allOf":[{"type":"object","properties":{"a":{"type":"number","minimum":1}},"required":["a"]},{"properties":{"a":{"maximum":2},"b":{"type":"string"}},"required":["b"]}]}`,
		[]string{`{"a":1.5,"b":""}`}, []string{`{"a":3,"b":""}`, `{"a":1}`}},
	{"recursive", `{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"value":{"type":"integer"},"children":{"type":"array","items":{"$ref":"#/$defs/node"}}},"required":["value"]}}}`,
		[]string{`{"value":1}`, `{"value":1,"children":[{"value":2,"children":[]},{"value":3}]}`}, []string{`{"children":[]}`, `{"value":1,"children":[1]}`}},
	{"list", `{"definitions":{"l":{"anyOf":[{"type":"null"},{"type":"object","properties":{"next":{"$ref":"#/definitions/l"}},"required":["next"]}]}},"$ref":"#/definitions/l"}`,
		[]string{`null`, `{"next":{"next":null}}`}, []string{`{}`, `{"next":1}`}},
	{"self", `{"type":"array","items":{"$ref":"#"}}`, []string{`[]`, `[[],[[]]]`}, []string{`[1]`}},
	{"length", `{"type":"string","minLength":2,"maxLength":4}`,
		[]string{`"ab"`, `"é\n\u00e9\ud83d\ude00"`, `"日本語字"`}, []string{`"a"`, `"abcde"`, `""`}},
	{"pattern", `{"type":"string","pattern":"^[A-Z]{2}-\\d{3}$"}`, []string{`"AB-123"`}, []string{`"AB-12"`, `"xAB-123"`, `"AB-1234"`}},
	{"unanchored", `{"type":"string","pattern":"ab+c"}`, []string{`"abc"`, `"xxabbbcyy\n"`}, []string{`"ac"`, `""`}},
	{"alternatives", `{"type":"string","pattern":"^(cat|dog)s?$|^\"x\\\\$"}`, []string{`"cat"`, `"dogs"`, `"\"x\\"`}, []string{`"catss"`, `"x"`}},
	{"date", `{"type":"string","format":"date"}`, []string{`"2024-02-29"`, `"1999-12-31"`, `"2000-02-29"`}, []string{`"2023-02-29"`, `"2024-13-01"`, `"1900-02-29"`, `"2024-04-31"`}},
	{"time", `{"type":"string","format":"time"}`, []string{`"23:59:59Z"`, `"00:00:00.5+02:00"`}, []string{`"24:00:00Z"`, `"12:00:00"`}},
	{"date-time", `{"type":"string","format":"date-time"}`, []string{`"2024-02-29T12:30:00Z"`}, []string{`"2024-02-29 12:30:00Z"`}},
	{"uuid", `{"type":"string","format":"uuid"}`, []string{`"f81d4fae-7dec-11d0-a765-00a0c91e6bf6"`}, []string{`"f81d4fae-7dec-11d0-a765-00a0c91e6bf"`}},
	{"integers", `{"type":"integer","minimum":-12,"exclusiveMaximum":105}`, []string{`-12`, `-1`, `0`, `9`, `10`, `99`, `104`}, []string{`-13`, `105`, `-0`, `200`, `1000`, `00`, `1.5`}},
	{"positive", `{"type":"integer","exclusiveMinimum":0}`, []string{`1`, `10`, `12345678901234567890`}, []string{`0`, `-1`}},
	{"negative", `{"type":"integer","maximum":-7}`, []string{`-7`, `-10`, `-1234`}, []string{`-6`, `0`, `7`}},
	{"far", `{"type":"integer","minimum":99,"maximum":100000}`, []string{`99`, `100`, `5000`, `99999`, `100000`}, []string{`98`, `100001`, `9`}},
	{"fractional bounds", `{"type":"integer","minimum":0.5,"maximum":3.5}`, []string{`1`, `3`}, []string{`0`, `4`}},
	{"numbers", `{"type":"number","minimum":-1.25,"exclusiveMaximum":2.5}`, []string{`-1.25`, `-1.2499`, `-1.250`, `-0.5`, `0`, `0.0`, `2`, `2.49`, `2.4999`}, []string{`-1.26`, `2.5`, `2.50`, `3`, `-2`, `-0`}},
	{"open unit", `{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1}`, []string{`0.5`, `0.001`, `0.99`}, []string{`0`, `0.0`, `1`, `1.0`}},
	{"no type", `{"properties":{"a":{"minimum":3}},"required":["a","b"]}`, []string{`{"a":3,"b":[]}`}, []string{`{"a":2,"b":1}`, `{"a":3}`}},
	{"types", `{"type":["string","null","integer"],"maxLength":1,"minimum":5}`, []string{`"a"`, `null`, `5`}, []string{`"ab"`, `4`}},
	{"const", `{"properties":{"v":{"const":1.50},"w":{"const":"é\u0001"}},"required":["v","w"]}`, []string{`{"v":1.50,"w":"é\u0001"}`}, []string{`{"v":2,"w":"é"}`}},
	{"annotations", `{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"t","description":"d","default":1,"examples":[1],"$comment":"c","deprecated":true,"readOnly":false,"writeOnly":false,"x-y":1,"type":"integer","format":"unknown","uniqueItems":false}`, []string{`1`}, []string{`"a"`}},
}

func accepts(g *Grammar, v *Vocabulary, text string) bool {
	m := g.NewMatcher(v)
	return m.AcceptBytes([]byte(text)) == nil && m.Allowed(make([]uint64, v.Words()))
}

func TestSchemas(t *testing.T) {
	v := demoVocabulary(t)
	for _, c := range schemaCases {
		t.Run(c.name, func(t *testing.T) {
			g, err := FromJSONSchema([]byte(c.schema))
			require.NoError(t, err)
			s := oracle(t, c.schema)
			for _, text := range c.good {
				require.True(t, accepts(g, v, text), text)
				require.NoError(t, validate(s, text), text)
			}
			for _, text := range c.bad {
				require.False(t, accepts(g, v, text), text)
			}
		})
	}
}

func validate(s *jsonschema.Schema, text string) error {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

// TestRandomTextsFitTheirSchema completes texts at random and has another
// implementation judge them.
func TestRandomTextsFitTheirSchema(t *testing.T) {
	v := demoVocabulary(t)
	finished := 0
	for _, c := range schemaCases {
		t.Run(c.name, func(t *testing.T) {
			g, err := FromJSONSchema([]byte(c.schema))
			require.NoError(t, err)
			s := oracle(t, c.schema)
			for seed := range uint64(30) {
				text, ok := randomText(t, g, v, rand.New(rand.NewPCG(seed, 1)))
				if !ok {
					continue
				}
				finished++
				require.True(t, json.Valid(text), "%q", text)
				require.NoError(t, validate(s, string(text)), "%q", text)
			}
		})
	}
	require.Greater(t, finished, 20*len(schemaCases))
}

// randomText takes random tokens and, after a while, rather those that close
// something.
func randomText(tb testing.TB, g *Grammar, v *Vocabulary, r *rand.Rand) (text []byte, ok bool) {
	tb.Helper()
	m := g.NewMatcher(v)
	mask, closing := make([]uint64, v.Words()), make([]uint64, v.Words())
	for step := range 300 {
		complete := m.Allowed(mask)
		require.NoError(tb, m.Err())
		if complete && r.IntN(3) == 0 {
			return text, true
		}
		if step > 20 && r.IntN(8) > 0 {
			m.preferClosing(mask, closing)
			if countMask(closing) > 0 {
				copy(mask, closing)
			}
		}
		id := pick(r, mask)
		if id < 0 {
			require.True(tb, complete, "after %q nothing is allowed", text)
			return text, true
		}
		require.NoError(tb, m.Accept(id), "after %q", text)
		text = append(text, v.token(id)...)
	}
	return text, false
}

func (m *Matcher) preferClosing(mask, closing []uint64) {
	clear(closing)
	for id := range int32(m.v.size) {
		if b := m.v.token(id); has(mask, id) && len(b) > 0 && strings.IndexByte(`"]}0`, b[len(b)-1]) >= 0 {
			closing[id/64] |= 1 << (id % 64)
		}
	}
}
