package llama4

import (
	"errors"

	"github.com/llama4go/llama4go/llama4/quant"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

// PlainWeights returns the weights of a BF16 checkpoint of this model without their
// data: what its headers would say, for accounts of memory. The Config must be valid,
// and not be that of a quantized checkpoint, which may be stored in many ways.
func (c *Config) PlainWeights() (*Weights, error) {
	if c.Quantization != nil {
		return nil, errors.New("config.json is that of a quantized checkpoint: name its folder, whose headers say how it is stored")
	}
	h := &headers{tensors: map[string]safetensors.Tensor{}}
	for _, s := range c.Tensors() {
		h.names = append(h.names, s.Name)
		h.tensors[s.Name] = safetensors.Tensor{Name: s.Name, DType: s.DTypes[0], Shape: s.Shape}
	}
	w := &Weights{}
	return w, bind(c, h, w)
}

// CheckQuant reports why a preset cannot quantize the weights while they are loaded:
// they are quantized already.
func (w *Weights) CheckQuant(p quant.Preset) error { return checkPreset(w, p) }

// headers is a source of tensors without data.
type headers struct {
	names   []string
	tensors map[string]safetensors.Tensor
}

// Lookup implements source.
func (h *headers) Lookup(name string) (safetensors.Tensor, bool) {
	t, ok := h.tensors[name]
	return t, ok
}

// Names implements source.
func (h *headers) Names() []string { return h.names }
