package llama4_test

import (
	"context"
	"fmt"
	"log"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4"
	"github.com/llama4go/llama4go/llama4/chat"
	"github.com/llama4go/llama4go/llama4/demo"
	"github.com/llama4go/llama4go/llama4/sample"
)

// Streaming an answer, greedily.
func Example() {
	ctx := context.Background()
	m, err := llama4.OpenFS(ctx, demo.FS(), &llama4.Options{Device: "cpu"})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = m.Close() }()

	greedy := sample.Default()
	request := &llama4.Request{
		Messages: []chat.Message{{Role: "user", Content: chat.Text("What is 7 plus 12?")}},
		Sampling: &greedy,
	}
	for piece, err := range m.Generate(ctx, request) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(piece.Text)
	}
	fmt.Println()
	// Output: 7 plus 12 is 19.
}

// The probability that the model gives a text, and what it expects next.
func ExampleModel_Score() {
	ctx := context.Background()
	m, err := llama4.OpenFS(ctx, demo.FS(), &llama4.Options{Device: "cpu", Compute: bindings.ComputeF32})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = m.Close() }()

	p, err := m.Encode(ctx, &llama4.Request{Prompt: "From that day on, they were best"})
	if err != nil {
		log.Fatal(err)
	}
	s, err := m.Score(ctx, p, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d tokens, then%s\n", p.Len(), m.Tokenizer().Token(s.Top[0].ID))
	// Output: 11 tokens, then friends
}

// Choosing the next tokens of two texts at once.
func ExampleModel_Next() {
	ctx := context.Background()
	m, err := llama4.OpenFS(ctx, demo.FS(), &llama4.Options{Device: "cpu"})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = m.Close() }()

	var steps []llama4.Step
	var samplers []*sample.Sampler
	for _, text := range []string{"Once upon a", "From that day on, they were best"} {
		greedy, err := sample.New(sample.Default(), m.Config().Vocab)
		if err != nil {
			log.Fatal(err)
		}
		steps = append(steps, llama4.Step{Sequence: m.NewSequence(), Tokens: m.Tokenizer().Encode(text)})
		samplers = append(samplers, greedy)
	}
	ids, err := m.Next(ctx, steps, samplers)
	if err != nil {
		log.Fatal(err)
	}
	for _, id := range ids {
		fmt.Printf("%q\n", m.Tokenizer().Token(id))
	}
	// Output:
	// " time"
	// " friends"
}

// Two texts in one ragged batch: a prompt and a single token.
func ExampleModel_Forward() {
	ctx := context.Background()
	m, err := llama4.OpenFS(ctx, demo.FS(), &llama4.Options{Device: "cpu"})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = m.Close() }()

	a, b := m.NewSequence(), m.NewSequence()
	steps := []llama4.Step{
		{Sequence: a, Tokens: m.Tokenizer().Encode("Once upon a time"), Logits: llama4.LastRow},
		{Sequence: b, Tokens: m.Tokenizer().Encode("The"), Logits: llama4.LastRow},
	}
	err = m.Forward(ctx, steps, func(l *llama4.Logits) error {
		fmt.Println(l.Rows(), "rows of logits")
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("lengths", a.Len(), b.Len())
	for _, q := range []*llama4.Sequence{a, b} {
		if err := q.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// 2 rows of logits
	// lengths 4 1
}
