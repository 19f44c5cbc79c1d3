package llama4

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/llama4go/llama4go/llama4/internal/fields"
	"github.com/llama4go/llama4go/llama4/quant"
)

// Config is a model's architecture, as config.json gives it. Fields that the
// file leaves out have the reference implementation's defaults.
//
// [LoadConfig] and [ParseConfig] return valid ones. A Config made or changed by
// hand must pass [Config.Validate] before it is used.
type Config struct {
	// Multimodal is true for model_type "llama4", which nests text_config and
	// vision_config, and false for "llama4_text".
	Multimodal bool
	// Prefix begins the names of the text model's tensors: "language_model." in
	// multimodal checkpoints, empty in text-only ones.
	Prefix string

	Vocab   int // tokens (vocab_size)
	Hidden  int // width of the residual stream (hidden_size)
	Layers  int // num_hidden_layers
	Heads   int // query heads (num_attention_heads)
	KVHeads int // key-value heads (num_key_value_heads), a divisor of Heads
	HeadDim int // width of a head (head_dim), even; Heads*HeadDim need not be Hidden

	Intermediate    int // width of an expert and of the shared expert (intermediate_size)
	IntermediateMLP int // width of a dense layer's feed-forward (intermediate_size_mlp)
	Experts         int // routed experts of a mixture layer (num_local_experts)
	ExpertsPerToken int // experts that a token is sent to (num_experts_per_tok)

	MaxPositions int     // longest context, in tokens (max_position_embeddings)
	Chunk        int     // tokens of an attention chunk (attention_chunk_size)
	Eps          float32 // of every RMSNorm and of the QK norm (rms_norm_eps)
	QKNorm       bool    // normalise q and k of RoPE layers (use_qk_norm)
	RoPE         RopeConfig

	// TemperatureTuning scales the queries of NoPE layers by
	// 1 + AttnScale*ln(1 + floor((p+1)/FloorScale)), p the position from 0
	// (attn_temperature_tuning, attn_scale, floor_scale).
	TemperatureTuning     bool
	AttnScale, FloorScale float32

	// What differs from layer to layer, as the file gives it: see Plan.
	NoRopeLayers   []int    // 1 for RoPE, 0 for NoPE; empty for the interval's rule (no_rope_layers)
	NoRopeInterval int      // without NoRopeLayers, every so many layers one is NoPE (no_rope_layer_interval)
	LayerTypes     []string // attention of each layer; nil to follow RoPE (layer_types)
	MoELayers      []int    // indices of mixture layers; nil for the step's rule, empty for none (moe_layers)
	MoEStep        int      // without MoELayers, every so many layers one is a mixture (interleave_moe_layer_step)

	// Quantization is how the checkpoint's weights are quantized, nil for not at all
	// (quantization_config, or the file hf_quant_config.json).
	Quantization *quant.Config

	TieEmbeddings bool    // lm_head is the embedding table (text tie_word_embeddings)
	BOS, EOS      []int32 // token ids; the file has a number, a list or null
	Pad           int32   // token id, -1 for none

	// The tokens of pictures; multimodal models only.
	ImageStart int32 // boi_token_index
	ImageEnd   int32 // eoi_token_index
	ImagePatch int32 // image_token_index: its embedding is replaced by a patch's

	// Vision is the vision tower, nil for text-only models.
	Vision *VisionConfig
}

// VisionConfig is the architecture of the vision tower.
type VisionConfig struct {
	Hidden       int     // hidden_size
	Layers       int     // num_hidden_layers
	Heads        int     // num_attention_heads, a divisor of Hidden
	Intermediate int     // width of the MLP, Hidden*Shuffle^2 (intermediate_size)
	Channels     int     // num_channels
	ImageSize    int     // side of a tile in pixels (image_size)
	PatchSize    int     // side of a patch in pixels (patch_size), a divisor of ImageSize
	Shuffle      int     // patches along a side that become one: 1/pixel_shuffle_ratio
	ProjectorIn  int     // projector_input_dim
	ProjectorOut int     // projector_output_dim, equal to ProjectorIn
	OutputDim    int     // input of the multimodal projector, equal to ProjectorOut (vision_output_dim)
	Eps          float32 // of every LayerNorm: 1e-5, since the reference ignores norm_eps
	RopeTheta    float64 // rope_theta
}

// HeadDim returns the width of an attention head.
func (v *VisionConfig) HeadDim() int { return v.Hidden / v.Heads }

// Grid returns the number of patches along a tile's side.
func (v *VisionConfig) Grid() int { return v.ImageSize / v.PatchSize }

// Patches returns the number of patches of a tile.
func (v *VisionConfig) Patches() int { return v.Grid() * v.Grid() }

// Positions returns the number of a tile's positions in the tower: its patches and
// the class token.
func (v *VisionConfig) Positions() int { return v.Patches() + 1 }

// Tokens returns the number of text positions that a tile takes.
func (v *VisionConfig) Tokens() int { return v.Patches() / (v.Shuffle * v.Shuffle) }

// The model types of config.json, and those of the sections of a multimodal one.
const (
	typeMultimodal = "llama4"
	typeText       = "llama4_text"
	typeVision     = "llama4_vision_model"
)

// maxConfig limits the configuration files: published ones have 6 kB.
const maxConfig = 16 << 20

