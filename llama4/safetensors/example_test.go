package safetensors_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/llama4go/llama4go/llama4/safetensors"
)

func ExampleOpenDir() {
	checkpoint, err := safetensors.OpenDir("testdata/sharded")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = checkpoint.Close() }()
	for _, name := range checkpoint.Names() {
		t, _ := checkpoint.Lookup(name)
		fmt.Println(name, t.DType, t.Shape, t.Float32s(nil))
	}
	// Output:
	// a F32 [2 3] [0 1 2 3 4 5]
	// b I64 [2] [1 2]
	// c BF16 [1 2] [1.5 -2]
}

func ExampleWrite() {
	var file bytes.Buffer
	err := safetensors.Write(&file, []safetensors.Tensor{
		{Name: "scale", DType: safetensors.F16, Shape: []int64{2}, Data: []byte{0x00, 0x3c, 0x00, 0xc0}},
	}, map[string]string{"format": "pt"})
	if err != nil {
		log.Fatal(err)
	}
	f, err := safetensors.Parse("memory", file.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	scale, _ := f.Lookup("scale")
	fmt.Println(scale.Float32s(nil), f.Metadata()["format"])
	// Output: [1 -2] pt
}
