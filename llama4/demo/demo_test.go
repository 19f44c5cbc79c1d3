package demo_test

import (
	"fmt"
	"io/fs"
	"log"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/demo"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

func TestFiles(t *testing.T) {
	for _, name := range []string{
		"chat_template.jinja", "config.json", "generation_config.json", "model.safetensors", "preprocessor_config.json",
		"processor_config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json",
	} {
		info, err := fs.Stat(demo.FS(), name)
		require.NoError(t, err)
		require.NotZero(t, info.Size(), name)
	}
}

func ExampleFS() {
	checkpoint, err := safetensors.OpenFS(demo.FS())
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = checkpoint.Close() }()
	fmt.Println(len(checkpoint.Names()), "tensors,", checkpoint.Bytes()/2, "parameters in bfloat16")
	// Output: 157 tensors, 4024800 parameters in bfloat16
}
