package llama4

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/demo"
	"github.com/llama4go/llama4go/llama4/quant"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

// written quantizes a checkpoint of testdata into a new folder.
func written(t *testing.T, name, preset string, o *QuantizeOptions) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	r, err := Quantize(context.Background(), os.DirFS(filepath.Join("testdata", name)), preset, out, o)
	require.NoError(t, err)
	require.Zero(t, r.Kept)
	return out
}

// What is written has the values and scales that are made at load, and gives the same
// bits.
func TestQuantizeWrites(t *testing.T) {
	for _, name := range []string{"scout16", "maverick16-mm", "tied"} {
		for _, preset := range quant.PresetNames()[1:] {
			t.Run(name+"/"+preset, func(t *testing.T) {
				out := written(t, name, preset, &QuantizeOptions{ShardBytes: 100000})
				for _, compute := range []bindings.Compute{bindings.ComputeF32, bindings.ComputeAuto} {
					o := Options{Device: "cpu", Compute: compute, placeBytes: 5000}
					got := logProbs(t, name, out, o)
					o.Quant = preset
					require.Equal(t, logProbs(t, name, filepath.Join("testdata", name), o), got, compute)
				}
				requireSamePlaced(t, filepath.Join("testdata", name), preset, out)
			})
		}
	}
}

// requireSamePlaced compares the linear layers of two models, all bits.
func requireSamePlaced(t *testing.T, dir, preset, out string) {
	t.Helper()
	want, err := Open(context.Background(), dir, &Options{Device: "cpu", Quant: preset})
	require.NoError(t, err)
	defer func() { require.NoError(t, want.Close()) }()
	got, err := Open(context.Background(), out, &Options{Device: "cpu"})
	require.NoError(t, err)
	defer func() { require.NoError(t, got.Close()) }()
	placed := got.weights.placed()
	for i, w := range want.weights.placed() {
		g := placed[i]
		require.Equal(t, w.Data.DType, g.Data.DType, i)
		require.Equal(t, w.Data.Shape(), g.Data.Shape(), i)
		require.Equal(t, w.Layout, g.Layout, i)
		require.Equal(t, w.Limit, g.Limit, i)
		require.Equal(t, w.Activations, g.Activations, i)
		require.Equal(t, readBytes(t, want, w.Data), readBytes(t, got, g.Data), i)
		if !w.Scale.Absent() {
			require.Equal(t, w.Scale.DType, g.Scale.DType, i)
			require.Equal(t, readBytes(t, want, w.Scale), readBytes(t, got, g.Scale), i)
		}
	}
}

// Exactly the modules that are quantized are targets, by the rules of compressed-tensors:
// a name or a pattern of "ignore" takes a module out, the class Linear is every module.
func TestQuantizeConfig(t *testing.T) {
	for _, name := range []string{"scout16", "maverick16-mm", "tied"} {
		for _, preset := range quant.PresetNames()[1:] {
			out := written(t, name, preset, nil)
			raw, err := os.ReadFile(filepath.Join(out, "config.json"))
			require.NoError(t, err)
			var config struct {
				Tied  *bool       `json:"tie_word_embeddings"`
				Quant quantConfig `json:"quantization_config"`
			}
			require.NoError(t, json.Unmarshal(raw, &config))
			q := config.Quant
			require.Equal(t, "compressed-tensors", q.Method)
			matches := func(list []string, module string) bool {
				return slices.ContainsFunc(list, func(p string) bool {
					if p == "Linear" {
						return true
					}
					p, isPattern := strings.CutPrefix(p, "re:")
					require.True(t, isPattern)
					return regexp.MustCompile("^(?:" + p + ")").MatchString(module)
				})
			}
			f, err := safetensors.Open(filepath.Join(out, safetensors.SingleFile))
			require.NoError(t, err)
			quantized := 0
			for _, tensor := range f.Names() {
				module, kind := tensor[:strings.LastIndexByte(tensor, '.')], tensor[strings.LastIndexByte(tensor, '.')+1:]
				if kind != "weight" && kind != "weight_packed" || strings.Contains(module, "norm") || strings.HasSuffix(module, "embed_tokens") {
					continue // no linear layer
				}
				targets := 0
				for _, g := range q.Groups {
					if matches(g.Targets, module) && !matches(q.Ignore, module) {
						targets++
						x, _ := f.Lookup(module + ".weight_scale")
						require.Equal(t, g.Weights.Strategy == "group", len(x.Shape) == 2 && x.Shape[1] > 1, module)
					}
				}
				_, has := f.Lookup(module + ".weight_scale")
				if has {
					quantized++
				}
				require.Equal(t, toCount(has), targets, "%s %s %s", name, preset, module)
			}
			require.Positive(t, quantized)
			require.NoError(t, f.Close())
			require.Equal(t, strings.HasPrefix(preset, "fp8"), q.ActivationLimit == 1200)
			if name == "tied" {
				require.Equal(t, !strings.HasSuffix(preset, "-all"), *config.Tied)
			}
		}
	}
}

