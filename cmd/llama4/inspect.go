package main

import (
	"fmt"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"

	"github.com/llama4go/llama4go/llama4"
)

const inspectHelp = `Inspect says what a checkpoint is and what it takes to run it: architecture, layers,
parameters, element types, how it is quantized, and memory by part. It checks that the
tensors are those that config.json calls for. Only headers are read: no weights, and no
library is needed. -m names a model folder or a GGUF file; of a config.json alone, whatever
its name, the sizes are those of the bfloat16 checkpoint that it describes.

With --quant the memory is that of the model as it is loaded with that scheme, and --kv is
the type of the KV cache. The KV cache of one sequence is given both ways: as it is kept
here, where chunked layers give back what lies before the current chunk, and as if every
layer kept every position.

The last lines say whether a GPU of this machine has room for weights, cache and working
memory; --memory asks for a card that this machine need not have.`

// inspectFlags are the flags of inspect.
type inspectFlags struct {
	modelFlags
	memory int64 // of the card in question, 0 for the GPUs of this machine
	json   bool
}

func (a *app) inspectCommand() *cobra.Command {
	var f inspectFlags
	cmd := &cobra.Command{
		Use:   "inspect",
		Short: "Describe a checkpoint and the memory it takes",
		Long:  inspectHelp,
		Example: "  llama4 inspect -m ~/models/Llama-4-Scout-17B-16E-Instruct --ctx 1000000\n" +
			"  llama4 inspect -m config.json --quant int4 --memory 80GiB",
		Args: noArguments(": name the folder with -m"),
		RunE: func(*cobra.Command, []string) error {
			r, err := inspect(&f)
			if err != nil {
				return err
			}
			r.GPU = a.room(r, f.memory)
			if f.json {
				return a.printJSON(r)
			}
			return r.print(a.stdout)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.json, "json", false, "print JSON")
	f.registerModel(cmd)
	f.registerQuant(cmd)
	f.registerKV(cmd)
	f.registerContext(cmd, "tokens of the KV cache (default: the model's positions, at most 131072)")
	f.registerCompute(cmd)
	flags.Var(bytesValue(&f.memory), "memory", "memory of a card to fit, such as 80GiB (default: what this machine's GPUs have free)")
	complete(cmd, "memory")
	return cmd
}

// inspection is what inspect says, in the order of its JSON.
type inspection struct {
	Model         string           `json:"model"`
	Architecture  string           `json:"architecture"` // model_type of config.json
	Multimodal    bool             `json:"multimodal"`
	Hidden        int              `json:"hidden_size"`
	Heads         int              `json:"attention_heads"`
	KVHeads       int              `json:"kv_heads"`
	HeadDim       int              `json:"head_dim"`
	Vocab         int              `json:"vocab_size"`
	MaxPositions  int              `json:"max_positions"`
	Layers        layerCounts      `json:"layers"`
	Experts       expertCounts     `json:"experts"`
	Parameters    parameterCounts  `json:"parameters"`
	DTypes        map[string]sizes `json:"dtypes"`
	Quantization  string           `json:"quantization"`
	Weights       weightBytes      `json:"weights"`
	Loaded        loadedBytes      `json:"loaded"`
	Schemes       map[string]int64 `json:"schemes,omitempty"` // loaded bytes by --quant, of a checkpoint that takes it
	KVCache       cacheBytes       `json:"kv_cache"`
	Memory        memoryBytes      `json:"memory"`
	Files         []fileBytes      `json:"files"`
	GPU           *gpuRoom         `json:"gpu,omitempty"` // absent where there is none
	Tokenizer     bool             `json:"tokenizer"`
	ChatTemplate  bool             `json:"chat_template"`
	tieEmbeddings bool
}

type layerCounts struct {
	Total   int `json:"total"`
	Chunked int `json:"chunked"`
	Global  int `json:"global"`
	Chunk   int `json:"chunk"` // tokens
	NoPE    int `json:"nope"`
	MoE     int `json:"moe"`
	Dense   int `json:"dense"`
}

type expertCounts struct {
	Routed   int `json:"routed"` // a mixture layer
	PerToken int `json:"per_token"`
}

type parameterCounts struct {
	Total  int64            `json:"total"`
	Active int64            `json:"active"` // that a text token passes through
	Parts  map[string]int64 `json:"parts"`
}

type sizes struct {
	Tensors    int   `json:"tensors"`
	Parameters int64 `json:"parameters"` // elements, where values are packed
	Bytes      int64 `json:"bytes"`
}

// weightBytes is weights as they are stored.
type weightBytes struct {
	Total int64            `json:"total_bytes"`
	Parts map[string]int64 `json:"parts"`
}

// loadedBytes is weights as they are in memory.
type loadedBytes struct {
	Quant string           `json:"quant"`
	Total int64            `json:"total_bytes"`
	Parts map[string]int64 `json:"parts"`
}

type cacheBytes struct {
	Tokens int    `json:"tokens"`
	DType  string `json:"dtype"`
	Paged  int64  `json:"paged_bytes"` // chunked layers keep their chunk
	Full   int64  `json:"full_bytes"`  // every layer keeps everything
}

type fileBytes struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"` // of its tensors
}

