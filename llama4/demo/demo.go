// Package demo holds a trained Llama 4 of 4,024,800 parameters, built into the
// program: a mixture of 4 experts on each of 8 layers, chunked and NoPE attention,
// and a vision tower. It tells tiny stories, adds small numbers, greets by name
// and names coloured shapes in pictures. README.md beside it says how it was
// trained.
//
// [FS] is its folder in Hugging Face's layout, for every function that reads a
// model from an [fs.FS]:
//
//	config, err := llama4.LoadConfigFS(demo.FS())
//	checkpoint, err := safetensors.OpenFS(demo.FS())
package demo

import (
	"embed"
	"io/fs"
)

//go:embed model
var files embed.FS

// FS returns the model's folder: config.json, generation_config.json,
// model.safetensors, tokenizer.json, the chat template and the processor's
// settings.
func FS() fs.FS {
	sub, err := fs.Sub(files, "model")
	if err != nil {
		panic(err) // fs.Sub fails for malformed paths only
	}
	return sub
}
