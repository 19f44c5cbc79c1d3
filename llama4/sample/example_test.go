package sample_test

import (
	"fmt"
	"log"

	"github.com/llama4go/llama4go/llama4/sample"
)

func Example() {
	logits := []float32{1, 4, 3.5, -2, 0} // of the model, one for each token

	seed := uint64(7)
	p := sample.Default()
	p.Temperature, p.TopP, p.Seed = 0.6, 0.9, &seed
	s, err := sample.New(p, len(logits))
	if err != nil {
		log.Fatal(err)
	}
	for range 6 {
		id, err := s.Next(logits)
		if err != nil {
			log.Fatal(err)
		}
		s.Observe(id)
		fmt.Print(id, " ")
	}
	// Output: 1 1 1 1 2 2
}

func ExampleParams_Validate() {
	p := sample.Default()
	p.TopP = 90
	fmt.Println(p.Validate(202048))
	// Output: TopP is 90, want 0 to 1 (1 keeps all tokens)
}

func ExampleSampler_Observe() {
	p := sample.Default()
	p.FrequencyPenalty = 1
	s, err := sample.New(p, 3)
	if err != nil {
		log.Fatal(err)
	}
	for range 6 {
		id, err := s.Next([]float32{3, 2.5, 1})
		if err != nil {
			log.Fatal(err)
		}
		s.Observe(id)
		fmt.Print(id, " ")
	}
	// Output: 0 1 0 1 0 2
}

func ExampleTopLogProbs() {
	for _, t := range sample.TopLogProbs([]float32{1, 4, 3.5, -2, 0}, 2) {
		fmt.Printf("token %d: %.4f\n", t.ID, t.LogProb)
	}
	// Output:
	// token 1: -0.5171
	// token 2: -1.0171
}

func ExampleStopper() {
	s, err := sample.NewStopper([]string{"\nUser:"})
	if err != nil {
		log.Fatal(err)
	}
	for _, piece := range []string{"Yes.", "\n", "Us", "ually", ".\nUser", ": And"} {
		safe, stopped := s.Feed(piece)
		fmt.Printf("%q ", safe)
		if stopped {
			fmt.Println("stopped")
			return
		}
	}
	fmt.Printf("%q\n", s.Flush())
	// Output: "Yes." "" "" "\nUsually" "." "" stopped
}
