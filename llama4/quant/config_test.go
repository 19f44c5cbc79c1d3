package quant

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// group is a config of compressed-tensors with one group of that body.
func group(format, body string) string {
	return fmt.Sprintf(`{"quant_method":"compressed-tensors","format":%q,"config_groups":{"group_0":{"targets":["Linear"],%s}},
		"ignore":["lm_head","re:.*router","re:.*self_attn\\."]}`, format, body)
}

const (
	w4a16   = `"weights":{"num_bits":4,"type":"int","symmetric":true,"strategy":"group","group_size":128,"dynamic":false,"actorder":null},"input_activations":null,"output_activations":null`
	fp8Rows = `"weights":{"num_bits":8,"type":"float","symmetric":true,"strategy":"channel","dynamic":false,"observer":"minmax"},
		"input_activations":{"num_bits":8,"type":"float","symmetric":true,"strategy":"token","dynamic":true}`
)

func TestParseConfig(t *testing.T) {
	for _, row := range []struct {
		name, config string
		want         Group
	}{
		{"w4a16", group("pack-quantized", w4a16), Group{
			"group_0", Scheme{Name: "int4 in groups of 128", Format: Format{Type: I4, Group: 128, Scale: F32}}, Storage{true, PerGroup, 0, 0},
		}},
		{"asymmetric by channel", group("pack-quantized", `"weights":{"num_bits":4,"symmetric":false,"strategy":"channel","actorder":"weight"}`), Group{
			"group_0", Scheme{Name: "int4 by channel, with zero points", Format: Format{Type: I4, Scale: F32, Offset: true}}, Storage{true, PerChannel, 0, 0},
		}},
		{"w8a16", group("pack-quantized", `"weights":{"num_bits":8,"group_size":-1}`), Group{
			"group_0", Scheme{Name: "int8 by channel", Format: Format{Type: I8, Scale: F32}}, Storage{true, PerChannel, 0, 0},
		}},
		{"int-quantized", group("int-quantized", `"weights":{"num_bits":8,"group_size":32}`), Group{
			"group_0", Scheme{Name: "int8 in groups of 32", Format: Format{Type: I8, Group: 32, Scale: F32}}, Storage{false, PerGroup, 0, 0},
		}},
		{"fp8 dynamic", group("float-quantized", fp8Rows), Group{
			"group_0", Scheme{"fp8 by channel, activations by row", Format{Type: F8, Scale: F32}, RowActivations, 0}, Storage{false, PerChannel, 0, 0},
		}},
		{"fp8 static", group("naive-quantized", `"weights":{"num_bits":8,"type":"float","strategy":"tensor"},"input_activations":{"num_bits":8,"type":"float","strategy":"tensor","dynamic":false}`), Group{
			"group_0", Scheme{"fp8 by tensor, static activations", Format{Type: F8, Scale: F32}, TensorActivations, 0}, Storage{false, PerTensor, 0, 0},
		}},
		{"fp8 blocks", group("float-quantized", `"weights":{"num_bits":8,"type":"float","strategy":"block","block_structure":[64,128]},"input_activations":{"num_bits":8,"type":"float","strategy":"group","group_size":128,"dynamic":true}`), Group{
			"group_0", Scheme{"fp8 in blocks of 64x128, activations by group", Format{Type: F8, Group: 128, Scale: F32}, GroupActivations, 0}, Storage{false, PerBlock, 64, 0},
		}},
		{"fp8 weights alone, mixed precision", group("mixed-precision", `"format":"float-quantized","weights":{"num_bits":8,"type":"float","strategy":"channel"}`), Group{
			"group_0", Scheme{Name: "fp8 by channel", Format: Format{Type: F8, Scale: F32}}, Storage{false, PerChannel, 0, 0},
		}},
		{"a limit", strings.Replace(group("float-quantized", fp8Rows), "{", `{"activation_limit":1200,`, 1), Group{
			"group_0", Scheme{"fp8 by channel, activations by row", Format{Type: F8, Scale: F32}, RowActivations, 1200}, Storage{false, PerChannel, 0, 0},
		}},
		{"repeated scales", strings.Replace(group("pack-quantized", `"weights":{"num_bits":4,"group_size":8}`), "{", `{"loaded_group_size":128,`, 1), Group{
			"group_0", Scheme{Name: "int4 in groups of 8", Format: Format{Type: I4, Group: 128, Scale: F32}}, Storage{true, PerGroup, 0, 16},
		}},
		{"modelopt", `{"quant_method":"modelopt","quant_algo":"FP8","exclude_modules":["lm_head","*router*","*.self_attn"]}`, Group{
			"FP8", Scheme{"fp8 by tensor, static activations", Format{Type: F8, Scale: F32}, TensorActivations, 0}, Storage{},
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, err := ParseConfig([]byte(row.config))
			require.NoError(t, err)
			require.Equal(t, []Group{row.want}, c.Groups)
			require.Equal(t, row.want.Scheme.Name, c.String())
			require.Equal(t, &c.Groups[0], c.Find("model.layers.0.feed_forward.down_proj"))
			for _, ignored := range []string{"lm_head", "model.layers.0.feed_forward.router", "model.layers.0.self_attn.q_proj"} {
				require.Nil(t, c.Find(ignored), ignored)
			}
		})
	}
}

