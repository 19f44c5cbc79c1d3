package llama4

import (
	"encoding/json"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

func published(t testing.TB, name string) *Config {
	raw, err := os.ReadFile("testdata/config/" + name + ".json")
	require.NoError(t, err)
	c, err := ParseConfig(raw)
	require.NoError(t, err)
	return c
}

// edit returns the published Scout's config.json with some fields replaced. A
// name may begin with a section, "text_config.hidden_size"; the value is JSON,
// and "" removes the field.
func edit(t testing.TB, base string, changes map[string]string) []byte {
	raw, err := os.ReadFile("testdata/config/" + base + ".json")
	require.NoError(t, err)
	var top map[string]any
	require.NoError(t, json.Unmarshal(raw, &top))
	for name, value := range changes {
		object := top
		for path := strings.Split(name, "."); ; path = path[1:] {
			if len(path) > 1 {
				next, ok := object[path[0]].(map[string]any)
				if !ok {
					next = map[string]any{}
					object[path[0]] = next
				}
				object = next
				continue
			}
			if value == "" {
				delete(object, path[0])
			} else {
				object[path[0]] = json.RawMessage(value)
			}
			break
		}
	}
	raw, err = json.Marshal(top)
	require.NoError(t, err)
	return raw
}

func TestPublishedConfigs(t *testing.T) {
	scout, maverick := published(t, "scout"), published(t, "maverick")
	for _, c := range []*Config{scout, maverick} {
		require.True(t, c.Multimodal)
		require.Equal(t, "language_model.", c.Prefix)
		require.Equal(t, []int{48, 5120, 40, 8, 128, 202048}, []int{c.Layers, c.Hidden, c.Heads, c.KVHeads, c.HeadDim, c.Vocab})
		require.Equal(t, []int32{200001, 200007, 200008}, c.EOS)
		require.Equal(t, []int32{200000}, c.BOS)
		require.EqualValues(t, 200018, c.Pad)
		require.True(t, c.TemperatureTuning)
		require.Equal(t, float32(1e-5), c.Eps)
		require.Equal(t, []int{24, 576, 144, 88}, []int{c.Vision.Grid(), c.Vision.Patches(), c.Vision.Tokens(), c.Vision.HeadDim()})
	}
	require.Equal(t, RopeConfig{Theta: 500000, Llama3: true, Factor: 16, LowFreqFactor: 1, HighFreqFactor: 1, Original: 8192}, scout.RoPE)
	require.Equal(t, RopeConfig{Theta: 500000}, maverick.RoPE)
	require.Equal(t, []int{16, 128}, []int{scout.Experts, maverick.Experts})
}

// TestConfigFaults changes one thing of Scout's configuration at a time; the
// error names the field and its value.
func TestConfigFaults(t *testing.T) {
	list := func(n int, v string) string { return "[" + strings.TrimSuffix(strings.Repeat(v+",", n), ",") + "]" }
	tests := []struct{ field, value, want string }{
		{"model_type", `"llama"`, `model_type is "llama", want "llama4" or "llama4_text"`},
		{"model_type", "", `model_type is ""`},
		{"model_type", "4", "model_type is 4, want a string"},
		{"text_config", "", "text_config is missing"},
		{"text_config", "[]", "text_config is [], want an object"},
		{"vision_config", "null", "vision_config is missing"},
		{"text_config.model_type", `"qwen3"`, `text_config.model_type is "qwen3"`},
		{"vision_config.model_type", `"clip"`, `vision_config.model_type is "clip"`},
		{"quantization_config", `{"quant_method":"compressed-tensors","format":"float-quantized"}`, `quantization_config: config_groups is missing`},
		{"text_config.quantization_config", `{"quant_method":"fp8"}`, `text_config.quantization_config: quant_method is "fp8", want "compressed-tensors" or "modelopt"`},
		{"text_config.vocab_size", "0", "text_config.vocab_size is 0, want 1 to"},
		{"text_config.vocab_size", "99999999", "vocab_size is 99999999, want 1 to 16777216"},
		{"text_config.hidden_size", "-5120", "hidden_size is -5120"},
		{"text_config.hidden_size", "5120.0", "hidden_size is 5120.0, want an integer"},
		{"text_config.hidden_size", `"5120"`, `hidden_size is "5120", want an integer`},
		{"text_config.hidden_size", `"` + strings.Repeat("9", 99) + `"`, `hidden_size is "` + strings.Repeat("9", 59) + "..., want an integer"},
		{"text_config.hidden_size", "null", "hidden_size is null, want an integer"},
		{"text_config.hidden_size", "1e400", "hidden_size is 1e400"},
		{"text_config.hidden_size", "99999999999999999999", "hidden_size is 99999999999999999999"},
		{"text_config.num_hidden_layers", "0", "num_hidden_layers is 0"},
		{"text_config.num_hidden_layers", "2000000000", "num_hidden_layers is 2000000000, want 1 to 1024"},
		{"text_config.num_attention_heads", "0", "num_attention_heads is 0"},
		{"text_config.num_key_value_heads", "0", "num_key_value_heads is 0"},
		{"text_config.num_key_value_heads", "41", "num_key_value_heads is 41, want 1 to 40"},
		{"text_config.num_key_value_heads", "7", "num_key_value_heads is 7, which does not divide num_attention_heads, 40"},
		{"text_config.head_dim", "127", "head_dim is 127, want an even number"},
		{"text_config.head_dim", "0", "head_dim is 0"},
		{"text_config.intermediate_size", "0", "intermediate_size is 0"},
		{"text_config.intermediate_size_mlp", "-1", "intermediate_size_mlp is -1"},
		{"text_config.num_local_experts", "0", "num_local_experts is 0"},
		{"text_config.num_experts_per_tok", "0", "num_experts_per_tok is 0"},
		{"text_config.num_experts_per_tok", "17", "num_experts_per_tok is 17, want 1 to 16"},
		{"text_config.attention_chunk_size", "0", "attention_chunk_size is 0"},
		{"text_config.attention_chunk_size", "null", "attention_chunk_size is null"},
		{"text_config.max_position_embeddings", "0", "max_position_embeddings is 0"},
		{"text_config.rms_norm_eps", "0", "rms_norm_eps is 0"},
		{"text_config.rms_norm_eps", "-1e-5", "rms_norm_eps is -1e-05"},
		{"text_config.rms_norm_eps", `"1e-5"`, "want a number"},
		{"text_config.floor_scale", "0", "floor_scale is 0"},
		{"text_config.attn_scale", "-0.1", "attn_scale is -0.1"},
		{"text_config.attn_temperature_tuning", `"yes"`, `attn_temperature_tuning is "yes", want true, false or a number`},
		{"text_config.use_qk_norm", "[]", "use_qk_norm is []"},
		{"text_config.tie_word_embeddings", "1", "tie_word_embeddings is 1, want true or false"},
		{"text_config.hidden_act", `"gelu"`, `hidden_act is "gelu", want "silu"`},
		{"text_config.attention_bias", "true", "attention_bias is true"},
		{"text_config.no_rope_layers", list(47, "1"), "no_rope_layers has 47 entries, but num_hidden_layers is 48"},
		{"text_config.no_rope_layers", list(48, "2"), "no_rope_layers[0] is 2"},
		{"text_config.no_rope_layers", "[null]", "no_rope_layers is [null], want a list of integers"},
		{"text_config.no_rope_layers", "7", "no_rope_layers is 7, want a list of integers"},
		{"text_config.no_rope_layer_interval", "0", "no_rope_layer_interval is 0"},
		{"text_config.moe_layers", "[1,48]", "moe_layers[1] is 48, but num_hidden_layers is 48"},
		{"text_config.moe_layers", "[-1]", "moe_layers[0] is -1"},
		{"text_config.moe_layers", list(49, "1"), "moe_layers has 49 entries"},
		{"text_config.interleave_moe_layer_step", "0", "interleave_moe_layer_step is 0"},
		{"text_config.layer_types", "[]", "layer_types has 0 entries, but num_hidden_layers is 48"},
		{"text_config.layer_types", list(48, `"sliding_attention"`), `layer_types[0] is "sliding_attention"`},
		{"text_config.layer_types", "[1]", "layer_types is [1], want a list of strings"},
		{"text_config.bos_token_id", "-1", "bos_token_id holds -1"},
		{"text_config.eos_token_id", "[1,-2]", "eos_token_id holds -2"},
		{"text_config.eos_token_id", `["1"]`, `eos_token_id is ["1"]`},
		{"text_config.eos_token_id", "1.5", "eos_token_id is 1.5"},
		{"image_token_index", "-1", "image_token_index is -1, want a token id"},
		{"image_token_index", "null", "image_token_index is null, want a token id"},
		{"boi_token_index", "[]", "boi_token_index is [], want a token id"},
		{"text_config.rope_theta", "0", "rope_theta is 0"},
		{"text_config.partial_rotary_factor", "0.5", "partial_rotary_factor is 0.5"},
		{"text_config.rope_scaling.rope_type", `"yarn"`, `text_config.rope_scaling.rope_type is "yarn"`},
		{"text_config.rope_scaling.factor", "", "rope_scaling.factor is missing"},
		{"text_config.rope_scaling.factor", "0", "rope_scaling.factor is 0"},
		{"text_config.rope_scaling.low_freq_factor", "0", "rope_scaling.low_freq_factor is 0"},
		{"text_config.rope_scaling.high_freq_factor", "0.5", "rope_scaling.high_freq_factor is 0.5, want 1 to"},
		{"text_config.rope_scaling.original_max_position_embeddings", "", "original_max_position_embeddings is 0"},
		{"text_config.rope_scaling", "8", "rope_scaling is 8, want an object"},
		{"text_config.rope_parameters", `{"rope_type":"linear","factor":2}`, `rope_parameters.rope_type is "linear"`},
		{"text_config.rope_parameters", `{"rope_type":"default","rope_theta":500000}`, "rope_parameters contradicts rope_scaling"},
		{"text_config.rope_parameters", `{"rope_type":"default","rope_theta":10000}`, "rope_parameters.rope_theta is 10000, but rope_theta is 500000"},
		{"vision_config.hidden_size", "1409", "vision_config.num_attention_heads is 16: hidden_size, 1409"},
		{"vision_config.num_attention_heads", "64", "num_attention_heads is 64: hidden_size, 1408"},
		{"vision_config.num_attention_heads", "0", "vision_config.num_attention_heads is 0"},
		{"vision_config.num_hidden_layers", "0", "vision_config.num_hidden_layers is 0"},
		{"vision_config.intermediate_size", "5000", "intermediate_size is 5000, want hidden_size/pixel_shuffle_ratio^2 = 5632"},
		{"vision_config.image_size", "337", "patch_size is 14, which does not divide image_size, 337"},
		{"vision_config.patch_size", "0", "patch_size is 0"},
		{"vision_config.num_channels", "1", "num_channels is 1"},
		{"vision_config.pixel_shuffle_ratio", "0.3", "pixel_shuffle_ratio is 0.3"},
		{"vision_config.pixel_shuffle_ratio", "0.2", "pixel_shuffle_ratio is 1/5, but a tile has 24 patches"},
		{"vision_config.pixel_shuffle_ratio", "0", "pixel_shuffle_ratio is 0"},
		{"vision_config.projector_output_dim", "4095", "projector_output_dim is 4095, want 4096 to 4096"},
		{"vision_config.vision_output_dim", "7680", "vision_output_dim is 7680, want 4096 to 4096"},
		{"vision_config.rope_theta", "0", "vision_config.rope_theta is 0"},
		{"vision_config.hidden_act", `"relu"`, `vision_config.hidden_act is "relu"`},
	}
	for _, tt := range tests {
		t.Run(tt.field+" "+tt.value, func(t *testing.T) {
			raw := edit(t, "scout", map[string]string{tt.field: tt.value})
			_, err := ParseConfig(raw)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "\n")
			_, err = LoadConfigFS(fstest.MapFS{"config.json": {Data: raw}})
			require.ErrorContains(t, err, "config.json: ")
		})
	}
}

