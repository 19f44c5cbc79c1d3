package llama4_test

import (
	"fmt"
	"log"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4"
	"github.com/llama4go/llama4go/llama4/demo"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

func ExampleConfig_Plan() {
	config, err := llama4.LoadConfigFS(demo.FS())
	if err != nil {
		log.Fatal(err)
	}
	for _, layer := range config.Plan()[2:4] {
		fmt.Printf("layer %d: RoPE %v, chunk %d, QK norm %v, temperature %v, MoE %v\n",
			layer.Index, layer.RoPE, layer.Chunk, layer.QKNorm, layer.Temperature, layer.MoE)
	}
	// Output:
	// layer 2: RoPE true, chunk 128, QK norm true, temperature false, MoE true
	// layer 3: RoPE false, chunk 0, QK norm false, temperature true, MoE true
}

func ExampleConfig_KVBytes() {
	config, err := llama4.LoadConfigFS(demo.FS())
	if err != nil {
		log.Fatal(err)
	}
	for _, tokens := range []int{128, 2048} {
		paged, full := config.KVBytes(tokens, bindings.BF16)
		fmt.Printf("%d tokens: %d bytes, %d if every layer kept all\n", tokens, paged, full)
	}
	// Output:
	// 128 tokens: 262144 bytes, 262144 if every layer kept all
	// 2048 tokens: 1245184 bytes, 4194304 if every layer kept all
}

func ExampleLoadWeights() {
	config, err := llama4.LoadConfigFS(demo.FS())
	if err != nil {
		log.Fatal(err)
	}
	checkpoint, err := safetensors.OpenFS(demo.FS())
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = checkpoint.Close() }()
	weights, err := llama4.LoadWeights(config, checkpoint)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(weights.Embed.DType, weights.Embed.Shape)
	fmt.Println(weights.Layers[0].MoE.GateUp.Name, weights.Layers[0].MoE.GateUp.Shape)
	// Output:
	// BF16 [764 128]
	// language_model.model.layers.0.feed_forward.experts.gate_up_proj [4 384 128]
}
