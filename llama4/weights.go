package llama4

import (
	"slices"

	"github.com/llama4go/llama4go/llama4/safetensors"
)

// The structs below are the one description of a checkpoint's tensors. Their tags
// are read by the walk in specs.go:
//
//	tensor  the name, or of a struct or slice the part of the name that its fields
//	        share; %d is the index in the slice, @text stands for Config.Prefix
//	shape   the dimensions, products of the sizes in [Config.sizes]
//	set     sizes that the struct's fields know by another name: "ffn=intermediate"
//	count   the field of config.json that gives a slice's length
//	when    the condition under which the field is there (see [Config.walk])
//	part    the kind of weight, for accounting; inherited by a struct's fields
//	dtype   the types that are allowed: "bf16", or "float" for BF16, F16 and F32;
//	        inherited, and "bf16" where nothing is said
//
//	each    of experts: the modules of one expert, in a checkpoint that has each
//	        expert's for itself, whose rows follow each other
//
// Matrices are [out, in] as in PyTorch's Linear, but for the experts', which are
// [expert, in, out]. The names and shapes are those of plain checkpoints; a Linear
// may be stored otherwise (see [Linear]).

// Weights is a model's tensors, bound by [LoadWeights]. The tensors are views of
// the checkpoint, valid until it is closed.
type Weights struct {
	TextWeights `tensor:"@text"`
	// Vision is nil for text-only models.
	Vision *VisionWeights `when:"multimodal" part:"vision" dtype:"float"`

	stored []StoredTensor
}

// StoredTensor is a tensor of a checkpoint that a model is made of.
type StoredTensor struct {
	safetensors.Tensor
	// Part is the kind of weight, one of the Part constants; Layer is the index of the
	// layer, of the text model or the vision tower, -1 for tensors of none.
	Part  string
	Layer int

	linear bool  // of a Linear
	loaded int64 // bytes in memory, 0 for those of a Linear
}

// Tensors returns the checkpoint's tensors that the model uses.
func (w *Weights) Tensors() []StoredTensor { return slices.Clone(w.stored) }

// TextWeights is the text model.
type TextWeights struct {
	Embed  safetensors.Tensor `tensor:"model.embed_tokens.weight" shape:"vocab,hidden" part:"embedding"`
	Layers []LayerWeights     `tensor:"model.layers.%d" count:"num_hidden_layers"`
	Norm   safetensors.Tensor `tensor:"model.norm.weight" shape:"hidden" part:"norms" dtype:"float"`
	// Head is made of Embed if the model ties the two.
	Head Linear `tensor:"lm_head.weight" shape:"vocab,hidden" part:"lm_head" when:"untied"`
}

// LayerWeights is one layer of the text model: it has either MoE or MLP.
type LayerWeights struct {
	AttnNorm safetensors.Tensor `tensor:"input_layernorm.weight" shape:"hidden" part:"norms" dtype:"float"`
	Attn     AttentionWeights   `tensor:"self_attn" part:"attention"`
	FFNNorm  safetensors.Tensor `tensor:"post_attention_layernorm.weight" shape:"hidden" part:"norms" dtype:"float"`
	MoE      *MoEWeights        `tensor:"feed_forward" when:"moe"`
	MLP      *MLPWeights        `tensor:"feed_forward" when:"dense" part:"dense" set:"ffn=intermediate_mlp"`
}

// AttentionWeights is the projections of an attention layer.
type AttentionWeights struct {
	Q Linear `tensor:"q_proj.weight" shape:"heads*head_dim,hidden"`
	K Linear `tensor:"k_proj.weight" shape:"kv_heads*head_dim,hidden"`
	V Linear `tensor:"v_proj.weight" shape:"kv_heads*head_dim,hidden"`
	O Linear `tensor:"o_proj.weight" shape:"hidden,heads*head_dim"`
}

