package llama4

import (
	"fmt"
	"math"
	"slices"
)

// The largest sizes that are believed: a good multiple of any that exists, and
// small enough that no product of sizes overflows 63 bits.
const (
	maxLayers  = 1 << 10
	maxHeads   = 1 << 12
	maxHeadDim = 1 << 12
	maxWidth   = 1 << 17 // of the residual stream
	maxFFN     = 1 << 20
	maxExperts = 1 << 12
	maxVocab   = 1 << 24
	maxTokens  = math.MaxInt32
)

// bound is one size with its limits, named as in config.json.
type bound struct {
	name      string
	v, lo, hi int
}

// Validate reports the first size or combination that cannot be run, named as in
// config.json.
func (c *Config) Validate() error {
	section := ""
	if c.Multimodal {
		section = "text_config."
	}
	for _, check := range []func() error{c.checkSizes, c.checkFloats, c.checkLayers, c.RoPE.check} {
		if err := check(); err != nil {
			return fmt.Errorf("%s%w", section, err)
		}
	}
	if c.Multimodal != (c.Vision != nil) {
		return fmt.Errorf("vision_config: a model has one if, and only if, model_type is %q", typeMultimodal)
	}
	if c.Vision != nil {
		if err := c.Vision.check(); err != nil {
			return fmt.Errorf("vision_config.%w", err)
		}
	}
	return nil
}

func inBounds(bounds []bound) error {
	for _, b := range bounds {
		if b.v < b.lo || b.v > b.hi {
			return fmt.Errorf("%s is %d, want %d to %d", b.name, b.v, b.lo, b.hi)
		}
	}
	return nil
}

func (c *Config) checkSizes() error {
	err := inBounds([]bound{
		{"vocab_size", c.Vocab, 1, maxVocab},
		{"hidden_size", c.Hidden, 1, maxWidth},
		{"num_hidden_layers", c.Layers, 1, maxLayers},
		{"num_attention_heads", c.Heads, 1, maxHeads},
		{"num_key_value_heads", c.KVHeads, 1, c.Heads},
		{"head_dim", c.HeadDim, 2, maxHeadDim},
		{"intermediate_size", c.Intermediate, 1, maxFFN},
		{"intermediate_size_mlp", c.IntermediateMLP, 1, maxFFN},
		{"max_position_embeddings", c.MaxPositions, 1, maxTokens},
		{"attention_chunk_size", c.Chunk, 1, maxTokens},
	})
	if err != nil {
		return err
	}
	if c.Heads%c.KVHeads != 0 {
		return fmt.Errorf("num_key_value_heads is %d, which does not divide num_attention_heads, %d", c.KVHeads, c.Heads)
	}
	if c.HeadDim%2 != 0 {
		return fmt.Errorf("head_dim is %d, want an even number", c.HeadDim)
	}
	if n := len(c.RoPE.Divisors); n != 0 && n != c.HeadDim/2 {
		return fmt.Errorf("rope has %d divisors, want half of head_dim, %d", n, c.HeadDim)
	}
	if err := checkTokens("bos_token_id", c.BOS); err != nil {
		return err
	}
	return checkTokens("eos_token_id", c.EOS)
}

func checkTokens(name string, ids []int32) error {
	if i := slices.IndexFunc(ids, func(id int32) bool { return id < 0 }); i >= 0 {
		return fmt.Errorf("%s holds %d, want token ids from 0", name, ids[i])
	}
	return nil
}

func (c *Config) checkFloats() error {
	for _, f := range []struct {
		name   string
		v      float32
		ok     bool
		wanted string
	}{
		{"rms_norm_eps", c.Eps, c.Eps > 0 && c.Eps < 1, "a number between 0 and 1"},
		{"floor_scale", c.FloorScale, c.FloorScale > 0 && c.FloorScale <= maxTokens, "a positive number of tokens"},
		{"attn_scale", c.AttnScale, c.AttnScale >= 0 && c.AttnScale <= 100, "0 to 100"},
	} {
		if !f.ok {
			return fmt.Errorf("%s is %v, want %s", f.name, f.v, f.wanted)
		}
	}
	return nil
}

