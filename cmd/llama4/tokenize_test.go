package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/demo"
)

func TestTokenize(t *testing.T) {
	o := succeed(t, "", "tokenize", "Hi <|eot|>🦊")
	require.Contains(t, o.stdout, "    27  \"<\"\n")
	require.Contains(t, o.stdout, "   172  \"\\xf0\"\n")
	require.NotContains(t, o.stdout, "special")
	require.Equal(t, "12 tokens, 14 bytes\n", o.stderr)
	require.Contains(t, succeed(t, "", "tokenize", "--special", "<|eot|>").stdout, "   753  \"<|eot|>\"  special\n")
	require.Equal(t, "672 753\n", succeed(t, "Hello<|eot|>\n", "tokenize", "--special", "--ids", "-").stdout)
	require.Equal(t, "\n", succeed(t, "", "tokenize", "--ids", "").stdout)
	require.Empty(t, succeed(t, "", "tokenize", "").stdout)
	// Bytes that are no character come through.
	require.Equal(t, "187\n", succeed(t, "\xff", "tokenize", "--ids", "-").stdout)
}

// -m may name a folder or a file of either kind.
func TestTokenizeModel(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.CopyFS(folder, demo.FS()))
	want := succeed(t, "", "tokenize", "--ids", "Once upon a time").stdout
	for _, path := range []string{folder, filepath.Join(folder, "tokenizer.json")} {
		require.Equal(t, want, succeed(t, "", "tokenize", "-m", path, "--ids", "Once upon a time").stdout)
	}
}

func TestTokenizeLines(t *testing.T) {
	o := llama4Run(t, lines(
		`{"text":"Hello <|eot|>"}`,
		`{"id":5,"text":"Hello<|eot|>","special":true}`,
		`{"text":""}`,
		`{"text":"🦊<&>"}`,
		`{"id":6,"text":7}`,
		`{"special":true}`,
		`{"text":"x","special":"yes"}`,
		`{"text":"x","ids":[1]}`,
	), "tokenize", "--jsonl")
	require.Equal(t, statusFailed, o.status)
	require.Equal(t, "llama4: 4 of 8 requests failed: see the error in their answers\n", o.stderr)
	require.Equal(t, `{"ids":[672,220,27,91,367,83,91,29],"tokens":["Hello"," ","<","|","eo","t","|",">"]}
{"id":5,"ids":[672,753],"tokens":["Hello","<|eot|>"]}
{"ids":[],"tokens":[]}
{"ids":[172,253,99,232,27,5,29],"tokens":["`+"\uFFFD\",\"\uFFFD\",\"\uFFFD\",\"\uFFFD"+`","<","&",">"]}
{"id":6,"error":"text is 7, want a text"}
{"id":null,"error":"the field text is missing"}
{"id":null,"error":"special is \"yes\", want true or false"}
{"id":null,"error":"unknown field \"ids\": there are id, special, text"}
`, o.stdout)
	for _, a := range answers[map[string]json.RawMessage](t, o.stdout) {
		require.NotEmpty(t, a)
	}
}
