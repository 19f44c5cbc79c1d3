package llama4

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/quant"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

// rows returns the matrices of a plain linear layer in float32, [N, K] each.
func (l *Linear) rows() []float32 {
	values := l.Plain.Float32s(nil)
	if len(l.Shape) == 2 {
		return values
	}
	experts, n, k := l.Shape[0], l.Shape[1], l.Shape[2]
	out := make([]float32, len(values))
	for e := range experts {
		for i := range n {
			for j := range k {
				out[(e*n+i)*k+j] = values[(e*k+j)*n+i]
			}
		}
	}
	return out
}

// openWeights opens a checkpoint of testdata without a device.
func openWeights(t *testing.T, dir string) (*Config, *Weights) {
	t.Helper()
	c, err := LoadConfig(dir)
	require.NoError(t, err)
	checkpoint, err := safetensors.OpenDir(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, checkpoint.Close()) })
	w, err := LoadWeights(c, checkpoint)
	require.NoError(t, err)
	return c, w
}

// placed returns the model's linear layers in the order of Weights.Linears.
func (w *deviceWeights) placed() []bindings.Weight {
	var all []bindings.Weight
	for i := range w.layers {
		l := &w.layers[i]
		all = append(append(all, l.qkv...), l.o...)
		if !l.router.Absent() {
			all = append(all, l.expertsGateUp, l.expertsDown)
		}
		all = append(append(all, l.gateUp...), l.down...)
	}
	return append(all, w.head)
}

func readBytes(t *testing.T, m *Model, x bindings.Tensor) []byte {
	t.Helper()
	raw := make([]byte, x.Bytes())
	require.NoError(t, m.stream.ReadBytes(x.Buffer, x.Offset, raw))
	return raw
}

// Every preset quantizes the layers that it is for, all bits as the reference has
// them, whatever the pieces that are in flight.
func TestQuantizeAtLoad(t *testing.T) {
	for _, device := range testDevices(t) {
		for _, name := range []string{"scout16", "tied", "maverick16-mm"} {
			for _, preset := range quant.PresetNames()[1:] {
				t.Run(device+"/"+name+"/"+preset, func(t *testing.T) {
					c, w := openWeights(t, filepath.Join("testdata", name))
					m := openTest(t, name, Options{Device: device, Quant: preset, placeBytes: 5000})
					p, err := quant.ParsePreset(preset)
					require.NoError(t, err)
					placed, i, bytes := m.weights.placed(), 0, int64(0)
					for l := range w.Linears() {
						got := placed[i]
						i++
						if !p.Applies(l.Part, l.Layer, c.Layers) {
							require.Equal(t, bindings.BF16, got.Data.DType, l.Name)
							require.Equal(t, l.Plain.Data, readBytes(t, m, got.Data), l.Name)
							continue
						}
						values, scales := quant.Quantize(p.Scheme.Format, l.rows(), l.Columns())
						require.Equal(t, values, readBytes(t, m, got.Data), l.Name)
						require.Equal(t, scales, readBytes(t, m, got.Scale), l.Name)
						require.Equal(t, l.Shape, got.Data.Shape())
						require.Equal(t, p.Scheme.Limit, got.Limit)
						bytes += got.Bytes() - l.Bytes
					}
					require.Len(t, placed, i)
					require.Equal(t, m.files.Bytes()+bytes, m.WeightBytes())
				})
			}
		}
	}
}

// A checkpoint that is quantized is not quantized again.
func TestQuantizeTwice(t *testing.T) {
	dir := writeQuantized(t, "scout16", packed("group", 32), storePacked(quant.Format{Type: quant.I4, Group: 32, Scale: quant.BF16}))
	_, err := Open(context.Background(), dir, &Options{Device: "cpu", Quant: "int4"})
	require.ErrorContains(t, err, "quantization int4 is for bfloat16 checkpoints, but this one is quantized")
	require.ErrorContains(t, err, "q_proj is int4 in groups of 32")
	_, err = Open(context.Background(), "testdata/scout16", &Options{Device: "cpu", Quant: "int5"})
	require.ErrorContains(t, err, `options: Quant: unknown quantization "int5", want none, int4`)
}

// store makes the tensors of a module of its weights.
type store func(module string, w []float32, n, k int64) []safetensors.Tensor