func TestParseModelOptFile(t *testing.T) {
	c, err := ParseModelOpt([]byte(`{"producer":{"name":"modelopt"},"quantization":{"quant_algo":"FP8","kv_cache_quant_algo":"FP8","exclude_modules":["vision_model","lm_head"]}}`))
	require.NoError(t, err)
	require.Equal(t, "FP8", c.KVCache)
	require.Nil(t, c.Find("vision_model.model.layers.0.mlp.fc1"))
	require.NotNil(t, c.Find("language_model.model.layers.0.feed_forward.experts.gate_up_proj"))
	_, err = ParseModelOpt([]byte(`{"quantization":{"quant_algo":"NVFP4"}}`))
	require.EqualError(t, err, `quantization.quant_algo is "NVFP4", want "FP8": other schemes of ModelOpt are not supported`)
}

// Names count before patterns, these in the order of their text, and classes last.
func TestFindOrder(t *testing.T) {
	const g = `"weights":{"num_bits":%d,"group_size":%d}`
	body := func(targets string, bits, group int) string {
		return fmt.Sprintf(`{"targets":%s,`+g+`}`, targets, bits, group)
	}
	c, err := ParseConfig([]byte(fmt.Sprintf(`{"format":"pack-quantized","config_groups":{"a":%s,"b":%s,"c":%s,"d":%s}}`,
		body(`["Linear"]`, 4, 1), body(`["re:.*b"]`, 4, 2), body(`["re:.*a","re:x.*"]`, 4, 3), body(`["ab"]`, 4, 4))))
	require.NoError(t, err)
	for module, want := range map[string]string{"z": "a", "b": "b", "ba": "c", "ab": "d", "xb": "b", "x": "c", "bx": "b"} {
		require.Equal(t, want, c.Find(module).Name, module)
	}
	var none *Config
	require.Nil(t, none.Find("a"))
}

