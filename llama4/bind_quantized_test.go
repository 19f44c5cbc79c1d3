package llama4

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/quant"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

// quantizedTensors are zeros for the tiny model with its experts one by one, each
// module stored by store.
func quantizedTensors(c *Config, store func(module string, n, k int64) []safetensors.Tensor) []safetensors.Tensor {
	w := &Weights{}
	specs, _ := c.walk(w)
	var tensors []safetensors.Tensor
	for _, s := range specs {
		switch l := s.linear; {
		case l == nil:
			tensors = append(tensors, zeros(s.Name, s.DTypes[0], s.Shape...))
		case len(l.Shape) == 2:
			tensors = append(tensors, store(l.Name, l.Shape[0], l.Columns())...)
		default:
			for e := range l.Shape[0] {
				for _, each := range s.each {
					tensors = append(tensors, store(l.expert(e, each), l.Shape[1]/int64(len(s.each)), l.Columns())...)
				}
			}
		}
	}
	return tensors
}

func quantizedConfig(t *testing.T, config string) *Config {
	c := tinyConfig(t, false, false)
	q, err := quant.ParseConfig([]byte(config))
	require.NoError(t, err)
	c.Quantization = q
	return c
}

// The tiny model's layouts: int4 in groups of 4 with zero points, and 8-bit floats with
// static inputs.
const (
	asymmetric = `{"format":"pack-quantized","config_groups":{"g":{"targets":["Linear"],"weights":{"num_bits":4,"group_size":4,"symmetric":false}}}}`
	staticF8   = `{"format":"float-quantized","config_groups":{"g":{"targets":["Linear"],
		"weights":{"num_bits":8,"type":"float","strategy":"tensor"},"input_activations":{"num_bits":8,"type":"float","strategy":"tensor"}}}}`
)

func storeAsymmetric(module string, n, k int64) []safetensors.Tensor {
	shape := zeros(module+".weight_shape", safetensors.I64, 2)
	binary.LittleEndian.PutUint64(shape.Data, uint64(n))
	binary.LittleEndian.PutUint64(shape.Data[8:], uint64(k))
	groups := (k + 3) / 4
	return []safetensors.Tensor{
		zeros(module+".weight_packed", safetensors.I32, n, (k+7)/8), shape,
		zeros(module+".weight_scale", safetensors.F16, n, groups),
		zeros(module+".weight_zero_point", safetensors.I32, (n+7)/8, groups),
	}
}

func storeStaticF8(module string, n, k int64) []safetensors.Tensor {
	return []safetensors.Tensor{
		zeros(module+".weight", safetensors.F8_E4M3, n, k), scalar(module+".weight_scale", 1), scalar(module+".input_scale", 2, 1),
	}
}

func TestBindQuantized(t *testing.T) {
	c := quantizedConfig(t, asymmetric)
	tensors := quantizedTensors(c, storeAsymmetric)
	w, err := load(t, c, tensors)
	require.NoError(t, err)
	require.Len(t, w.Tensors(), len(tensors))
	want := quant.Format{Type: quant.I4, Group: 4, Scale: quant.F32, Offset: true}
	bytes := int64(0)
	for l := range w.Linears() {
		require.Equal(t, want, l.Scheme.Format)
		require.NotNil(t, l.Source)
		require.Empty(t, l.Plain.Name)
		require.Equal(t, want.Bytes(l.Rows(), l.Columns()), l.LoadedBytes(quant.Preset{}, 3))
		bytes += l.Bytes
	}
	for _, s := range w.Tensors() {
		if !s.linear {
			bytes += s.Bytes()
		}
		require.Equal(t, strings.Contains(s.Name, ".layers."), s.Layer >= 0, s.Name)
	}
	total := int64(0)
	for _, s := range tensors {
		total += s.Bytes()
	}
	require.Equal(t, total, bytes)

	c = quantizedConfig(t, staticF8)
	tensors = quantizedTensors(c, storeStaticF8)
	for i, s := range tensors {
		if strings.HasSuffix(s.Name, "experts.2.up_proj.input_scale") {
			tensors[i] = scalar(s.Name, 3, 1)
		}
	}
	w, err = load(t, c, tensors)
	require.NoError(t, err)
	require.EqualValues(t, 2, w.Head.Scheme.Limit)
	require.EqualValues(t, 3, w.Layers[0].MoE.GateUp.Scheme.Limit) // the largest
	require.EqualValues(t, 2, w.Layers[0].MoE.Down.Scheme.Limit)
	require.Equal(t, quant.TensorActivations, w.Layers[0].MoE.GateUp.Scheme.Activations)
}