// writeQuantized writes a checkpoint of testdata with its linear layers stored another
// way, experts one by one, and returns the folder.
func writeQuantized(t *testing.T, name, config string, store store) string {
	t.Helper()
	return writeModel(t, name, config, func(l *Linear) (tensors []safetensors.Tensor) {
		w, n, k := l.rows(), l.Shape[len(l.Shape)-2], l.Columns()
		if len(l.Shape) == 2 {
			return store(l.Name, w, n, k)
		}
		modules := []string{"down_proj"}
		if strings.HasSuffix(l.Name, "gate_up_proj") {
			modules, n = []string{"gate_proj", "up_proj"}, n/2
		}
		for e := range l.Shape[0] {
			for _, module := range modules {
				tensors = append(tensors, store(l.expert(e, module), w[:n*k], n, k)...)
				w = w[n*k:]
			}
		}
		return tensors
	})
}

// writeModel writes a checkpoint of testdata with its linear layers replaced.
func writeModel(t *testing.T, name, config string, store func(*Linear) []safetensors.Tensor) string {
	t.Helper()
	dir := filepath.Join("testdata", name)
	_, w := openWeights(t, dir)
	var tensors []safetensors.Tensor
	for _, s := range w.Tensors() {
		if !s.linear {
			tensors = append(tensors, s.Tensor)
		}
	}
	for l := range w.Linears() {
		if l.Bytes > 0 {
			tensors = append(tensors, store(l)...)
		}
	}
	out := t.TempDir()
	raw, err := os.ReadFile(filepath.Join(dir, "config.json"))
	require.NoError(t, err)
	text := strings.Replace(string(raw), "{", `{"quantization_config":`+config+",", 1)
	require.NoError(t, os.WriteFile(filepath.Join(out, "config.json"), []byte(text), 0o644))
	f, err := os.Create(filepath.Join(out, safetensors.SingleFile))
	require.NoError(t, err)
	require.NoError(t, safetensors.Write(f, tensors, nil))
	require.NoError(t, f.Close())
	return out
}

// Configs of compressed-tensors.

func compressed(format, weights, inputs string) string {
	return fmt.Sprintf(`{"quant_method":"compressed-tensors","format":%q,"config_groups":{"group_0":{"targets":["Linear"],
		"weights":{%s},"input_activations":%s}},"ignore":["re:.*router"]}`, format, weights, inputs)
}

func packed(strategy string, group int) string {
	return compressed("pack-quantized", fmt.Sprintf(`"num_bits":4,"type":"int","strategy":%q,"group_size":%d`, strategy, group), "null")
}

func bytesTensor(name string, d safetensors.DType, data []byte, shape ...int64) safetensors.Tensor {
	return safetensors.Tensor{Name: name, DType: d, Shape: shape, Data: data}
}

var storedTypes = map[quant.Type]safetensors.DType{
	quant.F32: safetensors.F32, quant.BF16: safetensors.BF16, quant.F16: safetensors.F16,
	quant.F8: safetensors.F8_E4M3, quant.I8: safetensors.I8,
}

// padded pads rows of bytes to whole words.
func padded(rows []byte, row int64) ([]byte, int64) {
	to := (row + 3) / 4 * 4
	var out []byte
	for ; len(rows) > 0; rows = rows[row:] {
		out = append(append(out, rows[:row]...), make([]byte, to-row)...)
	}
	return out, to / 4
}

// packedTensors are a module in pack-quantized form, its values as a byte format.
func packedTensors(module string, f quant.Format, values []byte, n, k int64) []safetensors.Tensor {
	data, columns := padded(values, f.Type.RowBytes(k))
	shape := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(n)), uint64(k))
	return []safetensors.Tensor{
		bytesTensor(module+".weight_packed", safetensors.I32, data, n, columns),
		bytesTensor(module+".weight_shape", safetensors.I64, shape, 2),
	}
}

// storePacked stores what a preset of the format makes of the weights.
func storePacked(f quant.Format) store {
	return func(module string, w []float32, n, k int64) []safetensors.Tensor {
		values, scales := quant.Quantize(f, w, k)
		return append(packedTensors(module, f, values, n, k),
			bytesTensor(module+".weight_scale", storedTypes[f.Scale], scales, n, f.Groups(k)))
	}
}

