package llama4

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/grammar"
	"github.com/llama4go/llama4go/llama4/sample"
)

// Whatever the model would say, a text is one of the grammar and ends where it is
// complete; without a grammar the same seed says something else.
func TestGrammar(t *testing.T) {
	schema, err := grammar.FromJSONSchema([]byte(`{"type":"object","required":["name","legs"],"additionalProperties":false,
		"properties":{"name":{"enum":["fox","owl"]},"legs":{"type":"integer","minimum":2,"maximum":4}}}`))
	require.NoError(t, err)
	answer, err := grammar.ParseGBNF(`root ::= "yes" | "no" ", " [a-z]{3}`)
	require.NoError(t, err)
	for _, device := range testDevices(t) {
		m := openDemo(t, Options{Device: device})
		for seed := range uint64(within(device, 20, 1)) {
			p := sample.Default()
			p.Temperature, p.Seed = 2, &seed
			r := &Request{Messages: user("Tell me about a fox."), Sampling: &p, MaxTokens: 60, Grammar: schema}
			c, err := m.Complete(context.Background(), r)
			require.NoError(t, err)
			require.Equal(t, FinishStop, c.Finish)
			var animal struct {
				Name string
				Legs int
			}
			require.NoError(t, json.Unmarshal([]byte(c.Text), &animal), c.Text)
			require.Contains(t, []string{"fox", "owl"}, animal.Name)
			require.Contains(t, []int{2, 3, 4}, animal.Legs)

			r.Grammar = answer
			c, err = m.Complete(context.Background(), r)
			require.NoError(t, err)
			require.Regexp(t, `^(yes|no, [a-z]{3})$`, c.Text)
		}
	}
	bare := openTest(t, "grouped", Options{Device: "cpu"})
	_, err = bare.Complete(context.Background(), &Request{Tokens: []int32{1}, Grammar: answer})
	require.ErrorContains(t, err, "needs a tokenizer")
}