// Values and zero points of whole bytes need no words.
func TestBindInt8(t *testing.T) {
	c := quantizedConfig(t, `{"format":"int-quantized","config_groups":{"g":{"targets":["Linear"],"weights":{"num_bits":8,"group_size":4,"symmetric":false}}}}`)
	w, err := load(t, c, quantizedTensors(c, func(module string, n, k int64) []safetensors.Tensor {
		groups := (k + 3) / 4
		return []safetensors.Tensor{
			zeros(module+".weight", safetensors.I8, n, k), zeros(module+".weight_scale", safetensors.BF16, n, groups),
			zeros(module+".weight_zero_point", safetensors.I8, n, groups),
		}
	}))
	require.NoError(t, err)
	require.Equal(t, quant.Format{Type: quant.I8, Group: 4, Scale: quant.F32, Offset: true}, w.Head.Scheme.Format)
}

// Scales that are stored more than once are the same, or it is another scheme.
func TestBindRepeatedScales(t *testing.T) {
	c := quantizedConfig(t, `{"format":"pack-quantized","loaded_group_size":8,"config_groups":{"g":{"targets":["Linear"],"weights":{"num_bits":4,"group_size":4}}}}`)
	tensors := quantizedTensors(c, func(module string, n, k int64) []safetensors.Tensor {
		return slices.DeleteFunc(storeAsymmetric(module, n, k), func(t safetensors.Tensor) bool { return strings.HasSuffix(t.Name, "zero_point") })
	})
	w, err := load(t, c, tensors)
	require.NoError(t, err)
	require.Equal(t, quant.Format{Type: quant.I4, Group: 8, Scale: quant.F16}, w.Head.Scheme.Format)
	for i := range tensors {
		if tensors[i].Name == "lm_head.weight_scale" {
			tensors[i].Data[2] = 1
		}
	}
	_, err = load(t, c, tensors)
	require.ErrorContains(t, err, "lm_head.weight_scale has groups of several scales, but 2 of them are to be the same")
}

// Older versions of ModelOpt say in a file of their own how they quantized.
func TestLoadModelOpt(t *testing.T) {
	raw, err := os.ReadFile("testdata/scout16/config.json")
	require.NoError(t, err)
	files := fstest.MapFS{
		"config.json":          {Data: raw},
		"hf_quant_config.json": {Data: []byte(`{"quantization":{"quant_algo":"FP8","exclude_modules":["lm_head"]}}`)},
	}
	c, err := LoadConfigFS(files)
	require.NoError(t, err)
	require.Nil(t, c.Quantization.Find("lm_head"))
	require.Equal(t, "FP8", c.Quantization.Find("model.layers.0.self_attn.q_proj").Name)
	files["hf_quant_config.json"].Data = []byte(`{"quantization":{"quant_algo":"NVFP4"}}`)
	_, err = LoadConfigFS(files)
	require.ErrorContains(t, err, `hf_quant_config.json: quantization.quant_algo is "NVFP4", want "FP8"`)
}

