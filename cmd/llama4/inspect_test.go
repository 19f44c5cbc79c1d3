package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/demo"
)

func inspectJSON(t *testing.T, args ...string) inspection {
	t.Helper()
	o := succeed(t, "", append([]string{"inspect", "--json"}, args...)...)
	require.Empty(t, o.stderr)
	var r inspection
	d := json.NewDecoder(strings.NewReader(o.stdout))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&r))
	require.False(t, d.More())
	return r
}

func TestInspectDemo(t *testing.T) {
	const total = 4024800 // README.md of the demo model
	r := inspectJSON(t)
	require.Equal(t, "demo model", r.Model)
	require.Equal(t, "llama4", r.Architecture)
	require.True(t, r.Multimodal)
	require.Equal(t, layerCounts{Total: 8, Chunked: 6, Global: 2, Chunk: 128, NoPE: 2, MoE: 8}, r.Layers)
	require.Equal(t, expertCounts{Routed: 4, PerToken: 1}, r.Experts)
	require.Equal(t, int64(total), r.Parameters.Total)
	// Three of four routed experts, 3*128*192 parameters each, and the vision tower are passed by.
	require.Equal(t, total-8*3*3*128*192-r.Parameters.Parts["vision"], r.Parameters.Active)
	require.Equal(t, map[string]sizes{"BF16": {Tensors: 157, Parameters: total, Bytes: 2 * total}}, r.DTypes)
	require.Equal(t, int64(2*total), r.Weights.Total)
	for part, n := range r.Parameters.Parts {
		require.Equal(t, 2*n, r.Weights.Parts[part], part)
	}
	// Two KV heads of 32, keys and values, 2 bytes; two layers keep 2048 tokens, six 128.
	require.Equal(t, cacheBytes{Tokens: 2048, DType: "bf16", Paged: 256 * (2*2048 + 6*128), Full: 256 * 8 * 2048}, r.KVCache)
	require.Equal(t, []fileBytes{{"model.safetensors", 2 * total}}, r.Files)
	require.True(t, r.Tokenizer)
	require.True(t, r.ChatTemplate)

	r = inspectJSON(t, "--ctx", "100", "--compute", "f32")
	require.Equal(t, cacheBytes{Tokens: 100, DType: "f32", Paged: 512 * 8 * 100, Full: 512 * 8 * 100}, r.KVCache)
}

func TestInspectMaverick(t *testing.T) {
	r := inspectJSON(t, "-m", "../../llama4/testdata/maverick128")
	require.Equal(t, "llama4_text", r.Architecture)
	require.Equal(t, 128, r.Experts.Routed)
	require.Equal(t, 2, r.Layers.MoE)
	require.Equal(t, 3, r.Layers.Dense)
	require.Zero(t, r.Parameters.Parts["vision"])
	require.False(t, r.Tokenizer)
	require.Len(t, inspectJSON(t, "-m", "../../llama4/testdata/grouped").Files, 3)
}

func TestInspectText(t *testing.T) {
	o := succeed(t, "", "inspect")
	require.Empty(t, o.stderr)
	for _, row := range []string{
		"model         demo model\n",
		"layers        8: 6 attend within chunks of 128 tokens, 2 to all tokens, 2 without rotary positions, 8 mixtures of experts\n",
		"parameters    4.02 M, a text token passes 1.77 M\n",
		"  routed experts       2,359,296    4.5 MiB   58.6%\n",
		"KV cache of a sequence of 2,048 tokens, bf16\n",
		"  as if every layer kept everything          4.0 MiB\n",
	} {
		require.Contains(t, o.stdout, row)
	}
	require.Contains(t, succeed(t, "", "inspect", "-m", "../../llama4/testdata/tied").stdout, "output head tied to the embedding")
}

