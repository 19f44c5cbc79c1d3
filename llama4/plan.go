package llama4

import "slices"

// The values of layer_types that Llama 4 has.
const (
	chunkedAttention = "chunked_attention"
	fullAttention    = "full_attention"
)

// LayerPlan says what one layer of the text model does.
type LayerPlan struct {
	Index int
	// RoPE turns q and k by their position; a NoPE layer does not.
	RoPE bool
	// Chunked attention sees the keys of the query's own chunk only: k <= q and
	// k/Chunk == q/Chunk. Otherwise the query sees all keys up to its own.
	Chunked bool
	// Chunk is the chunk's length in tokens, 0 for full attention.
	Chunk int
	// QKNorm normalises q and k per head after they are turned; RoPE layers only.
	QKNorm bool
	// Temperature scales q by its position; NoPE layers only.
	Temperature bool
	// MoE layers have routed experts and a shared one, others a dense feed-forward.
	MoE bool
	// Intermediate is the width of the feed-forward: of the dense one, or of the
	// shared expert and each routed one.
	Intermediate int
}

// Plan returns what each layer does. It is the one place that decides it, by the
// rules of the reference (Llama4TextConfig, Llama4TextAttention and
// Llama4TextDecoderLayer of transformers 4.57):
//
//   - RoPE where NoRopeLayers has 1; without the list, everywhere but on every
//     NoRopeInterval'th layer.
//   - Chunked attention where LayerTypes says so; without the list, on RoPE
//     layers. The two lists are independent: LayerTypes has no say in RoPE, QK
//     norm and temperature.
//   - QK norm on RoPE layers and temperature on NoPE layers, if the model has them.
//   - MoE where MoELayers has the index; without the list, on every MoEStep'th layer.
func (c *Config) Plan() []LayerPlan {
	plan := make([]LayerPlan, c.Layers)
	for i := range plan {
		p := &plan[i]
		p.Index = i
		if len(c.NoRopeLayers) > 0 {
			p.RoPE = c.NoRopeLayers[i] != 0
		} else {
			p.RoPE = (i+1)%c.NoRopeInterval != 0
		}
		p.Chunked = p.RoPE
		if c.LayerTypes != nil {
			p.Chunked = c.LayerTypes[i] == chunkedAttention
		}
		if p.Chunked {
			p.Chunk = c.Chunk
		}
		p.QKNorm = c.QKNorm && p.RoPE
		p.Temperature = c.TemperatureTuning && !p.RoPE
		if c.MoELayers != nil {
			p.MoE = slices.Contains(c.MoELayers, i)
		} else {
			p.MoE = (i+1)%c.MoEStep == 0
		}
		p.Intermediate = c.IntermediateMLP
		if p.MoE {
			p.Intermediate = c.Intermediate
		}
	}
	return plan
}
