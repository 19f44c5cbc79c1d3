package llama4

import (
	"iter"

	"github.com/llama4go/llama4go/llama4/quant"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

// Linear is the weights of a linear layer of the text model, or of a stack of them,
// one an expert, as a checkpoint stores them: as one BF16 tensor, or in the rows of a
// Source.
type Linear struct {
	// Name is that of the layer's module: "model.layers.0.self_attn.q_proj". Of
	// experts it ends in "experts.gate_up_proj" or "experts.down_proj".
	Name string
	// Part is the kind of weight, one of the Part constants, and Layer the index of the
	// layer, -1 for the head.
	Part  string
	Layer int
	// Shape is [N, K], rows by columns, or [E, N, K], whatever the tensors' is.
	Shape []int64
	// Scheme is how the checkpoint has it quantized, the zero value for BF16.
	Scheme quant.Scheme
	// Plain is the whole of it in BF16, of which a stack is [E, K, N]. It is the zero
	// value if there is a Source.
	Plain safetensors.Tensor
	// Source yields the rows in the format of Scheme, E*N of a stack. It is nil if
	// there is a Plain tensor, or if only headers were read.
	Source quant.Source
	// Bytes is the size of what the checkpoint stores it in; 0 of a head that is tied to
	// the embedding table.
	Bytes int64
}

// Rows returns the number of rows, of a stack of all its matrices.
func (l *Linear) Rows() int64 { return safetensors.Tensor{Shape: l.Shape[:len(l.Shape)-1]}.Elements() }

// Columns returns the length of a row, the width of the layer's input.
func (l *Linear) Columns() int64 { return l.Shape[len(l.Shape)-1] }

// Loaded returns the scheme that the layer has in memory once the model is loaded
// with a preset: the preset's where it applies, else the checkpoint's.
func (l *Linear) Loaded(p quant.Preset, layers int) quant.Scheme {
	if !l.Scheme.Quantized() && p.Applies(l.Part, l.Layer, layers) {
		return p.Scheme
	}
	return l.Scheme
}

// Linears yields the linear layers of the text model in the order of the layers, the
// head last.
func (w *Weights) Linears() iter.Seq[*Linear] {
	return func(yield func(*Linear) bool) {
		for i := range w.Layers {
			for _, l := range w.Layers[i].linears() {
				if !yield(l) {
					return
				}
			}
		}
		yield(&w.Head)
	}
}

func (w *LayerWeights) linears() []*Linear {
	l := []*Linear{&w.Attn.Q, &w.Attn.K, &w.Attn.V, &w.Attn.O}
	mlp := w.MLP
	if m := w.MoE; m != nil {
		l, mlp = append(l, &m.GateUp, &m.Down), &m.Shared
	}
	return append(l, &mlp.Gate, &mlp.Up, &mlp.Down)
}

// LoadedBytes returns what the layer takes in memory once the model is loaded with a
// preset.
func (l *Linear) LoadedBytes(p quant.Preset, layers int) int64 {
	scheme := l.Loaded(p, layers)
	if l.Bytes == 0 && !scheme.Quantized() {
		return 0 // it is the embedding table
	}
	return scheme.Bytes(l.Rows(), l.Columns())
}

// placedBytes returns the size of what placeWeights goes through: linear layers as
// they are stored, and other tensors as they are loaded.
func (w *Weights) placedBytes() (n int64) {
	for _, t := range w.stored {
		n += t.loaded
	}
	for l := range w.Linears() {
		n += l.Bytes
	}
	return n
}

// LoadedBytes returns what the model's weights take in memory, by the Part constants,
// once it is loaded with a preset.
func (w *Weights) LoadedBytes(p quant.Preset) map[string]int64 {
	parts := map[string]int64{}
	for _, t := range w.stored {
		parts[t.Part] += t.loaded
	}
	for l := range w.Linears() {
		parts[l.Part] += l.LoadedBytes(p, len(w.Layers))
	}
	return parts
}
