package llama4_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/llama4go/llama4go/llama4"
	"github.com/llama4go/llama4go/llama4/demo"
)

// A quantized checkpoint is written once and takes less room from then on.
func ExampleQuantize() {
	dir, err := os.MkdirTemp("", "quantize")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	out := filepath.Join(dir, "demo-int4")
	if _, err := llama4.Quantize(context.Background(), demo.FS(), "int4", out, nil); err != nil {
		log.Fatal(err)
	}
	c, err := llama4.LoadConfig(out)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Quantization)
	// Output: int4 in groups of 128; int4 in groups of 64
}
