package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// The JSON has the keys that other programs rely on, and nothing else.
func TestBenchJSON(t *testing.T) {
	o := succeed(t, "", "bench", "-p", "40", "-n", "3", "-r", "2", "--compute", "f32", "--threads", "1", "--json")
	require.Empty(t, o.stderr)
	var r map[string]map[string]any
	var flat map[string]any
	require.NoError(t, json.Unmarshal([]byte(o.stdout), &flat))
	require.Positive(t, flat["load_s"])
	require.Greater(t, flat["peak_rss_bytes"], 8e6, "the demo model alone has 8 MB")
	require.Len(t, flat, 5)
	delete(flat, "load_s")
	delete(flat, "peak_rss_bytes")
	require.NoError(t, json.Unmarshal([]byte(marshal(t, flat)), &r))
	for name, tokens := range map[string]float64{"prompt": 40, "generate": 3} {
		require.Equal(t, tokens, r[name]["tokens"])
		speed := r[name]["tok_s"].(map[string]any)
		require.Len(t, speed, 3)
		require.Positive(t, speed["min"])
		require.LessOrEqual(t, speed["min"], speed["median"])
		require.LessOrEqual(t, speed["median"], speed["max"])
	}
	require.Equal(t, "cpu", r["device"]["name"])
	require.Equal(t, "f32", r["device"]["compute"])
	require.EqualValues(t, 1, r["device"]["threads"])
}

func TestBenchText(t *testing.T) {
	o := succeed(t, "", "bench", "-p", "8", "-n", "2", "-r", "1")
	require.Empty(t, o.stderr)
	require.Contains(t, o.stdout, "demo model, 4.02 M parameters, 7.7 MiB\ncpu, ")
	require.Regexp(t, `(?m)^    prompt       8  +[\d.]+ +[\d.]+ +[\d.]+$`, o.stdout)
	require.Regexp(t, `(?m)^  generate       2  +[\d.]+ +[\d.]+ +[\d.]+$`, o.stdout)
	require.Regexp(t, `loaded in [\d.]+ s, peak memory [\d.]+ [MG]iB\n$`, o.stdout)
}

// The first run is not counted.
func TestMeasure(t *testing.T) {
	runs := 0
	times, err := timeRuns(3, func() error { runs++; return nil })
	require.NoError(t, err)
	require.Equal(t, 4, runs)
	require.Len(t, times, 3)
	r, err := measure(10, 3, func() error { return nil })
	require.NoError(t, err)
	require.Equal(t, 10, r.Tokens)
	_, err = measure(10, 3, func() error { return io.ErrUnexpectedEOF })
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, spread{Median: 3, Min: 1, Max: 9}, spreadOf([]float64{9, 1, 3}))
	require.Equal(t, spread{Median: 2.5, Min: 1, Max: 9}, spreadOf([]float64{9, 1, 3, 2}))
	require.Equal(t, spread{Median: 7, Min: 7, Max: 7}, spreadOf([]float64{7}))
}

func TestBenchTokens(t *testing.T) {
	a := newApp(nil, io.Discard, io.Discard)
	require.NoError(t, a.withModel(t.Context(), &modelFlags{device: "cpu", quant: "none"}, func(m *loaded) error {
		tokens := benchTokens(m.Model, 50)
		require.Equal(t, tokens, benchTokens(m.Model, 50))
		require.Equal(t, int32(747), tokens[0])
		require.Equal(t, tokens[:20], benchTokens(m.Model, 20))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, benchPrompt(ctx, m.Model, tokens), context.Canceled)
		require.ErrorIs(t, benchGenerate(ctx, m.Model, tokens), context.Canceled)
		return nil
	}))
	failed := errors.New("failed")
	err := a.withModel(t.Context(), &modelFlags{device: "cpu", quant: "none"}, func(*loaded) error { return failed })
	require.ErrorIs(t, err, failed)
}

// The emulated GPU runs models where it is built, and says so where it is not.
func TestBenchEmulated(t *testing.T) {
	a := newApp(nil, io.Discard, io.Discard)
	f := &benchFlags{model: modelFlags{device: "simt", quant: "none"}, prompt: 3, generate: 2, run: 1}
	err := a.withModel(t.Context(), &f.model, func(m *loaded) error { return a.bench(t.Context(), m, f) })
	if err != nil && strings.HasPrefix(err.Error(), "device simt: no libllama4_simt") {
		t.Skip(err)
	}
	require.NoError(t, err)
	f.model.compute = bindings.ComputeF32
	err = a.withModel(t.Context(), &f.model, func(*loaded) error { return nil })
	require.EqualError(t, err, "device simt computes in bf16: compute f32 is for the CPU")
}
