package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llama4go/llama4go/llama4"
	"github.com/llama4go/llama4go/llama4/quant"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

// subject is what inspect looks at.
type subject struct {
	config    *llama4.Config
	weights   *llama4.Weights
	types     []storedType
	files     []fileBytes
	tokenizer bool
	template  bool
	// quantization is how the checkpoint is quantized, empty for not at all.
	quantization string
}

// storedType is a tensor's type and size.
type storedType struct {
	name            string
	elements, bytes int64
}

// inspect reads the headers of a model.
func inspect(f *inspectFlags) (*inspection, error) {
	preset, err := quant.ParsePreset(f.quant)
	if err != nil {
		return nil, err
	}
	s, err := f.subject()
	if err != nil {
		return nil, err
	}
	if err := s.weights.CheckQuant(preset); err != nil {
		return nil, f.wrap(err)
	}
	r := describeConfig(s.config)
	r.Model = f.name()
	r.KVCache = f.cacheOf(s.config)
	r.measure(s)
	r.load(s, f.quant, preset)
	return r, nil
}

// subject finds out what -m names: a folder, a file in the GGUF format, or the
// configuration alone.
func (f *modelFlags) subject() (*subject, error) {
	switch {
	case isFile(f.path) && strings.HasSuffix(f.path, ".json"):
		return f.configSubject()
	case isFile(f.path):
		return f.ggufSubject()
	}
	folder, err := f.folder()
	if err != nil {
		return nil, err
	}
	c, err := f.config(folder)
	if err != nil {
		return nil, err
	}
	checkpoint, err := safetensors.OpenHeaders(folder)
	if err != nil {
		return nil, f.wrap(err)
	}
	defer func() { _ = checkpoint.Close() }() // holds no file
	s := &subject{
		config: c, template: hasTemplate(folder),
		tokenizer: hasFile(folder, "tokenizer.json") || hasFile(folder, "tokenizer.model"),
	}
	if s.weights, err = llama4.LoadWeights(c, checkpoint); err != nil {
		return nil, f.wrap(err)
	}
	s.addTensors()
	for _, f := range checkpoint.Files() {
		s.files = append(s.files, fileBytes{f.Name(), f.Bytes()})
	}
	if q := c.Quantization; q != nil {
		s.quantization = fmt.Sprintf("%s: %s", q.Method, q)
		if q.KVCache != "" {
			s.quantization += "; made for a KV cache of " + q.KVCache
		}
	}
	return s, nil
}

// configSubject is the BF16 checkpoint that a config.json describes.
func (f *modelFlags) configSubject() (*subject, error) {
	raw, err := readFile(f.path, maxConfig)
	if err != nil {
		return nil, err
	}
	c, err := llama4.ParseConfig(raw)
	if err != nil {
		return nil, f.wrap(err)
	}
	if err := f.checkContext(c); err != nil {
		return nil, err
	}
	s := &subject{config: c}
	if s.weights, err = c.PlainWeights(); err != nil {
		return nil, f.wrap(err)
	}
	s.addTensors()
	return s, nil
}

// maxConfig bounds a config.json: published ones have 6 kB.
const maxConfig = 16 << 20

func (f *modelFlags) ggufSubject() (*subject, error) {
	file, c, err := f.gguf()
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	s := &subject{config: c, template: file.Keys("tokenizer.").Has("chat_template")}
	t, err := llama4.GGUFTokenizer(file)
	if err != nil {
		return nil, f.wrap(err)
	}
	s.tokenizer = t != nil
	if s.weights, err = llama4.DescribeGGUF(c, file); err != nil {
		return nil, f.wrap(err)
	}
	var names []string
	for _, t := range file.Tensors() {
		s.types = append(s.types, storedType{t.Type.String(), t.Rows() * t.Columns(), int64(len(t.Data))})
	}
	for l := range s.weights.Linears() {
		if name := l.Scheme.Name; l.Scheme.Quantized() && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		s.quantization = "GGUF: " + strings.Join(names, ", ")
	}
	s.files = []fileBytes{{f.name(), file.Bytes()}}
	return s, nil
}