// LoadConfig reads config.json in a folder.
func LoadConfig(dir string) (*Config, error) {
	c, err := LoadConfigFS(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return c, nil
}

// LoadConfigFS reads config.json in the root of fsys.
func LoadConfigFS(fsys fs.FS) (*Config, error) {
	raw, err := fields.Read(fsys, "config.json", maxConfig)
	if err != nil {
		return nil, err
	}
	c, err := ParseConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	if c.Quantization == nil {
		c.Quantization, err = loadModelOpt(fsys)
	}
	return c, err
}

// loadModelOpt reads the file in which older versions of ModelOpt say how they
// quantized, nil if there is none.
func loadModelOpt(fsys fs.FS) (*quant.Config, error) {
	const name = "hf_quant_config.json"
	raw, err := fields.Read(fsys, name, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	q, err := quant.ParseModelOpt(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return q, nil
}

// ParseConfig reads the contents of a config.json. Fields that it does not know
// are ignored; an error names the field and its value.
func ParseConfig(raw []byte) (*Config, error) {
	top, err := fields.Parse(raw, "")
	if err != nil {
		return nil, err
	}
	c := &Config{}
	modelType := top.Text("model_type", "")
	text, vision := top, (*fields.Object)(nil)
	switch modelType {
	case typeMultimodal:
		c.Multimodal, c.Prefix = true, "language_model."
		text, vision = top.Section("text_config", typeText), top.Section("vision_config", typeVision)
		c.ImageStart = top.Token("boi_token_index", "boi_token_id", 200080)
		c.ImageEnd = top.Token("eoi_token_index", "eoi_token_id", 200081)
		c.ImagePatch = top.Token("image_token_index", "image_token_id", 200092)
	case typeText:
	default:
		top.Fail("model_type", "is %q, want %q or %q", modelType, typeMultimodal, typeText)
	}
	c.readQuantization(top, text)
	c.readText(text)
	if vision != nil {
		c.Vision = readVision(vision)
	}
	if top.Err() != nil {
		return nil, top.Err()
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// readQuantization reads quantization_config, which multimodal models may have in
// text_config.
func (c *Config) readQuantization(sections ...*fields.Object) {
	for _, f := range sections {
		var raw json.RawMessage
		if f.Null("quantization_config") || !f.Decode("quantization_config", "an object", &raw) {
			continue
		}
		q, err := quant.ParseConfig(raw)
		if err != nil {
			f.Fail("quantization_config:", "%v", err)
		}
		c.Quantization = q
		return
	}
}

func (c *Config) readText(f *fields.Object) {
	c.Vocab = f.Integer("vocab_size", 202048)
	c.Hidden = f.Integer("hidden_size", 5120)
	c.Intermediate = f.Integer("intermediate_size", 8192)
	c.IntermediateMLP = f.Integer("intermediate_size_mlp", 16384)
	c.Layers = f.Integer("num_hidden_layers", 48)
	c.Heads = f.Integer("num_attention_heads", 40)
	c.KVHeads = f.IntegerOr("num_key_value_heads", 8, c.Heads)
	c.HeadDim = f.IntegerOr("head_dim", 128, c.Hidden/max(c.Heads, 1))
	c.MaxPositions = f.Integer("max_position_embeddings", 131072)
	c.Eps = float32(f.Number("rms_norm_eps", 1e-5))
	c.TieEmbeddings = f.Boolean("tie_word_embeddings", false)
	c.ExpertsPerToken = f.Integer("num_experts_per_tok", 1)
	c.Experts = f.Integer("num_local_experts", 16)
	c.MoELayers = f.Integers("moe_layers")
	c.MoEStep = f.Integer("interleave_moe_layer_step", 1)
	c.QKNorm = f.Truth("use_qk_norm", true)
	c.NoRopeLayers = f.Integers("no_rope_layers")
	c.NoRopeInterval = f.Integer("no_rope_layer_interval", 4)
	c.LayerTypes = f.Strings("layer_types")
	c.Chunk = f.Integer("attention_chunk_size", 8192)
	c.TemperatureTuning = f.Truth("attn_temperature_tuning", true)
	c.FloorScale = float32(f.Number("floor_scale", 8192))
	c.AttnScale = float32(f.Number("attn_scale", 0.1))
	c.BOS = f.Tokens("bos_token_id", 1)
	c.EOS = f.Tokens("eos_token_id", 2)
	c.Pad = -1
	if pad := f.Tokens("pad_token_id"); len(pad) > 0 {
		c.Pad = pad[0]
	}
	c.RoPE = readRope(f)
	if act := f.Text("hidden_act", "silu"); act != "silu" {
		f.Fail("hidden_act", "is %q, want \"silu\"", act)
	}
	if f.Boolean("attention_bias", false) {
		f.Fail("attention_bias", "is true, but Llama 4 has none")
	}
}

// readVision reads vision_config. Like the reference, it takes no notice of
// norm_eps, multi_modal_projector_bias and vision_feature_layer.
func readVision(f *fields.Object) *VisionConfig {
	v := &VisionConfig{
		Hidden:       f.Integer("hidden_size", 768),
		Layers:       f.Integer("num_hidden_layers", 34),
		Heads:        f.Integer("num_attention_heads", 16),
		Channels:     f.Integer("num_channels", 3),
		Intermediate: f.Integer("intermediate_size", 5632),
		OutputDim:    f.Integer("vision_output_dim", 7680),
		ImageSize:    f.Integer("image_size", 448),
		PatchSize:    f.Integer("patch_size", 14),
		ProjectorIn:  f.Integer("projector_input_dim", 4096),
		ProjectorOut: f.Integer("projector_output_dim", 4096),
		RopeTheta:    f.Number("rope_theta", 10000),
		Eps:          1e-5,
	}
	v.Shuffle = f.Reciprocal("pixel_shuffle_ratio", 0.5)
	if act := f.Text("hidden_act", "gelu"); act != "gelu" {
		f.Fail("hidden_act", "is %q, want \"gelu\"", act)
	}
	return v
}
