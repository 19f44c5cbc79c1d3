package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The demo model knows stories of its own kind better than other text, and says how
// well in one line or as JSON.
func TestPerplexity(t *testing.T) {
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	story := file("story", strings.Repeat("Once upon a time there was a kind fox called Max, who lived by the old house. ", 8))
	other := file("other", strings.Repeat("Errors of numerical quadrature vanish asymptotically; qed. ", 8))
	measure := func(path string) perplexityReport {
		o := succeed(t, "", "perplexity", "--text", path, "--window", "64", "--json")
		require.Empty(t, o.stderr)
		var r perplexityReport
		require.NoError(t, json.Unmarshal([]byte(o.stdout), &r))
		require.Equal(t, 64, r.Window)
		require.Positive(t, r.Windows)
		require.Equal(t, r.Windows*31, r.Tokens)
		require.Greater(t, float64(r.Perplexity), 1.0)
		require.Positive(t, float64(r.Error))
		return r
	}
	require.Less(t, float64(measure(story).Perplexity), float64(measure(other).Perplexity))
	o := succeed(t, "", "perplexity", "--text", story, "--window", "64")
	require.Regexp(t, `^\d+\.\d{4} \+/- \d+\.\d{4}\n$`, o.stdout)
	require.Regexp(t, `^\d+ tokens predicted in \d+ windows of 64\n$`, o.stderr)
}

func TestPerplexityFaults(t *testing.T) {
	short := filepath.Join(t.TempDir(), "short")
	require.NoError(t, os.WriteFile(short, []byte("too short"), 0o600))
	for want, args := range map[string][]string{
		"no text: name its file with --text":    {},
		"want a name, it is empty":              {"--text", ""},
		"want a whole number from 4":            {"--text", short, "--window", "3"},
		"want at least a window of 512: take a": {"--text", short},
		"no such file or directory":             {"--text", short + "er"},
		"unexpected argument \"x\"":             {"--text", short, "x"},
		"text none: open none":                  {"--text", "none", "--model", "none"},
		"no tokenizer, so it cannot":            {"--text", short, "--model", "../../llama4/testdata/scout16"},
	} {
		o := llama4Run(t, "", append([]string{"perplexity"}, args...)...)
		require.NotZero(t, o.status, want)
		require.Empty(t, o.stdout)
		require.Contains(t, o.stderr, want)
		require.Equal(t, 1, strings.Count(strings.SplitN(o.stderr, "\nUsage", 2)[0], "llama4: "), o.stderr)
	}
}

// A broken model's perplexity is no number, of which JSON has none.
func TestPerplexityReport(t *testing.T) {
	raw, err := json.Marshal(&perplexityReport{Perplexity: jsonNumber(math.NaN()), Error: jsonNumber(math.Inf(1)), Tokens: 3})
	require.NoError(t, err)
	require.JSONEq(t, `{"perplexity":null,"standard_error":null,"tokens":3,"windows":0,"window":0}`, string(raw))
}