func TestBindQuantizedFaults(t *testing.T) {
	type tensors = []safetensors.Tensor
	drop := func(name string) func(tensors) tensors {
		return func(ts tensors) tensors {
			return slices.DeleteFunc(ts, func(t safetensors.Tensor) bool { return strings.HasPrefix(t.Name, name) })
		}
	}
	put := func(s safetensors.Tensor) func(tensors) tensors {
		return func(ts tensors) tensors { return append(drop(s.Name)(ts), s) }
	}
	const f8, f16, bf16, f32, i32, i8 = safetensors.F8_E4M3, safetensors.F16, safetensors.BF16, safetensors.F32, safetensors.I32, safetensors.I8
	const q, expert = "model.layers.0.self_attn.q_proj", "model.layers.0.feed_forward.experts.1.up_proj"
	order := zeros(q+".weight_g_idx", i32, 8)
	order.Data[0] = 1
	zero := zeros(q+".weight_zero_point", i8, 1)
	zero.Data[0] = 1
	for _, row := range []struct {
		name   string
		config string
		store  func(string, int64, int64) tensors
		change func(tensors) tensors
		want   string
	}{
		{"scale", asymmetric, storeAsymmetric, drop(q + ".weight_scale"), q + ".weight_scale is missing, want F32 or BF16 or F16 [16 2]"},
		{"scale's shape", asymmetric, storeAsymmetric, put(zeros(q+".weight_scale", f16, 16, 1)), q + ".weight_scale is F16 [16 1], want F32 or BF16 or F16 [16 2]"},
		{"scale's type", asymmetric, storeAsymmetric, put(zeros(q+".weight_scale", f8, 16, 2)), q + ".weight_scale is F8_E4M3 [16 2], want"},
		{"values", asymmetric, storeAsymmetric, put(zeros(q+".weight_packed", i32, 16, 2)), q + ".weight_packed is I32 [16 2], want I32 [16 1]"},
		{"values missing", asymmetric, storeAsymmetric, drop(q + ".weight_packed"), "q_proj.weight_scale, F16 [16 2], is not a tensor of this model"},
		{"shape", asymmetric, storeAsymmetric, put(zeros(q+".weight_shape", safetensors.I64, 2)), q + ".weight_shape is [0 0], want [16 8]"},
		{"zero points", asymmetric, storeAsymmetric, drop(q + ".weight_zero_point"), q + ".weight_zero_point is missing, want I32 [2 2]"},
		{"expert's scale", asymmetric, storeAsymmetric, drop(expert + ".weight_scale"), expert + ".weight_scale is missing, want F32 or BF16 or F16 [6 2]"},
		{"expert missing", asymmetric, storeAsymmetric, drop(expert + ".weight"), expert + ".weight_packed is missing, want I32 [6 1]"},
		{"expert too many", asymmetric, storeAsymmetric, put(zeros("model.layers.0.feed_forward.experts.3.up_proj.weight_packed", i32, 6, 1)), "experts.3.up_proj.weight_packed, I32 [6 1], is not a tensor of this model"},
		{"one expert plain", asymmetric, storeAsymmetric, func(ts tensors) tensors { return append(drop(expert)(ts), zeros(expert+".weight", bf16, 6, 8)) }, expert + " is quantized otherwise than model.layers.0.feed_forward.experts.0.gate_proj: experts of a layer must be alike"},
		{"plain of another shape", asymmetric, storeAsymmetric, func(ts tensors) tensors { return append(drop(q)(ts), zeros(q+".weight", bf16, 8, 16)) }, q + ".weight is BF16 [8 16], want BF16 [16 8]"},
		{"order", asymmetric, storeAsymmetric, put(order), "weight_g_idx puts column 0 in group 1: groups that are not in the order of the columns are not supported"},
		{"no scheme", `{"format":"pack-quantized","config_groups":{}}`, storeAsymmetric, drop("nothing"), q + ".weight_packed is I32 [16 1], want BF16 [16 8]"},
		{"other scheme", staticF8, storeAsymmetric, drop("nothing"), q + ".weight is missing, want F8_E4M3 [16 8]"},
		{"input scale", staticF8, storeStaticF8, drop(q + ".input_scale"), q + ".input_scale is missing, want F32 or BF16 or F16 [] or [1]"},
		{"input scale of 0", staticF8, storeStaticF8, put(zeros(q+".input_scale", f32)), q + ".input_scale is 0, want a positive number"},
		{"zero point of a symmetric scheme", staticF8, storeStaticF8, put(zero), q + ".weight_zero_point is not 0, but the scheme is symmetric"},
		{"router", staticF8, storeStaticF8, put(zeros("model.layers.0.feed_forward.router.weight", f8, 3, 8)), "router.weight is F8_E4M3 [3 8], want BF16"},
		{"input scale of another scheme", asymmetric, storeAsymmetric, put(scalar(q+".input_scale", 1)), q + ".input_scale, F32 [], is not a tensor of this model"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := quantizedConfig(t, row.config)
			_, err := load(t, c, row.change(quantizedTensors(c, row.store)))
			require.ErrorContains(t, err, row.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// Experts that are not there are not all looked for.
func TestBindExpertsMissing(t *testing.T) {
	c := quantizedConfig(t, asymmetric)
	tensors := quantizedTensors(c, storeAsymmetric)
	c.Experts = maxExperts
	_, err := load(t, c, tensors)
	require.ErrorContains(t, err, "experts.3.gate_proj.weight_packed is missing")
	var more int
	_, text, _ := strings.Cut(err.Error(), "; and ")
	_, err = fmt.Sscan(text, &more)
	require.NoError(t, err)
	require.Less(t, more, 2*mostFaults)
}

// Scales of a cache that is kept otherwise here are no fault, nor are groups in the
// order of the columns and zero points of 0.
func TestBindQuantizedExtras(t *testing.T) {
	const attn = "model.layers.1.self_attn."
	c := quantizedConfig(t, staticF8)
	tensors := quantizedTensors(c, storeStaticF8)
	for _, name := range []string{"k_scale", "v_scale", "k_proj.k_scale", "v_proj.v_scale", "k_proj.output_scale", "v_proj.output_zero_point", "attn.q_scale"} {
		tensors = append(tensors, scalar(attn+name, 1))
	}
	tensors = append(tensors, zeros(attn+"q_proj.weight_zero_point", safetensors.F8_E4M3, 1), zeros(attn+"q_proj.input_zero_point", safetensors.F8_E4M3, 1))
	order := zeros(attn+"k_proj.weight_g_idx", safetensors.I32, 8)
	_, err := load(t, c, append(tensors, order))
	require.NoError(t, err)
	_, err = load(t, c, append(tensors, scalar(attn+"o_proj.k_scale", 1)))
	require.ErrorContains(t, err, "o_proj.k_scale, F32 [], is not a tensor of this model")
}
