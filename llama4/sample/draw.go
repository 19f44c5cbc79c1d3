package sample

import "math"

// Draw is one step of a plain sampler as a device takes it: the operation sample of
// package bindings chooses by it what Next would, up to its coarser numbers.
type Draw struct {
	Temperature float32 // 0 takes the largest logit
	TopK        int32
	TopP        float32
	MinP        float32
	Uniform     float32 // in [0, 1): the random number
}

// Plain says whether the next token depends on nothing but the logits and the
// random numbers, so that a caller may leave the choice to the device: there are
// no bias, no penalties and no mask.
func (s *Sampler) Plain() bool { return !s.adjusts() }

// Draw is Next for a device, if the sampler is [Sampler.Plain], with the number that
// Next would take from the generator, cut to the 24 bits of a float32 below 1. The
// number is not taken before [Sampler.Drawn]: a device may fail.
func (s *Sampler) Draw() Draw {
	d := Draw{
		Temperature: float32(s.params.Temperature), TopK: int32(min(s.params.TopK, math.MaxInt32)),
		TopP: float32(s.params.TopP), MinP: float32(s.params.MinP),
	}
	if s.params.Temperature > 0 {
		next := *s.random
		d.Uniform = float32(next.Uint64()>>40) / (1 << 24)
	}
	return d
}

// Drawn tells the sampler that a token was chosen by the last Draw.
func (s *Sampler) Drawn() {
	if s.params.Temperature > 0 {
		s.random.Uint64()
	}
}
