package shards_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/llama4go/llama4go/llama4/internal/shards"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

func Example() {
	dir, err := os.MkdirTemp("", "shards")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	f := &shards.Folder{
		Path: dir, Scheme: "int4", Source: "the source", ShardBytes: 1 << 30, Progress: func(int64, int64) {},
		Units: []shards.Unit{{
			Tensors: []safetensors.Tensor{{Name: "a", DType: safetensors.U8, Shape: []int64{3}}},
			Make:    func(put shards.Put) error { return put(0, 0, []byte{1, 2, 3}) },
		}},
	}
	for range 2 {
		r, err := f.Write(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(r.Files, r.Kept)
	}
	// Output:
	// 1 0
	// 1 1
}
