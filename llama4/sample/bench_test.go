package sample

import (
	"math"
	"math/rand/v2"
	"testing"
)

// benchVocab is Llama 4's.
const benchVocab = 202048

// zipf returns logits with a normal bulk, standard deviation 2.5, and 2,000 tokens
// whose probabilities at temperature 1 fall as rank^-slope from a logit of 22.
func zipf(slope float64) []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	logits := flat(2.5)
	for rank := range 2000 {
		logits[r.IntN(benchVocab)] = float32(22 - slope*math.Log(float64(rank+1)))
	}
	return logits
}

func flat(deviation float64) []float32 {
	r := rand.New(rand.NewPCG(3, 4))
	logits := make([]float32, benchVocab)
	for i := range logits {
		logits[i] = float32(deviation * r.NormFloat64())
	}
	return logits
}

func BenchmarkNext(b *testing.B) {
	shapes := []struct {
		name   string
		logits []float32
	}{
		{"peaked", zipf(2.2)},
		{"open", zipf(1)},
		{"flat", flat(1)},
		{"equal", make([]float32, benchVocab)},
	}
	modes := []struct {
		name   string
		change func(*Params)
	}{
		{"greedy", func(p *Params) { p.Temperature = 0 }},
		{"temperature", func(*Params) {}},
		{"top_p=0.9", func(p *Params) { p.TopP = 0.9 }},
		{"top_k=50", func(p *Params) { p.TopK = 50 }},
		{"top_k=50,top_p=0.9", func(p *Params) { p.TopK, p.TopP = 50, 0.9 }},
		{"min_p=0.05", func(p *Params) { p.MinP = 0.05 }},
		{"top_p=0.9,penalties", func(p *Params) { p.TopP, p.RepetitionPenalty, p.PresencePenalty = 0.9, 1.1, 0.5 }},
	}
	seed := uint64(1)
	for _, shape := range shapes {
		for _, mode := range modes {
			b.Run(shape.name+"/"+mode.name, func(b *testing.B) {
				p := Default()
				p.Temperature, p.Seed = 0.6, &seed
				mode.change(&p)
				s, err := New(p, benchVocab)
				if err != nil {
					b.Fatal(err)
				}
				for id := range int32(2000) {
					s.ObservePrompt(id * 100)
				}
				if _, err := s.Next(shape.logits); err != nil { // grows the buffers
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := s.Next(shape.logits); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkLogProb(b *testing.B) {
	logits := zipf(2.2)
	for b.Loop() {
		LogProb(logits, 7)
	}
}

func BenchmarkTopLogProbs(b *testing.B) {
	logits := zipf(2.2)
	for b.Loop() {
		TopLogProbs(logits, 20)
	}
}

func BenchmarkStopper(b *testing.B) {
	s, err := NewStopper([]string{"\n\n", "User:", "<|eot|>", "```\n"})
	if err != nil {
		b.Fatal(err)
	}
	const text = "The quick brown fox `jumps` over\nthe <lazy> dog. Usually."
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		s.Feed(text)
	}
}
