package llama4

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/safetensors"
)

// tinyConfig is a small model of the kind; layer 1 of 3 is dense.
func tinyConfig(t testing.TB, multimodal, tied bool) *Config {
	text := fmt.Sprintf(`"vocab_size":10,"hidden_size":8,"intermediate_size":6,"intermediate_size_mlp":4,"num_hidden_layers":3,
		"num_attention_heads":4,"num_key_value_heads":2,"head_dim":4,"num_local_experts":3,"moe_layers":[0,2],"tie_word_embeddings":%v`, tied)
	raw := `{"model_type":"llama4_text",` + text + `}`
	if multimodal {
		raw = `{"model_type":"llama4","text_config":{` + text + `},"vision_config":{"hidden_size":8,"num_hidden_layers":2,
			"num_attention_heads":2,"intermediate_size":32,"image_size":8,"patch_size":2,"projector_input_dim":6,
			"projector_output_dim":6,"vision_output_dim":6}}`
	}
	c, err := ParseConfig([]byte(raw))
	require.NoError(t, err)
	return c
}

// tensorsFor makes zeros for every tensor of the model.
func tensorsFor(c *Config) []safetensors.Tensor {
	var tensors []safetensors.Tensor
	for _, s := range c.Tensors() {
		tensors = append(tensors, zeros(s.Name, s.DTypes[0], s.Shape...))
	}
	return tensors
}

func zeros(name string, d safetensors.DType, shape ...int64) safetensors.Tensor {
	t := safetensors.Tensor{Name: name, DType: d, Shape: shape}
	t.Data = make([]byte, t.Bytes())
	return t
}

func load(t testing.TB, c *Config, tensors []safetensors.Tensor) (*Weights, error) {
	var file bytes.Buffer
	require.NoError(t, safetensors.Write(&file, tensors, nil))
	checkpoint, err := safetensors.OpenFS(fstest.MapFS{safetensors.SingleFile: {Data: file.Bytes()}})
	require.NoError(t, err)
	return LoadWeights(c, checkpoint)
}

// TestBindFillsAll demands that every field of every kind of model is bound to
// the tensor that its spec names.
func TestBindFillsAll(t *testing.T) {
	for _, multimodal := range []bool{false, true} {
		for _, tied := range []bool{false, true} {
			c := tinyConfig(t, multimodal, tied)
			w, err := load(t, c, tensorsFor(c))
			require.NoError(t, err)
			prefix := ""
			if multimodal {
				prefix = "language_model."
				require.Equal(t, "multi_modal_projector.linear_1.weight", w.Vision.Projector.Name)
				require.Equal(t, []int64{17, 8}, w.Vision.Position.Shape)
				require.Equal(t, []int64{8, 12}, w.Vision.Patch.Shape)
				require.Equal(t, []int64{32, 8}, w.Vision.Layers[1].Up.Weight.Shape)
				require.Equal(t, "vision_model.model.layers.1.self_attn.o_proj.bias", w.Vision.Layers[1].O.Bias.Name)
			} else {
				require.Nil(t, w.Vision)
			}
			require.Equal(t, prefix+"model.layers.2.feed_forward.shared_expert.down_proj", w.Layers[2].MoE.Shared.Down.Name)
			require.Equal(t, []int64{8, 6}, w.Layers[2].MoE.Shared.Down.Shape)
			require.Equal(t, prefix+"model.layers.1.feed_forward.gate_proj", w.Layers[1].MLP.Gate.Name)
			require.Equal(t, []int64{4, 8}, w.Layers[1].MLP.Gate.Shape)
			require.Equal(t, []int64{3, 12, 8}, w.Layers[0].MoE.GateUp.Shape)
			require.Nil(t, w.Layers[1].MoE)
			require.Nil(t, w.Layers[0].MLP)
			if tied {
				require.Equal(t, w.Embed, w.Head.Plain)
			} else {
				require.Equal(t, prefix+"lm_head.weight", w.Head.Plain.Name)
			}
			specs, _ := c.walk(w)
			seen := map[string]bool{}
			for _, s := range specs {
				require.False(t, seen[s.Name], s.Name)
				seen[s.Name] = true
				require.NotEmpty(t, s.Part, s.Name)
				require.NotEmpty(t, s.DTypes, s.Name)
				require.Equal(t, strings.Contains(s.Name, "layers."), s.Layer >= 0, s.Name)
			}
		}
	}
}

