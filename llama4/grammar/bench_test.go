package grammar

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func BenchmarkNewVocabulary(b *testing.B) {
	t := realTokenizer(b)
	b.ReportAllocs()
	for b.Loop() {
		vocabularyOf(t)
	}
}

const jsonText = `{"name": "Ada Lovelace", "age": 36, "tags": ["mathematics", "poetry \u00e9", "日本語のテキスト"],
  "address": {"street": "12 St James's Square", "city": "London", "zip": "SW1Y 4JH", "geo": [51.5072, -0.1276]},
  "notes": "She wrote the first program, an algorithm for the Analytical Engine; she said: \"it might compose music\".",
  "alive": false, "more": [{"a": 1, "b": [true, null, {"c": "deep"}]}, {"a": 22, "b": []}, {"a": 333, "b": ["x", "y"]}]}`

// BenchmarkAllowed reads a realistic text token by token with a fresh grammar and
// reports the time of a token: mean, median and worst, the first mask included.
func BenchmarkAllowed(b *testing.B) {
	tok, v := realTokenizer(b), realVocabulary(b)
	for name, c := range benchCases {
		b.Run(name, func(b *testing.B) {
			ids := tok.Encode(c.text)
			mask := make([]uint64, v.Words())
			var times []time.Duration
			for b.Loop() {
				g, err := c.grammar()
				require.NoError(b, err)
				m := g.NewMatcher(v)
				for _, id := range ids {
					start := time.Now()
					m.Allowed(mask)
					if err := m.Accept(id); err != nil {
						b.Fatal(err)
					}
					times = append(times, time.Since(start))
				}
			}
			report(b, times)
		})
	}
}

func report(b *testing.B, times []time.Duration) {
	slices.Sort(times)
	var sum time.Duration
	for _, t := range times {
		sum += t
	}
	us := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	b.ReportMetric(us(sum)/float64(len(times)), "mean-µs")
	b.ReportMetric(us(times[len(times)/2]), "median-µs")
	b.ReportMetric(us(times[len(times)*99/100]), "p99-µs")
	b.ReportMetric(us(times[len(times)-1]), "worst-µs")
	b.ReportMetric(0, "ns/op")
}

type benchCase struct {
	grammar func() (*Grammar, error)
	text    string
}

func gbnf(source string) func() (*Grammar, error) {
	return func() (*Grammar, error) { return ParseGBNF(source) }
}

var benchCases = map[string]benchCase{
	"gbnf-json":     {gbnf(jsonGBNF), jsonText},
	"gbnf-list":     {gbnf(gbnfs["list"]), strings.Repeat("- apples and pears\n- two loaves of bread from the bakery\n- milk\n", 8)},
	"gbnf-any":      {gbnf(gbnfs["any"]), jsonText},
	"schema-any":    {schemaOf(`{}`), jsonText},
	"schema-record": {schemaOf(recordSchema), jsonText},
}

// recordSchema is of the kind that people send: records with bounded strings,
// lists and numbers.
const recordSchema = `{
  "type": "object",
  "properties": {
    "name": {"type": "string", "minLength": 1, "maxLength": 100},
    "age": {"type": "integer", "minimum": 0, "maximum": 150},
    "tags": {"type": "array", "items": {"type": "string", "maxLength": 40}, "maxItems": 10},
    "address": {
      "type": "object",
      "properties": {
        "street": {"type": "string"}, "city": {"type": "string"}, "zip": {"type": "string", "pattern": "^[A-Z0-9 ]{4,10}$"},
        "geo": {"type": "array", "items": {"type": "number", "minimum": -180, "maximum": 180}, "minItems": 2, "maxItems": 2}
      },
      "required": ["street", "city"]
    },
    "notes": {"type": "string", "maxLength": 500},
    "alive": {"type": "boolean"},
    "more": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "array"}}, "required": ["a"]}}
  },
  "required": ["name", "age", "notes"]
}`

func schemaOf(source string) func() (*Grammar, error) {
	return func() (*Grammar, error) { return FromJSONSchema([]byte(source)) }
}
