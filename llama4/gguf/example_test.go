package gguf_test

import (
	"fmt"
	"log"

	"github.com/llama4go/llama4go/llama4/gguf"
)

func Example() {
	f, err := gguf.Open("testdata/types.gguf")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	fmt.Println(f.Keys("general.").Text("architecture", ""))

	t, _ := f.Tensor("Q4_K")
	format := t.Type.Format()
	rows, err := t.Unpack(format)
	if err != nil {
		log.Fatal(err)
	}
	values, scales := format.RowBytes(t.Columns())
	row, scale, offset := make([]byte, values), make([]byte, scales), make([]byte, scales)
	rows.Values(row, 0, 1)
	rows.Scales(scale, offset, 0, 1)
	fmt.Println(t.Type, t.Shape, format.Type, format.Group)
	// Output:
	// llama4
	// Q4_K [3 512] i4 32
}
