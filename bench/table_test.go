package bench

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sampleReport has a result of each kind.
func sampleReport() *report {
	matmul := shape{operation: "Matmul", kind: "o", tp: 1, dims: dims{"tokens": 64, "m": 64, "n": 5120, "k": 5120}}
	decode := shape{operation: "Attention", kind: "decode", tp: 8, dims: dims{
		"sequences": 2, "new": 1, "context": 4096, "heads": 5, "kv_heads": 1, "dim": 128,
	}}
	first, second := newResult(matmul), newResult(decode)
	p := &peak{TFLOPs: 100, GBs: 1000, Source: "its maker"}
	first.fill(job{flops: 1e9, bytes: 1e6}, []time.Duration{20 * time.Microsecond, 10 * time.Microsecond, 40 * time.Microsecond}, p)
	second.fill(job{flops: 1e6, bytes: 1e7}, []time.Duration{20 * time.Microsecond}, p)
	return &report{
		Schema: 1, Commit: "0123abc", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Device: deviceInfo{Name: "cuda:0", Description: "A card", ISA: "sm_90", MemoryTotal: 80 << 30, Driver: "580.1", CUDA: "13.0"},
		Clocks: clocks{Start: &clock{SM: 1410, MaxSM: 1980, Memory: 2619, PowerState: "P0", Watts: 99.6, LimitWatts: 700}},
		Peak:   p, Flush: 512 << 20,
		Results: []*result{
			first, second,
			{Name: "TopK/rows=1", Operation: "TopK", Failed: "wrong"},
			{Name: "Logits/rows=1", Operation: "Logits", Skipped: "out of memory"},
		},
	}
}

func TestTable(t *testing.T) {
	r := sampleReport()
	r.Results[0].Peers = []peer{{Library: "cuBLAS", US: newSpread([]time.Duration{19 * time.Microsecond})}}
	var out strings.Builder
	r.table(&out)
	require.Equal(t, `# A card

- device: cuda:0, sm_90, 80.0 GiB
- driver: 580.1, CUDA 13.0
- clocks at the start: SM 1410 of 1980 MHz, memory 2619 MHz, P0, 100 of 700 W
- clocks at the end: not known
- peak: 100 TFLOP/s bf16, 1000 GB/s (its maker)
- commit: 0123abc, 2026-01-02T03:04:05Z
- method: events of the device around one call; before each, 512 MiB are read and written; median (min..max)

| kernel | us | TFLOP/s | GB/s | % of peak | others, us |
|---|---|---|---|---|---|
| Matmul/o/tp=1/tokens=64 | 20 (10..40) | 50 | 50 | 50% (compute) | cuBLAS: 19 (19..19) |
| Attention/decode/tp=8/sequences=2/new=1/context=4096 | 20 (20..20) | 0.05 | 500 | 50% (memory) |  |
| TopK/rows=1 | FAILED: wrong | | | | |
| Logits/rows=1 | skipped: out of memory | | | | |
`, out.String())

	// A card that is not in the table, and an emulated one.
	r.Peak, r.Results = nil, r.Results[:1]
	r.Results[0].Percent, r.Results[0].Bound = 0, ""
	out.Reset()
	r.table(&out)
	require.Contains(t, out.String(), "no percentages")
	require.Contains(t, out.String(), "| 20 (10..40) | 50 | 50 | - |")
	r.Emulated = true
	out.Reset()
	r.table(&out)
	require.Contains(t, out.String(), "the times below mean nothing")
	require.Contains(t, out.String(), "| Matmul/o/tp=1/tokens=64 | 20 (10..40), meaningless | | | | |")
}

// What peers.py adds is read again, and nothing is lost on the way.
func TestPeers(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no Python: ", err)
	}
	r := sampleReport()
	folder := t.TempDir()
	require.NoError(t, r.write(folder))
	file := filepath.Join(folder, "bench.json")
	out, err := exec.Command(python, "peers.py", "--fake", file).CombinedOutput()
	require.NoError(t, err, string(out))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	back := &report{}
	require.NoError(t, json.Unmarshal(text, back))
	fake := func(library string, flops, bytes float64) peer {
		return peer{
			Library: library, US: &spread{Samples: 3, Min: 1, Q1: 1.5, Median: 2, Q3: 3, Max: 4},
			TFLOPs: flops / 2e6, GBs: bytes / 2e3,
		}
	}
	r.Results[0].Peers = []peer{fake("fake matmul 64 5120 5120", 1e9, 1e6)}
	r.Results[1].Peers = []peer{fake("fake attention 2 1 4096 5 1 128 False", 1e6, 1e7)}
	require.Equal(t, r, back)

	// Without torch it says so, and changes nothing.
	if exec.Command(python, "-c", "import torch").Run() != nil {
		out, err := exec.Command(python, "peers.py", file).CombinedOutput()
		require.NoError(t, err, string(out))
		require.Contains(t, string(out), "no torch with CUDA here")
		again, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, text, again)
	}
}