// checkLayers checks what Plan reads.
func (c *Config) checkLayers() error {
	if n := len(c.NoRopeLayers); n != 0 && n != c.Layers {
		return fmt.Errorf("no_rope_layers has %d entries, but num_hidden_layers is %d", n, c.Layers)
	}
	for i, v := range c.NoRopeLayers {
		if v != 0 && v != 1 {
			return fmt.Errorf("no_rope_layers[%d] is %d, want 0 or 1", i, v)
		}
	}
	if c.NoRopeInterval < 1 {
		return fmt.Errorf("no_rope_layer_interval is %d, want at least 1", c.NoRopeInterval)
	}
	if n := len(c.LayerTypes); c.LayerTypes != nil && n != c.Layers {
		return fmt.Errorf("layer_types has %d entries, but num_hidden_layers is %d", n, c.Layers)
	}
	for i, v := range c.LayerTypes {
		if v != chunkedAttention && v != fullAttention {
			return fmt.Errorf("layer_types[%d] is %q, want %q or %q", i, v, chunkedAttention, fullAttention)
		}
	}
	if n := len(c.MoELayers); n > c.Layers {
		return fmt.Errorf("moe_layers has %d entries, but num_hidden_layers is %d", n, c.Layers)
	}
	for i, v := range c.MoELayers {
		if v < 0 || v >= c.Layers {
			return fmt.Errorf("moe_layers[%d] is %d, but num_hidden_layers is %d", i, v, c.Layers)
		}
	}
	if c.MoELayers == nil && c.MoEStep < 1 {
		return fmt.Errorf("interleave_moe_layer_step is %d, want at least 1", c.MoEStep)
	}
	if !slices.ContainsFunc(c.Plan(), func(p LayerPlan) bool { return p.MoE }) {
		return nil // dense models may say that they have no experts
	}
	return inBounds([]bound{
		{"num_local_experts", c.Experts, 1, maxExperts},
		{"num_experts_per_tok", c.ExpertsPerToken, 1, c.Experts},
	})
}

func (r *RopeConfig) check() error {
	if !(r.Theta >= 1 && r.Theta <= 1e15) {
		return fmt.Errorf("rope_theta is %v, want 1 to 1e15", r.Theta)
	}
	for i, d := range r.Divisors {
		if !(d > 0 && d <= math.MaxFloat32) {
			return fmt.Errorf("rope has divisor %d, %v: want a positive number", i, d)
		}
	}
	if !r.Llama3 {
		return nil
	}
	const section = "rope_scaling."
	for _, f := range []struct {
		name   string
		v      float64
		lo, hi float64
	}{
		{"factor", r.Factor, 1, 1e6},
		{"low_freq_factor", r.LowFreqFactor, 1e-6, 1e6},
		{"high_freq_factor", r.HighFreqFactor, r.LowFreqFactor, 1e6},
	} {
		if !(f.v >= f.lo && f.v <= f.hi) {
			return fmt.Errorf("%s%s is %v, want %v to %v", section, f.name, f.v, f.lo, f.hi)
		}
	}
	return inBounds([]bound{{section + "original_max_position_embeddings", r.Original, 1, maxTokens}})
}

func (v *VisionConfig) check() error {
	err := inBounds([]bound{
		{"hidden_size", v.Hidden, 1, maxWidth},
		{"num_hidden_layers", v.Layers, 1, maxLayers},
		{"num_attention_heads", v.Heads, 1, maxHeads},
		{"intermediate_size", v.Intermediate, 1, maxFFN},
		{"num_channels", v.Channels, 3, 3},
		{"image_size", v.ImageSize, 1, 1 << 14},
		{"patch_size", v.PatchSize, 1, v.ImageSize},
		{"projector_input_dim", v.ProjectorIn, 1, maxWidth},
		{"projector_output_dim", v.ProjectorOut, v.ProjectorIn, v.ProjectorIn},
		{"vision_output_dim", v.OutputDim, v.ProjectorOut, v.ProjectorOut},
	})
	if err != nil {
		return err
	}
	if !(v.RopeTheta >= 1 && v.RopeTheta <= 1e15) {
		return fmt.Errorf("rope_theta is %v, want 1 to 1e15", v.RopeTheta)
	}
	switch {
	case v.Hidden%v.Heads != 0 || v.HeadDim()%4 != 0:
		return fmt.Errorf("num_attention_heads is %d: hidden_size, %d, must be a multiple of four times that", v.Heads, v.Hidden)
	case v.ImageSize%v.PatchSize != 0:
		return fmt.Errorf("patch_size is %d, which does not divide image_size, %d", v.PatchSize, v.ImageSize)
	case v.Shuffle < 1 || v.Grid()%v.Shuffle != 0:
		return fmt.Errorf("pixel_shuffle_ratio is 1/%d, but a tile has %d patches a side", v.Shuffle, v.Grid())
	case v.Intermediate != v.Hidden*v.Shuffle*v.Shuffle:
		return fmt.Errorf("intermediate_size is %d, want hidden_size/pixel_shuffle_ratio^2 = %d", v.Intermediate, v.Hidden*v.Shuffle*v.Shuffle)
	}
	return nil
}
