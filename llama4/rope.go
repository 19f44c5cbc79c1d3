package llama4

import (
	"math"
	"reflect"

	"github.com/llama4go/llama4go/llama4/internal/fields"
)

// RopeConfig is the rotary position embedding of the text model.
type RopeConfig struct {
	Theta float64 // base of the frequencies (rope_theta)
	// Llama3 stretches the frequencies for contexts longer than those of the first
	// training (rope_type "llama3"); the fields below are its own.
	Llama3         bool
	Factor         float64 // divides low frequencies (factor)
	LowFreqFactor  float64 // wavelengths over Original/LowFreqFactor are divided (low_freq_factor)
	HighFreqFactor float64 // wavelengths under Original/HighFreqFactor are kept (high_freq_factor)
	Original       int     // context of the first training, in tokens (original_max_position_embeddings)
	// Divisors divide the frequencies one by one, nil for none: what a GGUF file has in
	// place of Llama3.
	Divisors []float32
}

// readRope reads rope_theta and rope_scaling, or rope_parameters, the name that
// later files have for both. Files that have all of them must agree.
func readRope(f *fields.Object) RopeConfig {
	theta := f.Number("rope_theta", 500000)
	r := readScaling(f, "rope_scaling", theta, "llama3")
	if !f.Null("rope_parameters") {
		p := readScaling(f, "rope_parameters", theta, "default")
		if !f.Absent("rope_theta") && p.Theta != theta {
			f.Fail("rope_parameters.rope_theta", "is %v, but rope_theta is %v", p.Theta, theta)
		}
		if !f.Null("rope_scaling") && !reflect.DeepEqual(p, r) {
			f.Fail("rope_parameters", "contradicts rope_scaling")
		}
		r = p
	}
	if v := f.Number("partial_rotary_factor", 1); v != 1 {
		f.Fail("partial_rotary_factor", "is %v, want 1", v)
	}
	return r
}

// readScaling reads a section with a rope_type, which early files call type. The
// reference takes any rope_scaling for llama3, so that is the default there.
func readScaling(f *fields.Object, name string, theta float64, def string) RopeConfig {
	r := RopeConfig{Theta: theta}
	if f.Null(name) {
		return r
	}
	s := f.Section(name, "")
	r.Theta = s.Number("rope_theta", theta)
	switch kind := s.Text("rope_type", s.Text("type", def)); kind {
	case "default":
	case "llama3":
		r.Llama3 = true
		r.Factor = s.Required("factor")
		r.LowFreqFactor = s.Required("low_freq_factor")
		r.HighFreqFactor = s.Required("high_freq_factor")
		r.Original = s.Integer("original_max_position_embeddings", 0)
	default:
		s.Fail("rope_type", "is %q, want \"default\" or \"llama3\"", kind)
	}
	return r
}

// InvFreq returns the headDim/2 angles, in radians, by which one position turns
// each pair of neighbours (2i, 2i+1) of a head:
//
//	f_i = Theta^(-2i/headDim)
//
// With Llama3, and w = 2*pi/f the wavelength: f for w < Original/HighFreqFactor,
// f/Factor for w > Original/LowFreqFactor, and between the two
// (1-s)*f/Factor + s*f with s = (Original/w - LowFreqFactor)/(HighFreqFactor - LowFreqFactor).
// Where both factors are equal, as Scout's are, s is 0 at the one wavelength that
// is neither under nor over (the reference divides 0 by 0 there, vLLM takes 0).
//
// Each step is rounded to float32 as the reference does it, since at position
// 100,000 the last bit of an angle is worth a hundredth of a turn.
func (r *RopeConfig) InvFreq(headDim int) []float32 {
	inv := make([]float32, headDim/2)
	for i := range inv {
		exponent := float32(2*i) / float32(headDim)
		// A float32 power that is rightly rounded; torch's is so but for rare last bits.
		power := float32(math.Pow(float64(float32(r.Theta)), float64(exponent)))
		inv[i] = 1 / power
		if r.Llama3 {
			inv[i] = r.stretch(inv[i])
		}
		if len(r.Divisors) > 0 {
			inv[i] /= r.Divisors[i]
		}
	}
	return inv
}

// stretch applies the llama3 rule to one frequency. The conversions keep the
// compiler from fusing multiplications with additions.
func (r *RopeConfig) stretch(f float32) float32 {
	original := float64(r.Original)
	low, high := float32(original/r.LowFreqFactor), float32(original/r.HighFreqFactor)
	factor := float32(r.Factor)
	// torch divides a number by a tensor as reciprocal times number.
	wavelength := float32(float32(1/f) * float32(2*math.Pi))
	switch {
	case wavelength < high:
		return f
	case wavelength > low:
		return f / factor
	}
	var s float32
	if span := float32(r.HighFreqFactor - r.LowFreqFactor); span != 0 {
		ratio := float32(float32(1/wavelength) * float32(original))
		s = float32(ratio-float32(r.LowFreqFactor)) / span
	}
	return float32(float32(float32(1-s)*f)/factor) + float32(s*f)
}