func TestConfigFaults(t *testing.T) {
	weights := func(more string) string { return group("pack-quantized", `"weights":{`+more+`}`) }
	for _, row := range []struct{ config, says string }{
		{`[]`, "not a JSON object"},
		{`{"quant_method":"awq","bits":4}`, `quant_method is "awq", want "compressed-tensors" or "modelopt"`},
		{`{"quant_method":"gptq"}`, `quant_method is "gptq"`},
		{`{"quant_method":"bitsandbytes"}`, `quant_method is "bitsandbytes"`},
		{`{"quant_method":4}`, "quant_method is 4, want a string"},
		{`{"config_groups":{"group_0":["Linear"]}}`, "config_groups.group_0 is no object"},
		{`{"quant_method":"modelopt","quant_algo":"NVFP4"}`, `quant_algo is "NVFP4", want "FP8"`},
		{group("nvfp4-pack-quantized", `"weights":{"num_bits":4,"type":"float","strategy":"tensor_group","group_size":16,"dynamic":"local"}`), `config_groups.group_0.format is "nvfp4-pack-quantized"`},
		{group("marlin-24", w4a16), `config_groups.group_0.format is "marlin-24"`},
		{group("dense", w4a16), `config_groups.group_0.format is "dense"`},
		{group("float-quantized", w4a16), "config_groups.group_0.weights are int, 4 bits, group: want"},
		{weights(`"num_bits":3,"group_size":32`), "config_groups.group_0.weights are int, 3 bits, group: want"},
		{weights(`"num_bits":8,"type":"float"`), "group_0.weights are float, 8 bits, tensor: want"},
		{weights(`"num_bits":4,"type":"fixed"`), `group_0.weights.type is "fixed"`},
		{weights(`"num_bits":4,"strategy":"block","block_structure":[16,16]`), "weights are int, 4 bits, block: that strategy is not supported"},
		{weights(`"num_bits":4,"strategy":"token"`), "weights are int, 4 bits, token: that strategy is not supported"},
		{weights(`"num_bits":4,"strategy":"block"`), "weights.block_structure is missing"},
		{weights(`"num_bits":4,"strategy":"group"`), "weights.group_size is 0, want a positive number"},
		{strings.Replace(weights(`"num_bits":4,"strategy":"group"`), "{", `{"loaded_group_size":128,`, 1), "weights.group_size is 0, want a positive number"},
		{weights(`"num_bits":4,"group_size":32,"actorder":"group"`), `weights.actorder is "group"`},
		{weights(`"num_bits":4,"group_size":32,"actorder":true`), `weights.actorder is "true"`},
		{group("pack-quantized", strings.Replace(w4a16, `"input_activations":null`, `"input_activations":{"num_bits":8,"type":"int","strategy":"token","dynamic":true}`, 1)),
			"group_0.input_activations are int, 8 bits, token with weights that are int, 4 bits, group: want none"},
		{group("float-quantized", strings.Replace(fp8Rows, `"strategy":"token","dynamic":true`, `"strategy":"tensor","dynamic":true`, 1)),
			"group_0.input_activations are float, 8 bits, tensor, dynamic true: want"},
		{group("pack-quantized", w4a16+`,"output_activations":{"num_bits":8}`), "output_activations are not supported"},
		{group("pack-quantized", `"input_activations":{"num_bits":8}`), "group_0.weights is missing"},
		{strings.Replace(group("pack-quantized", w4a16), "re:.*router", "re:(?=a)", 1), `ignore has a pattern that cannot be read: "re:(?=a)"`},
		{strings.Replace(group("pack-quantized", w4a16), "{", `{"loaded_group_size":130,`, 1), "loaded_group_size is 130, want a multiple of the groups' 128"},
		{strings.Replace(group("float-quantized", fp8Rows), "{", `{"activation_limit":-1,`, 1), "activation_limit is -1, want 0 to"},
		{`{"sparsity_config":{"format":"sparse-24-bitmask"},"config_groups":{}}`, `sparsity_config.format is "sparse-24-bitmask"`},
		{`{"transform_config":{"config_groups":{}},"config_groups":{}}`, "transform_config is not supported"},
	} {
		_, err := ParseConfig([]byte(row.config))
		require.ErrorContains(t, err, row.says)
		require.NotContains(t, err.Error(), "\n")
	}
}

// A group without weights is a scheme for the outputs of k_proj and v_proj: the cache.
func TestCacheSchemes(t *testing.T) {
	c, err := ParseConfig([]byte(`{"kv_cache_scheme":{"num_bits":8,"type":"float","strategy":"tensor"},"config_groups":{
		"group_1":{"targets":["re:.*k_proj"],"weights":null,"input_activations":null,"output_activations":{"num_bits":8}}}}`))
	require.NoError(t, err)
	require.Empty(t, c.Groups)
	require.Equal(t, "float, 8 bits, tensor", c.KVCache)
	require.Nil(t, c.Find("model.layers.0.self_attn.k_proj"))
}

func FuzzParseConfig(f *testing.F) {
	for _, seed := range []string{
		group("pack-quantized", w4a16), group("float-quantized", fp8Rows),
		`{"quant_method":"modelopt","quant_algo":"FP8","exclude_modules":["*a?"]}`, `{"quantization":{"quant_algo":"FP8"}}`,
		`{"config_groups":{"a":{"targets":["re:((((","b"],"weights":{"strategy":"block","block_structure":[1,2]}}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, parse := range []func([]byte) (*Config, error){ParseConfig, ParseModelOpt} {
			c, err := parse(raw)
			if err != nil {
				require.Nil(t, c)
				require.NotContains(t, err.Error(), "\n")
				continue
			}
			_ = c.String()
			if g := c.Find("model.layers.0.self_attn.q_proj"); g != nil {
				require.True(t, g.Scheme.Quantized())
				require.Positive(t, g.Scheme.Bytes(3, 100))
				require.GreaterOrEqual(t, g.Scheme.Group, int64(0))
			}
		}
	})
}
