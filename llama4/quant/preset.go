package quant

import (
	"fmt"
	"strings"
)

// Preset is a scheme that a model can be quantized by while it is loaded, and to
// which layers it applies.
type Preset struct {
	// Scheme is what the layers get; its Name is the preset's.
	Scheme Scheme
	scope  scope
}

// scope is a set of linear layers.
type scope uint8

const (
	nothing       scope = iota
	innerExperts        // routed experts of layers other than the first and the last
	experts             // routed and shared experts
	everyLinear         // of the text model
	activationsUB = 1200
)

var (
	int4 = Scheme{Format: Format{Type: I4, Group: 128, Scale: BF16}}
	fp8  = Scheme{Format: Format{Type: F8, Scale: F32}, Activations: RowActivations, Limit: activationsUB}
)

// presets are the schemes by name: int4 and fp8 are Meta's int4_mixed and fp8_mixed.
var presets = []struct {
	name   string
	scheme Scheme
	scope  scope
}{{"none", Scheme{}, nothing}, {"int4", int4, experts}, {"int4-all", int4, everyLinear}, {"fp8", fp8, innerExperts}, {"fp8-all", fp8, everyLinear}}

// PresetNames returns the names that [ParsePreset] knows, "none" first.
func PresetNames() []string {
	names := make([]string, len(presets))
	for i, p := range presets {
		names[i] = p.name
	}
	return names
}

// ParsePreset returns the preset of that name. "none", and the empty name, is one
// that applies to nothing.
func ParsePreset(name string) (Preset, error) {
	for _, p := range presets {
		if p.name == name || name == "" && p.scope == nothing {
			if p.scope != nothing {
				p.scheme.Name = p.name
			}
			return Preset{p.scheme, p.scope}, nil
		}
	}
	return Preset{}, fmt.Errorf("unknown quantization %q, want %s", name, strings.Join(PresetNames(), ", "))
}

// None reports whether the preset applies to nothing.
func (p Preset) None() bool { return p.scope == nothing }

// The parts of a model that have linear layers, as package llama4 counts them.
const (
	PartHead      = "lm_head"
	PartAttention = "attention"
	PartDense     = "dense"
	PartShared    = "shared"
	PartExperts   = "experts"
)

// Applies reports whether the preset quantizes the linear layers of a part, in one
// of so many layers of the text model; of the head the layer is -1.
func (p Preset) Applies(part string, layer, layers int) bool {
	switch part {
	case PartExperts:
		return p.scope >= experts || p.scope == innerExperts && layer > 0 && layer < layers-1
	case PartShared:
		return p.scope >= experts
	case PartHead, PartAttention, PartDense:
		return p.scope == everyLinear
	}
	return false
}
