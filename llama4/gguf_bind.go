package llama4

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llama4go/llama4go/llama4/gguf"
	"github.com/llama4go/llama4go/llama4/quant"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

// ggufNames are the tensors of a layer, and those of none, by their names in
// checkpoints. A stack of gates and ups is two.
var ggufNames = map[string][]string{
	"model.embed_tokens": {"token_embd"}, "model.norm": {"output_norm"}, "lm_head": {"output"},
	"input_layernorm": {"attn_norm"}, "post_attention_layernorm": {"ffn_norm"},
	"self_attn.q_proj": {"attn_q"}, "self_attn.k_proj": {"attn_k"}, "self_attn.v_proj": {"attn_v"},
	"self_attn.o_proj":       {"attn_output"},
	"feed_forward.gate_proj": {"ffn_gate"}, "feed_forward.up_proj": {"ffn_up"}, "feed_forward.down_proj": {"ffn_down"},
	"feed_forward.router":                  {"ffn_gate_inp"},
	"feed_forward.experts.gate_up_proj":    {"ffn_gate_exps", "ffn_up_exps"},
	"feed_forward.experts.down_proj":       {"ffn_down_exps"},
	"feed_forward.shared_expert.gate_proj": {"ffn_gate_shexp"},
	"feed_forward.shared_expert.up_proj":   {"ffn_up_shexp"},
	"feed_forward.shared_expert.down_proj": {"ffn_down_shexp"},
}

// ggufTensors returns the names in a GGUF file of a checkpoint's tensor.
func ggufTensors(spec *TensorSpec) []string {
	name, prefix := strings.TrimSuffix(spec.Name, ".weight"), ""
	if spec.Layer >= 0 {
		prefix = fmt.Sprintf("blk.%d.", spec.Layer)
		name = strings.TrimPrefix(name, fmt.Sprintf("model.layers.%d.", spec.Layer))
	}
	names := slices.Clone(ggufNames[name])
	for i := range names {
		names[i] = prefix + names[i] + ".weight"
	}
	return names
}

// DescribeGGUF binds the tensors of a GGUF file. Linear layers stay as they are
// stored: see [gguf.Tensor.Unpack]. The embedding table and the routers become BF16,
// norms F32, as the operations read them; they are left without Data.
func DescribeGGUF(c *Config, f *gguf.File) (*Weights, error) { return loadGGUF(c, f, false) }

// loadGGUF is DescribeGGUF, and converts what is to be if data is true.
func loadGGUF(c *Config, f *gguf.File, data bool) (*Weights, error) {
	w := &Weights{}
	specs, _ := c.walk(w)
	b := &ggufBinder{binder: binder{config: c, used: map[string]bool{"rope_freqs.weight": true}}, file: f, data: data}
	for i := range specs {
		b.spec(&specs[i])
	}
	if c.TieEmbeddings {
		w.Head = Linear{Name: "lm_head", Part: PartHead, Layer: -1, Shape: w.Embed.Shape, Plain: w.Embed}
	}
	for _, t := range f.Tensors() {
		if !b.used[t.Name] {
			b.fault("%s, %v %v, is not a tensor of this model", t.Name, t.Type, t.Shape)
		}
	}
	w.stored = b.stored
	return w, join(b.faults)
}

type ggufBinder struct {
	binder
	file *gguf.File
	data bool // whether it is wanted
}

// spec binds the tensor or tensors of a spec.
func (b *ggufBinder) spec(spec *TensorSpec) {
	shape := spec.Shape
	if spec.linear != nil {
		shape = spec.linear.Shape
	}
	names := ggufTensors(spec)
	if len(names) == 2 { // each has half of the rows of a matrix
		shape = []int64{shape[0], shape[1] / 2, shape[2]}
	}
	var tensors []*gguf.Tensor
	for _, name := range names {
		b.used[name] = true
		switch t, ok := b.file.Tensor(name); {
		case !ok:
			b.fault("%s is missing, want %v", name, shape)
		case !slices.Equal(t.Shape, shape):
			b.fault("%s is %v %v, want %v", name, t.Type, t.Shape, shape)
		default:
			tensors = append(tensors, t)
		}
	}
	if len(tensors) < len(names) {
		return
	}
	var err error
	if spec.linear != nil {
		err = spec.linear.bindGGUF(tensors)
	} else {
		err = b.plain(spec, tensors[0])
	}
	if err != nil {
		b.fault("%v", err)
	}
	for _, t := range tensors {
		b.stored = append(b.stored, StoredTensor{
			Tensor: ggufStored(t), Part: spec.Part, Layer: spec.Layer, linear: spec.linear != nil, loaded: spec.loadedBytes(),
		})
	}
}

// loadedType is what a tensor that is no linear layer is converted to.
func (s *TensorSpec) loadedType() safetensors.DType {
	if slices.Contains(s.DTypes, safetensors.F32) {
		return safetensors.F32
	}
	return safetensors.BF16
}

func (s *TensorSpec) loadedBytes() int64 {
	if s.linear != nil {
		return 0
	}
	return safetensors.Tensor{DType: s.loadedType(), Shape: s.Shape}.Bytes()
}

// ggufStored is how accounts see a tensor: quantized ones as bytes.
func ggufStored(t *gguf.Tensor) safetensors.Tensor {
	s := safetensors.Tensor{Name: t.Name, Shape: t.Shape}
	switch t.Type {
	case gguf.F32:
		s.DType = safetensors.F32
	case gguf.F16:
		s.DType = safetensors.F16
	case gguf.BF16:
		s.DType = safetensors.BF16
	default:
		s.DType, s.Shape = safetensors.U8, []int64{int64(len(t.Data))}
	}
	return s
}

// plain binds a tensor that is no linear layer, with its data if that is wanted.
func (b *ggufBinder) plain(spec *TensorSpec, t *gguf.Tensor) (err error) {
	*spec.field = safetensors.Tensor{Name: t.Name, Shape: t.Shape, DType: spec.loadedType()}
	if !b.data {
		return nil
	}
	to := quant.BF16
	if spec.field.DType == safetensors.F32 {
		to = quant.F32
	}
	spec.field.Data, err = t.Convert(to)
	return err
}

// bindGGUF makes a layer of one tensor, or of one with an expert's gates and one with
// its ups, in a format that holds both.
func (l *Linear) bindGGUF(tensors []*gguf.Tensor) error {
	format, name := tensors[0].Type.Format(), tensors[0].Type.String()
	for _, t := range tensors[1:] {
		format = gguf.Join(format, t.Type.Format())
		if t.Type != tensors[0].Type {
			name += " and " + t.Type.String()
		}
	}
	l.Scheme = quant.Scheme{Format: format}
	if format.Quantized() {
		l.Scheme.Name = name
	}
	sources := make([]quant.Source, len(tensors))
	for i, t := range tensors {
		var err error
		if sources[i], err = t.Unpack(format); err != nil {
			return err
		}
		l.Bytes += int64(len(t.Data))
	}
	if l.Source = sources[0]; len(sources) == 1 {
		return nil
	}
	rows := tensors[0].Shape[1]
	var stack quant.Concat
	for e := range tensors[0].Shape[0] {
		for _, s := range sources {
			stack = append(stack, quant.Piece{Source: s, First: e * rows, Rows: rows})
		}
	}
	l.Source = stack
	return nil
}
