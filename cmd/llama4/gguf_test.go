package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const ggufModel = "../../llama4/testdata/gguf/model.gguf"

// A GGUF file is a model like a folder. Its vocabulary is the demo model's.
func TestGGUF(t *testing.T) {
	demo := succeed(t, "", "tokenize", "--ids", "Once upon a time")
	require.Equal(t, demo.stdout, succeed(t, "", "tokenize", "-m", ggufModel, "--ids", "Once upon a time").stdout)

	request := `{"id":1,"messages":[{"role":"user","content":"Hi"}]}`
	o := succeed(t, request, "score", "-m", ggufModel, "--jsonl")
	require.Contains(t, o.stdout, `"input_ids":[747,`)
	succeed(t, "", "generate", "-m", ggufModel, "-n", "3", "--temperature", "0", "Hi")

	for args, says := range map[string]string{
		"--ctx": "model.gguf: --ctx is 5000, but the model has 4096 positions",
		"-n":    "--max-tokens is 5000, but the context has 4096 tokens",
	} {
		requireFailure(t, llama4Run(t, "", "generate", "-m", ggufModel, args, "5000", "Hi"), statusFailed, says)
	}
	requireFailure(t, llama4Run(t, "", "tokenize", "-m", "gguf_test.go", "Hi"), statusFailed, "gguf_test.go: ")
}
