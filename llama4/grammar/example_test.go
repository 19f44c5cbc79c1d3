package grammar_test

import (
	"fmt"

	"github.com/llama4go/llama4go/llama4/grammar"
)

// words is a vocabulary of a few tokens.
var words = []string{"{", "}", `"`, `"name"`, ":", " ", ",", `"age"`, "Ada", "36", "- ", "\n", "true"}

func vocabulary() *grammar.Vocabulary {
	return grammar.NewVocabulary(len(words), func(id int32) ([]byte, bool) { return []byte(words[id]), true })
}

// show prints which tokens may follow.
func show(m *grammar.Matcher, v *grammar.Vocabulary) {
	mask := make([]uint64, v.Words())
	complete := m.Allowed(mask)
	for id, word := range words {
		if mask[id/64]>>(id%64)&1 != 0 {
			fmt.Printf("%q ", word)
		}
	}
	fmt.Println(complete)
}

func ExampleFromJSONSchema() {
	g, err := grammar.FromJSONSchema([]byte(`{
		"type": "object",
		"properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 40}},
		"required": ["age"]
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	v := vocabulary()
	m := g.NewMatcher(v)
	show(m, v)
	for _, id := range []int32{0, 7, 4, 9} {
		if err := m.Accept(id); err != nil {
			fmt.Println(err)
		}
	}
	show(m, v)
	fmt.Println(m.Accept(9))
	// Output:
	// "{" false
	// "}" " " "\n" false
	// token 9: the grammar does not allow "36" here, from byte 0 on
}

func ExampleParseGBNF() {
	g, err := grammar.ParseGBNF(`
root ::= item+           # a list
item ::= "- " [^\n]{1,8} "\n"
`)
	if err != nil {
		fmt.Println(err)
		return
	}
	v := vocabulary()
	m := g.NewMatcher(v)
	show(m, v)
	for _, id := range []int32{10, 8, 11} {
		if err := m.Accept(id); err != nil {
			fmt.Println(err)
		}
	}
	show(m, v)
	// Output:
	// "- " false
	// "- " true
}
