package main

import (
	"fmt"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/bindings/discover"
	"github.com/llama4go/llama4go/llama4"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

const inspectHelp = `Inspect says what a checkpoint is and what it takes to run it: architecture, layers,
parameters, element types, and memory by part. It checks that the tensors are those that
config.json calls for. Only headers are read: no weights, and no library is needed.

The KV cache of one sequence is given both ways: as it is kept here, where chunked layers
give back what lies before the current chunk, and as if every layer kept every position.`

func (a *app) inspectCommand() *cobra.Command {
	var f modelFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "inspect",
		Short:   "Describe a checkpoint and the memory it takes",
		Long:    inspectHelp,
		Example: "  llama4 inspect -m ~/models/Llama-4-Scout-17B-16E-Instruct --ctx 1000000",
		Args:    noArguments(": name the folder with -m"),
		RunE: func(*cobra.Command, []string) error {
			r, err := inspect(&f)
			if err != nil {
				return err
			}
			r.GPU = a.roomFor(r.Weights.Total + r.KVCache.Paged)
			if asJSON {
				return a.printJSON(r)
			}
			return r.print(a.stdout)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	f.registerModel(cmd)
	f.registerContext(cmd, "tokens of the KV cache (default: the model's positions, at most 131072)")
	f.registerCompute(cmd)
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
	KVCache       cacheBytes       `json:"kv_cache"`
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
	Parameters int64 `json:"parameters"`
	Bytes      int64 `json:"bytes"`
}

type weightBytes struct {
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

// gpuRoom says which GPU of this machine has the memory free for weights and cache:
// the one with the most, by its UUID for CUDA_VISIBLE_DEVICES.
type gpuRoom struct {
	Fits bool   `json:"fits"`
	UUID string `json:"uuid,omitempty"`
	Text string `json:"text"`
}

// roomFor looks for a GPU with bytes free, nil where there is no GPU.
func (a *app) roomFor(bytes int64) *gpuRoom {
	s, err := a.snapshot()
	if err != nil || len(s.GPUs) == 0 {
		return nil
	}
	places, err := discover.FitsIn(s.GPUs, uint64(bytes))
	if err != nil {
		return &gpuRoom{Text: oneLine(err.Error())}
	}
	p := places[0]
	return &gpuRoom{
		Fits: true, UUID: p.UUID,
		Text: fmt.Sprintf("fits on GPU %d, %s, with %s free of %s", p.GPU, p.Name, size(int64(p.Free)), size(int64(p.Total))),
	}
}

// inspect reads the headers of a checkpoint.
func inspect(f *modelFlags) (*inspection, error) {
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
	if _, err := llama4.LoadWeights(c, checkpoint); err != nil {
		return nil, f.wrap(err)
	}
	r := describeConfig(c)
	r.Model = f.name()
	r.KVCache = f.cacheOf(c)
	r.measure(c, checkpoint)
	r.Tokenizer = hasFile(folder, "tokenizer.json") || hasFile(folder, "tokenizer.model")
	r.ChatTemplate = hasTemplate(folder)
	return r, nil
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
	tokens, dtype := f.context, bindings.BF16
	if tokens == 0 {
		tokens = min(c.MaxPositions, llama4.DefaultContext)
	}
	if f.compute == bindings.ComputeF32 {
		dtype = bindings.F32
	}
	k := cacheBytes{Tokens: tokens, DType: dtype.String()}
	k.Paged, k.Full = c.KVBytes(tokens, int(dtype.Size()))
	return k
}

// measure sums up the sizes of the tensors.
func (r *inspection) measure(c *llama4.Config, checkpoint *safetensors.Checkpoint) {
	r.DTypes, r.Weights.Parts = map[string]sizes{}, map[string]int64{}
	for _, spec := range c.Tensors() {
		t, _ := checkpoint.Lookup(spec.Name) // LoadWeights has found it
		d := r.DTypes[t.DType.String()]
		d.Tensors++
		d.Parameters += t.Elements()
		d.Bytes += t.Bytes()
		r.DTypes[t.DType.String()] = d
		r.Weights.Parts[spec.Part] += t.Bytes()
		r.Weights.Total += t.Bytes()
	}
	for _, f := range checkpoint.Files() {
		r.Files = append(r.Files, fileBytes{f.Name(), f.Bytes()})
	}
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