// storeF8 stores 8-bit floats with scales of that shape.
func storeF8(f quant.Format, shape func(n, groups int64) []int64) store {
	return func(module string, w []float32, n, k int64) []safetensors.Tensor {
		values, scales := quant.Quantize(f, w, k)
		return []safetensors.Tensor{
			bytesTensor(module+".weight", safetensors.F8_E4M3, values, n, k),
			bytesTensor(module+".weight_scale", storedTypes[f.Scale], scales, shape(n, f.Groups(k))...),
		}
	}
}

// logProbs scores the first 60 tokens of the longest prompt of a checkpoint's goldens.
func logProbs(t *testing.T, name, dir string, o Options) []float64 {
	t.Helper()
	m, err := Open(context.Background(), dir, &o)
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	var ids []int32
	for _, item := range loadGolden(t, filepath.Join("testdata", name, "goldens.json")).Score {
		if len(item.InputIDs) > len(ids) {
			ids = item.InputIDs
		}
	}
	s, err := m.Score(context.Background(), &Prompt{Tokens: ids[:min(len(ids), 60)]}, 0)
	require.NoError(t, err)
	for _, p := range s.LogProbs {
		require.False(t, math.IsNaN(p))
	}
	return s.LogProbs
}

// What compressed-tensors stores of a scheme is what the preset makes at load: the same
// bits come out.
func TestStoredLikePreset(t *testing.T) {
	int4, err := quant.ParsePreset("int4-all")
	require.NoError(t, err)
	fp8, err := quant.ParsePreset("fp8-all")
	require.NoError(t, err)
	const float, inputs = `"num_bits":8,"type":"float","strategy":"channel"`, `{"num_bits":8,"type":"float","strategy":"token","dynamic":true}`
	for _, name := range []string{"scout16", "maverick16-mm"} {
		for _, row := range []struct {
			preset quant.Preset
			dir    string
		}{
			{int4, writeQuantized(t, name, packed("group", 128), storePacked(int4.Scheme.Format))},
			{fp8, writeQuantized(t, name, compressed("float-quantized", float, inputs),
				storeF8(fp8.Scheme.Format, func(n, groups int64) []int64 { return []int64{n, groups} }))},
			{fp8, writeQuantized(t, name, compressed("naive-quantized", float, inputs),
				storeF8(fp8.Scheme.Format, func(n, _ int64) []int64 { return []int64{n} }))},
		} {
			for _, compute := range []bindings.Compute{bindings.ComputeF32, bindings.ComputeAuto} {
				o := Options{Device: "cpu", Compute: compute, placeBytes: 5000}
				got := logProbs(t, name, row.dir, o)
				o.Quant = row.preset.Scheme.Name
				want := logProbs(t, name, filepath.Join("testdata", name), o)
				require.Equal(t, want, got, "%s, %s", name, row.preset.Scheme.Name)
				o.Quant = ""
				plain := logProbs(t, name, filepath.Join("testdata", name), o)
				require.NotEqual(t, plain, got)
			}
		}
	}
}

// Quantizing at load takes no more memory than what comes of it, and what is in flight.
func TestQuantizeMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes a checkpoint of 200 MB")
	}
	if _, err := os.Stat("/proc/self/statm"); err != nil {
		t.Skip("this system does not tell what memory is in use: ", err)
	}
	config := `{"model_type":"llama4_text","vocab_size":64,"hidden_size":512,"intermediate_size":2048,"intermediate_size_mlp":512,
		"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":32,"num_local_experts":16,"pad_token_id":null}`
	c, err := ParseConfig([]byte(config))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o644))
	f, err := os.Create(filepath.Join(dir, safetensors.SingleFile))
	require.NoError(t, err)
	require.NoError(t, safetensors.Write(f, tensorsFor(c), nil))
	require.NoError(t, f.Close())
	debug.FreeOSMemory()
	resident := func() int64 {
		raw, err := os.ReadFile("/proc/self/statm")
		require.NoError(t, err)
		var size, pages int64
		_, err = fmt.Sscan(string(raw), &size, &pages)
		require.NoError(t, err)
		return pages * int64(os.Getpagesize())
	}
	before, peak := resident(), int64(0)
	m, err := Open(context.Background(), dir, &Options{
		Device: "cpu", Quant: "int4", placeBytes: 8 << 20, Progress: func(int64, int64) { peak = max(peak, resident()) },
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	require.Greater(t, m.files.Bytes(), int64(200<<20))
	require.Less(t, m.WeightBytes(), int64(64<<20))
	// 8 MB in flight, and threads and tables that do not grow with the model.
	require.Less(t, peak-before, m.WeightBytes()+40<<20)
}