func TestParseConfigAccepts(t *testing.T) {
	base := published(t, "scout")
	parse := func(changes map[string]string) *Config {
		t.Helper()
		c, err := ParseConfig(edit(t, "scout", changes))
		require.NoError(t, err)
		return c
	}
	same := map[string]map[string]string{
		"unknown fields":      {"whatever": "[1]", "text_config.more": `{"a":null}`},
		"quantization null":   {"quantization_config": "null"},
		"old name of type":    {"text_config.rope_scaling": `{"type":"llama3","factor":16,"low_freq_factor":1,"high_freq_factor":1,"original_max_position_embeddings":8192}`},
		"no type":             {"text_config.rope_scaling": `{"factor":16,"low_freq_factor":1,"high_freq_factor":1,"original_max_position_embeddings":8192}`},
		"rope_parameters":     {"text_config.rope_scaling": "", "text_config.rope_theta": "", "text_config.rope_parameters": `{"rope_theta":500000.0,"rope_type":"llama3","factor":16,"low_freq_factor":1,"high_freq_factor":1,"original_max_position_embeddings":8192}`},
		"both, agreeing":      {"text_config.rope_parameters": `{"rope_theta":500000.0,"rope_type":"llama3","factor":16,"low_freq_factor":1,"high_freq_factor":1,"original_max_position_embeddings":8192}`},
		"newer token names":   {"image_token_index": "", "image_token_id": "200092", "boi_token_index": "", "boi_token_id": "200080"},
		"ignored vision eps":  {"vision_config.norm_eps": "1e-6"},
		"tie at the top only": {"tie_word_embeddings": "true"},
		"case of keys":        {"text_config.HIDDEN_SIZE": "1"},
	}
	for name, changes := range same {
		require.Equal(t, base, parse(changes), name)
	}
	require.False(t, parse(map[string]string{"text_config.rope_scaling": `{"rope_type":"default"}`}).RoPE.Llama3)
	require.Equal(t, 40, parse(map[string]string{"text_config.num_key_value_heads": "null"}).KVHeads)
	require.Equal(t, 128, parse(map[string]string{"text_config.head_dim": "null"}).HeadDim)
	require.Nil(t, parse(map[string]string{"text_config.eos_token_id": "null"}).EOS)
	require.Equal(t, []int32{7}, parse(map[string]string{"text_config.eos_token_id": "7"}).EOS)
	require.EqualValues(t, -1, parse(map[string]string{"text_config.pad_token_id": "-1"}).Pad)
	for value, want := range map[string]bool{"true": true, "4": true, "false": false, "0": false, "null": false} {
		require.Equal(t, want, parse(map[string]string{"text_config.attn_temperature_tuning": value}).TemperatureTuning, value)
	}
}

