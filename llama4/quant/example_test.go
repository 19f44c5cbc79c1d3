package quant_test

import (
	"fmt"

	"github.com/llama4go/llama4go/llama4/quant"
)

func ExampleQuantize() {
	f := quant.Format{Type: quant.I4, Group: 4, Scale: quant.BF16}
	values, scales := quant.Quantize(f, []float32{-8, 3.3, 0, 7, 0.5, 1, -1, 0.25}, 8)
	fmt.Printf("%x %x\n", values, scales)
	fmt.Println(quant.Dequantize(f, values, scales, nil, 8))
	// Output:
	// b0f8fca0 803f003e
	// [-8 3 0 7 0.5 0.875 -1 0.25]
}

func ExampleConfig_Find() {
	c, err := quant.ParseConfig([]byte(`{"quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ["re:.*self_attn"],
		"config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128}}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Find("model.layers.0.feed_forward.down_proj").Scheme.Name)
	fmt.Println(c.Find("model.layers.0.self_attn.q_proj"))
	// Output:
	// int4 in groups of 128
	// <nil>
}

func ExamplePreset() {
	p, err := quant.ParsePreset("int4")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Applies(quant.PartExperts, 5, 48), p.Applies(quant.PartAttention, 5, 48))
	fmt.Println(p.Scheme.Bytes(1024, 5120), "bytes for 1024 rows of 5120")
	// Output:
	// true false
	// 2703360 bytes for 1024 rows of 5120
}
