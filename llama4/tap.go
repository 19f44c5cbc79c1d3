package llama4

import (
	"fmt"

	"github.com/llama4go/llama4go/bindings"
)

// Tap sees a named activation of a forward pass, converted to fp32: rows tokens
// of the batch, in order. It exists to find the first wrong tensor when a model
// disagrees with the reference. The names, with N a layer:
//
//	embed
//	layers.N.input_norm     after the RMSNorm before attention
//	layers.N.q              [heads * head_dim], rotated, normalised and scaled
//	layers.N.attn           attention's output before o_proj
//	layers.N.attn_out       after o_proj
//	layers.N.post_norm      after the RMSNorm before the feed-forward
//	layers.N.router_logits  [experts], in mixture layers
//	layers.N.ffn_out        the feed-forward's output
//	norm                    after the final RMSNorm
//
// A tap slows a pass down: it reads each tensor back. The model is locked while a
// tap runs, so it may not call the model.
type Tap func(name string, rows int, values []float32)

func (m *Model) tap(t bindings.Tensor, format string, args ...any) error {
	if m.options.Tap == nil {
		return nil
	}
	values, err := bindings.ReadFloat32s(m.stream, t)
	if err != nil {
		return err
	}
	m.options.Tap(fmt.Sprintf(format, args...), int(t.Dim(0)), values)
	return nil
}