func TestBindFaults(t *testing.T) {
	drop := func(name string) func([]safetensors.Tensor) []safetensors.Tensor {
		return func(ts []safetensors.Tensor) []safetensors.Tensor {
			return slices.DeleteFunc(ts, func(t safetensors.Tensor) bool { return strings.HasPrefix(t.Name, name) })
		}
	}
	put := func(t safetensors.Tensor) func([]safetensors.Tensor) []safetensors.Tensor {
		return func(ts []safetensors.Tensor) []safetensors.Tensor { return append(drop(t.Name)(ts), t) }
	}
	const f32, bf16 = safetensors.F32, safetensors.BF16
	tests := []struct {
		name       string
		multimodal bool
		change     func([]safetensors.Tensor) []safetensors.Tensor
		want       string
	}{
		{"missing", false, drop("model.layers.1.self_attn.k_proj.weight"), "model.layers.1.self_attn.k_proj.weight is missing, want BF16 [8 8] (kv_heads*head_dim,hidden)"},
		{"missing head", false, drop("lm_head.weight"), "lm_head.weight is missing"},
		{"missing vision", true, drop("vision_model.class_embedding"), "vision_model.class_embedding is missing, want BF16 or F16 or F32 [8] (v_hidden)"},
		{"unused", false, put(zeros("model.extra", f32, 2)), "model.extra, F32 [2], is not a tensor of this model"},
		{"unused bias", false, put(zeros("model.layers.0.self_attn.q_proj.bias", bf16, 16)), "q_proj.bias, BF16 [16], is not a tensor"},
		{"vision in a text model", false, put(zeros("vision_model.class_embedding", bf16, 8)), "vision_model.class_embedding, BF16 [8], is not a tensor"},
		{"dense in a mixture layer", false, put(zeros("model.layers.0.feed_forward.gate_proj.weight", bf16, 4, 8)), "layers.0.feed_forward.gate_proj.weight, BF16 [4 8], is not a tensor"},
		{"transposed", false, put(zeros("model.layers.0.self_attn.o_proj.weight", bf16, 16, 8)), "model.layers.0.self_attn.o_proj.weight is BF16 [16 8], want BF16 [8 16] (hidden,heads*head_dim)"},
		{"experts transposed", false, put(zeros("model.layers.0.feed_forward.experts.gate_up_proj", bf16, 3, 12, 8)), "want BF16 [3 8 12] (experts,hidden,2*intermediate)"},
		{"rank", false, put(zeros("model.norm.weight", bf16, 8, 1)), "model.norm.weight is BF16 [8 1], want BF16 or F16 or F32 [8] (hidden)"},
		{"matrix of F32", false, put(zeros("lm_head.weight", f32, 10, 8)), "lm_head.weight is F32 [10 8], want BF16 [10 8]"},
		{"router of F16", false, put(zeros("model.layers.0.feed_forward.router.weight", safetensors.F16, 3, 8)), "router.weight is F16"},
		{"norm of F8", false, put(zeros("model.norm.weight", safetensors.F8_E4M3, 8)), "model.norm.weight is F8_E4M3"},
		{"layer missing", false, drop("model.layers.2."), "num_hidden_layers is 3, but the tensors model.layers.N have 2"},
		{"layer too many", false, put(zeros("model.layers.3.input_layernorm.weight", bf16, 8)), "num_hidden_layers is 3, but the tensors model.layers.N have 4"},
		{"vision layer missing", true, drop("vision_model.model.layers.1."), "vision_config.num_hidden_layers is 2, but the tensors vision_model.model.layers.N have 1"},
		{"other prefix", true, drop("language_model."), "num_hidden_layers is 3, but the tensors language_model.model.layers.N have 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := tinyConfig(t, tt.multimodal, false)
			_, err := load(t, c, tt.change(tensorsFor(c)))
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), ";", "one fault, one report")
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestBindCollects(t *testing.T) {
	c := tinyConfig(t, false, false)
	tensors := tensorsFor(c)
	for i := range tensors {
		tensors[i] = zeros(tensors[i].Name, safetensors.I8, tensors[i].Shape...)
	}
	_, err := load(t, c, tensors)
	require.ErrorContains(t, err, "model.embed_tokens.weight is I8")
	require.ErrorContains(t, err, fmt.Sprintf("; and %d more", len(tensors)-10))
	require.Equal(t, 10, strings.Count(err.Error(), "; "))
}

// TestBindDTypes: norms and the vision tower may be stored wider than bfloat16.
func TestBindDTypes(t *testing.T) {
	c := tinyConfig(t, true, false)
	for _, d := range []safetensors.DType{safetensors.F32, safetensors.F16} {
		var tensors []safetensors.Tensor
		for _, s := range c.Tensors() {
			dtype := safetensors.BF16
			if s.Part == PartNorms || s.Part == PartVision {
				dtype = d
			}
			tensors = append(tensors, zeros(s.Name, dtype, s.Shape...))
		}
		w, err := load(t, c, tensors)
		require.NoError(t, err)
		require.Equal(t, d, w.Norm.DType)
	}
}

// TestBindTiedHead: the reference ignores an lm_head beside tied embeddings.
func TestBindTiedHead(t *testing.T) {
	c := tinyConfig(t, false, true)
	w, err := load(t, c, append(tensorsFor(c), zeros("lm_head.weight", safetensors.F32, 1)))
	require.NoError(t, err)
	require.Equal(t, "model.embed_tokens.weight", w.Head.Plain.Name)
}