func toCount(is bool) int {
	if is {
		return 1
	}
	return 0
}

// randomModel writes a model of random weights.
func randomModel(t *testing.T, config string) string {
	t.Helper()
	c, err := ParseConfig([]byte(config))
	require.NoError(t, err)
	tensors := tensorsFor(c)
	source := rand.New(rand.NewPCG(1, 2))
	for _, x := range tensors {
		for i := 0; i < len(x.Data); i += 2 {
			v := float32(source.NormFloat64()) / 8
			binary.LittleEndian.PutUint16(x.Data[i:], uint16(math.Float32bits(v)>>16))
		}
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o644))
	f, err := os.Create(filepath.Join(dir, safetensors.SingleFile))
	require.NoError(t, err)
	require.NoError(t, safetensors.Write(f, tensors, nil))
	require.NoError(t, f.Close())
	return dir
}

// Rows of whole groups, rows shorter than one, and rows whose last is shorter are three
// kinds in one checkpoint.
func TestQuantizeGroups(t *testing.T) {
	dir := randomModel(t, `{"model_type":"llama4_text","vocab_size":50,"hidden_size":256,"intermediate_size":40,
		"intermediate_size_mlp":200,"num_hidden_layers":4,"num_attention_heads":3,"num_key_value_heads":1,"head_dim":64,
		"num_local_experts":3,"interleave_moe_layer_step":2,"pad_token_id":null}`)
	for _, preset := range quant.PresetNames()[1:] {
		out := filepath.Join(t.TempDir(), "out")
		_, err := Quantize(context.Background(), os.DirFS(dir), preset, out, &QuantizeOptions{Threads: 2})
		require.NoError(t, err)
		requireSamePlaced(t, dir, preset, out)
		var ids []int32
		for i := range int32(40) {
			ids = append(ids, i)
		}
		score := func(dir, preset string) []float64 {
			m, err := Open(context.Background(), dir, &Options{Device: "cpu", Quant: preset})
			require.NoError(t, err)
			defer func() { require.NoError(t, m.Close()) }()
			s, err := m.Score(context.Background(), &Prompt{Tokens: ids}, 0)
			require.NoError(t, err)
			return s.LogProbs
		}
		require.Equal(t, score(dir, preset), score(out, ""), preset)
		if preset == "int4-all" {
			requireTargets(t, out, "group_0", 128, `re:.*\.feed_forward\.experts\.\d+\.gate_proj$`, `re:.*\.self_attn\.q_proj$`, `re:.*lm_head$`)
			requireTargets(t, out, "group_1", 64, `re:.*\.self_attn\.o_proj$`)      // rows of 192
			requireTargets(t, out, "group_2", 8, `re:.*\.feed_forward\.down_proj$`) // rows of 200
			requireTargets(t, out, "group_3", 0, `re:.*\.feed_forward\.experts\.\d+\.down_proj$`)
		}
	}
}

// requireTargets demands that a group of the config has targets and a size, 0 for none.
func requireTargets(t *testing.T, dir, group string, size int64, targets ...string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "config.json"))
	require.NoError(t, err)
	var config struct {
		Quant quantConfig `json:"quantization_config"`
	}
	require.NoError(t, json.Unmarshal(raw, &config))
	g := config.Quant.Groups[group]
	require.Subset(t, g.Targets, targets)
	if size > 0 {
		require.Equal(t, size, *g.Weights.GroupSize)
	} else {
		require.Nil(t, g.Weights.GroupSize)
	}
	require.Equal(t, int64(128), config.Quant.LoadedGroup)
}