// A checkpoint that cannot be run is an error that names what is wrong, and all
// commands that open it say the same.
func TestBadCheckpoints(t *testing.T) {
	for name, row := range map[string]struct {
		damage func(t *testing.T, folder string)
		says   []string
	}{
		"truncated": {func(t *testing.T, folder string) {
			require.NoError(t, os.Truncate(filepath.Join(folder, "model.safetensors"), 8<<20-1<<19))
		}, []string{"model.safetensors"}},
		"no tensors": {func(t *testing.T, folder string) {
			require.NoError(t, os.Remove(filepath.Join(folder, "model.safetensors")))
		}, []string{"model.safetensors.index.json", "not a checkpoint folder"}},
		"missing shards": {func(t *testing.T, folder string) {
			require.NoError(t, os.Remove(filepath.Join(folder, "model.safetensors")))
			write(t, folder, "model.safetensors.index.json", `{"weight_map":{"a":"one.safetensors","b":"two.safetensors"}}`)
		}, []string{"one.safetensors, two.safetensors"}},
		"other architecture": {func(t *testing.T, folder string) {
			write(t, folder, "config.json", `{"model_type":"llama"}`)
		}, []string{"config.json", "model_type", `"llama"`}},
		"more layers": {func(t *testing.T, folder string) {
			raw, err := os.ReadFile(filepath.Join(folder, "config.json"))
			require.NoError(t, err)
			write(t, folder, "config.json", strings.Replace(string(raw), `"intermediate_size": 192`, `"intermediate_size": 200`, 1))
		}, []string{"intermediate"}},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			require.NoError(t, os.CopyFS(folder, demo.FS()))
			row.damage(t, folder)
			inspected := llama4Run(t, "", "inspect", "-m", folder)
			requireFailure(t, inspected, statusFailed, append(row.says, folder)...)
			for _, command := range []string{"generate hello", "score --jsonl", "bench", "chat"} {
				o := llama4Run(t, "", append(strings.Fields(command), "-m", folder)...)
				requireFailure(t, o, statusFailed)
				require.Equal(t, inspected.stderr, o.stderr, command)
			}
		})
	}
}

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	path := filepath.Join(folder, name)
	require.NoError(t, os.RemoveAll(path)) // embedded files are copied read-only
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// Where there is no library, what needs none still works.
func TestWithoutLibrary(t *testing.T) {
	for _, row := range []struct {
		args   string
		status int
		says   string
	}{
		{"inspect", 0, "parameters    4.02 M"},
		{"tokenize hello", 0, "3 tokens, 5 bytes"},
		{"devices", 0, "library  missing: libllama4 not found"},
		{"--version", 0, "library missing: libllama4 not found"},
		{"generate hello", 1, "libllama4 not found; build it with"},
	} {
		t.Run(row.args, func(t *testing.T) {
			c := child(t, "command", strings.Fields(row.args)...)
			c.Env = append(c.Env, "LLAMA4_LIB="+t.TempDir())
			out, err := c.CombinedOutput()
			require.Equal(t, row.status, c.ProcessState.ExitCode(), "%v: %s", err, out)
			require.Contains(t, string(out), row.says)
		})
	}
}

// Where there are GPUs, inspect says whether one has room.
func TestInspectGPU(t *testing.T) {
	require.Nil(t, machine(-1, nil).roomFor(1))
	require.Nil(t, machine(0, nil).roomFor(1))
	require.Equal(t, &gpuRoom{Fits: true, UUID: "GPU-0", Text: "fits on GPU 0, NVIDIA H100, with 78.0 GiB free of 80.0 GiB"},
		machine(2, nil).roomFor(78*gib))
	room := machine(1, nil).roomFor(79 * gib)
	require.False(t, room.Fits)
	require.Contains(t, room.Text, "needs 79.0 GiB, the largest free is 78.0 GiB on GPU 0")
	o := runWith(t, machine(1, nil), "inspect")
	require.Contains(t, o.stdout, "\nGPU: fits on GPU 0, NVIDIA H100, with 78.0 GiB free of 80.0 GiB\n")
}
