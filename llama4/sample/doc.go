// Package sample chooses the next token from the logits of a language model.
//
//	p := sample.Default()
//	p.Temperature, p.TopP = 0.6, 0.9
//	s, err := sample.New(p, vocab)
//	s.ObservePrompt(prompt...)
//	for {
//		id, err := s.Next(logits)
//		s.Observe(id)
//		...
//	}
//
// # Order
//
// The logits pass through these steps, each left out where its parameter is
// neutral. It is the order in which transformers 4.57 runs its logits processors
// (GenerationMixin._get_logits_processor).
//
//  1. logit bias: added
//  2. repetition penalty: logit > 0 ? logit/p : logit*p, for tokens of the prompt
//     and of the answer (Keskar et al. 2019)
//  3. presence and frequency penalty, for tokens of the answer alone:
//     logit - frequency*count - presence (OpenAI's formula)
//     Then tokens that [Sampler.Allow] does not allow are left out.
//  4. temperature 0 takes the largest now, ties by the lowest id; otherwise the
//     logits are divided by the temperature
//  5. top-k: the k largest, with all that equal the k-th
//  6. top-p: the most likely tokens until their sum reaches p, the one that
//     crosses p included
//  7. min-p: those with at least that share of the most likely token's probability
//  8. one draw from what is left, renormalized
//
// Steps 5 to 7 keep at least one token. Where top-p has to cut through tokens of
// equal logits it keeps those of the lowest ids; the reference leaves that open.
//
// Steps 1 to 3 are computed in float32 as the reference computes them, the rest in
// float64. Tokens so unlikely that all of them together stay below 2^-53, the
// resolution of a draw, are never drawn.
//
// # Reproducible
//
// A sampling step takes exactly one number from the generator (PCG of
// math/rand/v2), whatever is drawn. The same seed, parameters and logits give the
// same ids, whatever else the process does.
//
// # On a device
//
// [Sampler.Draw] hands a step of a sampler without bias and penalties to the
// operation sample of package bindings, as a Model does. It chooses by the same
// rules and the same random numbers, in coarser units: masses are multiples of
// 2^-40 of the most likely token's, a draw is one of 2^24, and parameters are
// float32. So it may differ from Next where a draw is that close to the border of
// two tokens.
//
// # Speed
//
// A step over the vocabulary of Llama 4 (202,048 tokens) reads the logits once for
// the largest and once for those near it. Only these are weighed, and nothing is
// sorted. Where they are too few to decide about top-k or top-p, the search widens.
// A step allocates no memory once the buffers have grown.
//
// # Log-probabilities and stop strings
//
// [LogProb] and [TopLogProbs] are those of the model, before any step above.
// [Stopper] cuts streamed text at stop strings.
package sample