// describeConfig counts layers and parameters.
func describeConfig(c *llama4.Config) *inspection {
	r := &inspection{
		Architecture: "llama4_text", Multimodal: c.Multimodal, Hidden: c.Hidden, Heads: c.Heads, KVHeads: c.KVHeads,
		HeadDim: c.HeadDim, Vocab: c.Vocab, MaxPositions: c.MaxPositions, Quantization: "none",
		tieEmbeddings: c.TieEmbeddings,
	}
	if c.Multimodal {
		r.Architecture = "llama4"
	}
	for _, l := range c.Plan() {
		r.Layers.Total++
		r.Layers.Chunked += toInt(l.Chunked)
		r.Layers.Global += toInt(!l.Chunked)
		r.Layers.NoPE += toInt(!l.RoPE)
		r.Layers.MoE += toInt(l.MoE)
		r.Layers.Dense += toInt(!l.MoE)
		r.Layers.Chunk = max(r.Layers.Chunk, l.Chunk)
	}
	if r.Layers.MoE > 0 {
		r.Experts = expertCounts{c.Experts, c.ExpertsPerToken}
	}
	p := c.Parameters()
	r.Parameters = parameterCounts{Total: p.Total, Active: p.Active, Parts: p.Parts}
	return r
}

func toInt(is bool) int {
	if is {
		return 1
	}
	return 0
}

// cacheOf is the KV cache of a sequence of the context that the flags ask for.
func (f *modelFlags) cacheOf(c *llama4.Config) cacheBytes {
	tokens, dtype := f.context, llama4.KVType(f.kv, f.compute)
	if tokens == 0 {
		tokens = min(c.MaxPositions, llama4.DefaultContext)
	}
	k := cacheBytes{Tokens: tokens, DType: dtype.String()}
	if f.kv != "auto" {
		k.DType = f.kv
	}
	k.Paged, k.Full = c.KVBytes(tokens, dtype)
	return k
}

func hasFile(folder fs.FS, name string) bool {
	info, err := fs.Stat(folder, name)
	return err == nil && info.Mode().IsRegular()
}

// partOrder is the order in which people read the parts.
var partOrder = []struct{ part, name string }{
	{llama4.PartEmbedding, "embedding"},
	{llama4.PartAttention, "attention"},
	{llama4.PartExperts, "routed experts"},
	{llama4.PartShared, "shared experts"},
	{llama4.PartRouter, "routers"},
	{llama4.PartDense, "dense feed-forward"},
	{llama4.PartNorms, "norms"},
	{llama4.PartHead, "output head"},
	{llama4.PartVision, "vision"},
}

// quantity is a number for people, exact below a million.
func quantity(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// dtypes returns the element types by falling size.
func (r *inspection) dtypes() []string {
	var names []string
	for name := range r.DTypes {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return int(min(1, max(-1, r.DTypes[b].Bytes-r.DTypes[a].Bytes))) })
	return names
}