// MoEWeights is a mixture of experts. GateUp has an expert's gate columns first,
// then its up columns.
type MoEWeights struct {
	Router safetensors.Tensor `tensor:"router.weight" shape:"experts,hidden" part:"router"`
	GateUp Linear             `tensor:"experts.gate_up_proj" each:"gate_proj,up_proj" shape:"experts,hidden,2*intermediate" part:"experts"`
	Down   Linear             `tensor:"experts.down_proj" each:"down_proj" shape:"experts,intermediate,hidden" part:"experts"`
	Shared MLPWeights         `tensor:"shared_expert" part:"shared" set:"ffn=intermediate"`
}

// MLPWeights is a SwiGLU feed-forward: down(silu(gate(x)) * up(x)).
type MLPWeights struct {
	Gate Linear `tensor:"gate_proj.weight" shape:"ffn,hidden"`
	Up   Linear `tensor:"up_proj.weight" shape:"ffn,hidden"`
	Down Linear `tensor:"down_proj.weight" shape:"hidden,ffn"`
}

// VisionWeights is the vision tower and the projector to the text model.
type VisionWeights struct {
	// Patch takes a patch's pixels in the order channel, row, column.
	Patch safetensors.Tensor `tensor:"vision_model.patch_embedding.linear.weight" shape:"v_hidden,v_channels*v_patch*v_patch"`
	Class safetensors.Tensor `tensor:"vision_model.class_embedding" shape:"v_hidden"`
	// Position has a row for each patch and one for the class token, the last.
	Position safetensors.Tensor   `tensor:"vision_model.positional_embedding_vlm" shape:"v_positions,v_hidden"`
	NormPre  AffineWeights        `tensor:"vision_model.layernorm_pre" set:"out=v_hidden"`
	NormPost AffineWeights        `tensor:"vision_model.layernorm_post" set:"out=v_hidden"`
	Layers   []VisionLayerWeights `tensor:"vision_model.model.layers.%d" count:"vision_config.num_hidden_layers"`
	// AdapterIn and AdapterOut are the MLP after the pixel shuffle.
	AdapterIn  safetensors.Tensor `tensor:"vision_model.vision_adapter.mlp.fc1.weight" shape:"v_adapter,v_intermediate"`
	AdapterOut safetensors.Tensor `tensor:"vision_model.vision_adapter.mlp.fc2.weight" shape:"v_output,v_adapter"`
	Projector  safetensors.Tensor `tensor:"multi_modal_projector.linear_1.weight" shape:"hidden,v_output"`
}

// VisionLayerWeights is one block of the vision tower.
type VisionLayerWeights struct {
	AttnNorm AffineWeights `tensor:"input_layernorm" set:"out=v_hidden"`
	Q        LinearWeights `tensor:"self_attn.q_proj" set:"out=v_hidden,in=v_hidden"`
	K        LinearWeights `tensor:"self_attn.k_proj" set:"out=v_hidden,in=v_hidden"`
	V        LinearWeights `tensor:"self_attn.v_proj" set:"out=v_hidden,in=v_hidden"`
	O        LinearWeights `tensor:"self_attn.o_proj" set:"out=v_hidden,in=v_hidden"`
	MLPNorm  AffineWeights `tensor:"post_attention_layernorm" set:"out=v_hidden"`
	Up       LinearWeights `tensor:"mlp.fc1" set:"out=v_intermediate,in=v_hidden"`
	Down     LinearWeights `tensor:"mlp.fc2" set:"out=v_hidden,in=v_intermediate"`
}

// LinearWeights is a matrix with a bias.
type LinearWeights struct {
	Weight safetensors.Tensor `tensor:"weight" shape:"out,in"`
	Bias   safetensors.Tensor `tensor:"bias" shape:"out"`
}

// AffineWeights is the gain and the bias of a LayerNorm.
type AffineWeights struct {
	Weight safetensors.Tensor `tensor:"weight" shape:"out"`
	Bias   safetensors.Tensor `tensor:"bias" shape:"out"`
}