func TestConfigFiles(t *testing.T) {
	_, err := LoadConfig(t.TempDir())
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "config.json")
	for raw, want := range map[string]string{
		"":                               "config.json: not JSON",
		"{":                              "config.json: not JSON",
		"[]":                             "not a JSON object",
		"null":                           "not a JSON object",
		strings.Repeat(" ", 17<<20) + "": "over the limit",
	} {
		_, err := LoadConfigFS(fstest.MapFS{"config.json": {Data: []byte(raw)}})
		require.ErrorContains(t, err, want)
	}
}

func TestValidateByHand(t *testing.T) {
	require.Error(t, (&Config{}).Validate())
	c := published(t, "scout")
	c.Vision = nil
	require.ErrorContains(t, c.Validate(), "vision_config")
	_, err := LoadWeights(&Config{}, nil)
	require.ErrorContains(t, err, "vocab_size is 0")
}

func FuzzParseConfig(f *testing.F) {
	for _, name := range []string{"scout", "maverick"} {
		f.Add(edit(f, name, nil))
	}
	f.Add([]byte(`{"model_type":"llama4_text"}`))
	f.Add([]byte(`{"model_type":"llama4_text","num_hidden_layers":3,"no_rope_layers":[1,0,1],"moe_layers":[],"layer_types":["full_attention","chunked_attention","full_attention"]}`))
	f.Add([]byte(`{"model_type":"llama4_text","rope_parameters":{"rope_type":"llama3","factor":2,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":64}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := ParseConfig(raw)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.Len(t, c.Plan(), c.Layers)
		p := c.Parameters()
		require.Positive(t, p.Active)
		require.LessOrEqual(t, p.Active, p.Total)
		paged, full := c.KVBytes(c.MaxPositions, bindings.BF16)
		require.Positive(t, paged)
		require.LessOrEqual(t, paged, full)
		for _, freq := range c.RoPE.InvFreq(c.HeadDim) {
			require.True(t, freq > 0 && freq <= 1, freq)
		}
	})
}