// The other files are copied, weights of other formats and hidden files are not.
func TestQuantizeCopies(t *testing.T) {
	in := t.TempDir()
	require.NoError(t, os.CopyFS(in, os.DirFS("testdata/scout16")))
	for name, text := range map[string]string{
		"LICENSE": "free", "original/params.json": "{}", "original/consolidated.00.pth": "w", ".git/HEAD": "x", ".hidden": "x",
		"pytorch_model.bin": "w", "model.gguf": "w", "extra.safetensors": "w", "hidden/.cache/x": "x",
	} {
		path := filepath.Join(in, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	require.NoError(t, os.Symlink("LICENSE", filepath.Join(in, "COPYING")))
	out := filepath.Join(in, "quantized") // within the source
	for range 2 {
		_, err := Quantize(context.Background(), os.DirFS(in), "int4", out, nil)
		require.NoError(t, err)
	}
	var files []string
	require.NoError(t, fs.WalkDir(os.DirFS(out), ".", func(name string, e fs.DirEntry, err error) error {
		if !e.IsDir() {
			files = append(files, name)
		}
		return err
	}))
	require.ElementsMatch(t, []string{
		"COPYING", "LICENSE", "config.json", "llama4-quantize.json", "model.safetensors", "original/params.json",
		"config.explicit.json", "config.rope_parameters.json", "generation_config.json", "goldens.json",
	}, files)
	raw, err := os.ReadFile(filepath.Join(out, "COPYING"))
	require.NoError(t, err)
	require.Equal(t, "free", string(raw))
}

func TestQuantizeRefuses(t *testing.T) {
	quantize := func(fsys fs.FS, preset string, o *QuantizeOptions) error {
		_, err := Quantize(context.Background(), fsys, preset, filepath.Join(t.TempDir(), "out"), o)
		return err
	}
	require.ErrorContains(t, quantize(os.DirFS("testdata/scout16"), "none", nil), "leaves a checkpoint as it is")
	require.ErrorContains(t, quantize(os.DirFS("testdata/scout16"), "int5", nil), "unknown quantization")
	require.ErrorContains(t, quantize(os.DirFS(written(t, "scout16", "fp8", nil)), "int4", nil), "this one is quantized")
	require.ErrorContains(t, quantize(fstest.MapFS{}, "int4", nil), "config.json")
	require.ErrorContains(t, quantize(os.DirFS("testdata/scout16"), "int4", &QuantizeOptions{Threads: -1}), "hreads")
	require.ErrorContains(t, quantize(os.DirFS("testdata/scout16"), "int4", &QuantizeOptions{ShardBytes: -1}), "ShardBytes is -1, want 0 or more")
	require.NoError(t, quantize(demo.FS(), "fp8-all", nil))
}

// A folder is not continued from a source that is not the one it was begun from.
func TestQuantizeChangedSource(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"weights": func(dir string) error {
			return os.Chtimes(filepath.Join(dir, safetensors.SingleFile), time.Time{}, time.Unix(1e9, 0))
		},
		"config": func(dir string) error {
			raw, err := os.ReadFile(filepath.Join(dir, "config.json"))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, "config.json"), append(raw, '\n'), 0o600)
		},
	} {
		in, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
		require.NoError(t, os.CopyFS(in, os.DirFS("testdata/tied")))
		ctx, cancel := context.WithCancel(context.Background())
		_, err := Quantize(ctx, os.DirFS(in), "int4", out, &QuantizeOptions{
			ShardBytes: 100000,
			Progress: func(done, total int64) {
				if done > total/2 {
					cancel()
				}
			},
		})
		require.ErrorIs(t, err, context.Canceled)
		require.NoFileExists(t, filepath.Join(out, "config.json"))
		require.NoError(t, change(in))
		_, err = Quantize(context.Background(), os.DirFS(in), "int4", out, &QuantizeOptions{ShardBytes: 100000})
		require.ErrorContains(t, err, "was begun of another checkpoint, or this one has changed since", name)
	}
}

// Values that are not finite, and rows of zeros, come back as they are made at load.
func TestQuantizeOddValues(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/scout16")))
	path := filepath.Join(dir, safetensors.SingleFile)
	f, err := safetensors.Open(path)
	require.NoError(t, err)
	var tensors []safetensors.Tensor
	for _, name := range f.Names() {
		x, _ := f.Lookup(name)
		x.Data = slices.Clone(x.Data)
		if strings.HasSuffix(name, "_proj") || strings.HasSuffix(name, "_proj.weight") {
			copy(x.Data, []byte{0xc0, 0x7f}) // NaN
			copy(x.Data[len(x.Data)-2:], []byte{0x80, 0xff})
			clear(x.Data[len(x.Data)/2 : len(x.Data)/2+600])
		}
		tensors = append(tensors, x)
	}
	require.NoError(t, f.Close())
	to, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, safetensors.Write(to, tensors, nil))
	require.NoError(t, to.Close())
	for _, preset := range []string{"int4-all", "fp8-all"} {
		out := filepath.Join(t.TempDir(), "out")
		_, err = Quantize(context.Background(), os.DirFS(dir), preset, out, nil)
		require.NoError(t, err)
		requireSamePlaced(t, dir, preset, out)
	}
}

func TestTranspose(t *testing.T) {
	for _, s := range [][2]int64{{1, 1}, {3, 5}, {70, 33}, {2, 64}, {65, 100}} {
		k, n := s[0], s[1]
		stored, got := make([]byte, 2*k*n), make([]byte, 2*k*n)
		for i := range stored {
			stored[i] = byte(i*7 + i/256)
		}
		transpose(got, stored, k, n)
		for i := range k {
			for j := range n {
				require.Equal(t, stored[2*(i*n+j):2*(i*n+j)+2], got[2*(j*k+i):2*(j*k+i)+2])
			}
		}
	}
}
