package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const configs = "../../llama4/testdata/config/"

// The published models by their configurations alone, with numbers worked out by hand:
// layers of 5120 with experts of 8192, gate, up and down.
func TestInspectPublished(t *testing.T) {
	const (
		expert     = 3 * 5120 * 8192
		expertRows = 2*8192 + 5120
		attention  = 48 * (2*5120 + 2*1024) * 5120
		denseMLP   = 24 * 3 * 5120 * 16384
		head       = 202048 * 5120
	)
	int4 := func(n int64) int64 { return n/2 + 2*n/128 } // a bf16 scale for 128
	for _, row := range []struct {
		config                 string
		total, routed, shared  int64
		fp8Layers, fp8Experts  int64 // whose experts are fp8: not the first and the last layer's
		dense                  int64
		denseRows, sharedCount int64
	}{
		{"scout.json", 108_641_793_536, 48 * 16 * expert, 48 * expert, 46, 16, 0, 0, 48},
		{"maverick.json", 401_583_781_376, 24 * 128 * expert, 24 * expert, 23, 128, denseMLP, 24 * (2*16384 + 5120), 24},
	} {
		r := inspectJSON(t, "-m", configs+row.config)
		require.Equal(t, "none", r.Loaded.Quant)
		require.Equal(t, 2*row.total, r.Weights.Total)
		require.Equal(t, 2*row.total, r.Loaded.Total)
		require.Empty(t, r.Files)
		linear := row.routed + row.shared + attention + row.dense + head
		rows := row.sharedCount*expertRows*(row.fp8Experts+1) + 48*(2*5120+2*1024) + row.denseRows + 202048
		fp8 := row.fp8Layers * row.fp8Experts
		require.Equal(t, map[string]int64{
			"int4":     2*(row.total-row.routed-row.shared) + int4(row.routed+row.shared),
			"int4-all": 2*(row.total-linear) + int4(linear),
			"fp8":      2*row.total - fp8*expert + 4*fp8*expertRows,
			"fp8-all":  2*row.total - linear + 4*rows,
		}, r.Schemes, row.config)
		for name, bytes := range r.Schemes {
			q := inspectJSON(t, "-m", configs+row.config, "--quant", name)
			require.Equal(t, name, q.Loaded.Quant)
			require.Equal(t, bytes, q.Loaded.Total)
			require.Equal(t, bytes, sum(q.Loaded.Parts))
			require.Equal(t, r.Weights, q.Weights)
			// In pieces: an expert's gate and up in BF16 is the largest.
			require.Equal(t, bytes+q.KVCache.Paged+2*5120*2*8192, q.Memory.CPU, "%s %s", row.config, name)
		}
	}
}

func TestInspectFits(t *testing.T) {
	scout := []string{"-m", configs + "scout.json", "--memory", "80GiB"}
	r := inspectJSON(t, append(scout, "--quant", "int4")...)
	require.True(t, r.GPU.Fits)
	require.Equal(t, "fits on a card of 80.0 GiB, needs 69.0 GiB", r.GPU.Text)
	r = inspectJSON(t, append(scout, "--quant", "fp8")...)
	require.False(t, r.GPU.Fits)
	require.Equal(t, "needs 124.8 GiB, more than a card of 80.0 GiB has; with --quant int4 it needs 69.0 GiB and fits", r.GPU.Text)
	require.Equal(t, r.Loaded.Total+r.KVCache.Paged+r.Memory.Working, r.Memory.GPU)
	r = inspectJSON(t, "-m", configs+"maverick.json", "--quant", "int4-all", "--memory", "80GB")
	require.Equal(t, "needs 204.1 GiB, more than a card of 74.5 GiB has", r.GPU.Text)

	// The cache counts too: 12 layers keep everything, 36 a chunk; 8 heads of 128 and a scale.
	for kv, head := range map[string]int64{"auto": 256, "fp8": 132, "int4": 68} {
		r := inspectJSON(t, append(scout, "--kv", kv, "--ctx", "1000000")...)
		require.Equal(t, 2*8*head*(12*1000000+36*8192), r.KVCache.Paged, kv)
	}
	require.Equal(t, "fp8", inspectJSON(t, "--kv", "fp8").KVCache.DType)

	// On the GPUs of this machine.
	a := machine(1, nil)
	f := &inspectFlags{modelFlags: modelFlags{path: configs + "scout.json", quant: "none", kv: "auto"}}
	report, err := inspect(f)
	require.NoError(t, err)
	room := a.room(report, 0)
	require.False(t, room.Fits)
	require.Regexp(t, "largest free is 78.0 GiB on GPU 0.*; with --quant int4 it needs 69.0 GiB and fits", room.Text)
	require.Nil(t, machine(0, nil).room(report, 0))

	for _, bad := range []string{"80", "0GiB", "-1GiB", "GiB", "1e9GB", "80XB", ""} {
		requireFailure(t, llama4Run(t, "", "inspect", "--memory", bad), statusUsage, "--memory", "want a size")
	}
}

// A GGUF file is described by its own types, and loads as others.
func TestInspectGGUF(t *testing.T) {
	r := inspectJSON(t, "-m", "../../llama4/testdata/gguf/model.gguf")
	require.Contains(t, r.Quantization, "GGUF: ")
	require.Contains(t, r.Quantization, "Q6_K")
	require.Positive(t, r.DTypes["Q4_K"].Bytes)
	require.Less(t, r.Weights.Total, r.Loaded.Total)
	require.Nil(t, r.Schemes)
	require.True(t, r.Tokenizer)
	requireFailure(t, llama4Run(t, "", "inspect", "--quant", "int5"), statusUsage, "want none, int4, int4-all, fp8, fp8-all")
	requireFailure(t, llama4Run(t, "", "inspect", "-m", "../../llama4/testdata/README.md"), statusFailed, "not a GGUF file")
}

// A tied head is a matrix of its own once it is quantized.
func TestInspectTied(t *testing.T) {
	r := inspectJSON(t, "-m", "../../llama4/testdata/tied", "--quant", "fp8-all")
	require.Zero(t, r.Weights.Parts["lm_head"])
	require.Equal(t, int64(764*(64+4)), r.Loaded.Parts["lm_head"])
	require.Contains(t, succeed(t, "", "inspect", "-m", "../../llama4/testdata/tied", "--quant", "fp8-all").stdout, "  output head                  0 ")
}
