package bench

import (
	"fmt"
	"math"
	"slices"

	"github.com/llama4go/llama4go/bindings"
)

// geometry are the sizes of a model.
type geometry struct {
	name                    string
	hidden, heads, kvHeads  int
	headDim, experts, vocab int
	expertF, denseF         int // intermediate sizes; denseF 0: no dense layers
	chunk                   int
}

var (
	scout = geometry{
		name: "scout", hidden: 5120, heads: 40, kvHeads: 8, headDim: 128,
		experts: 16, vocab: 202048, expertF: 8192, chunk: 8192,
	}
	maverick = geometry{
		name: "maverick", hidden: 5120, heads: 40, kvHeads: 8, headDim: 128,
		experts: 128, vocab: 202048, expertF: 8192, denseF: 16384, chunk: 8192,
	}
	// tiny is for the emulated GPU. Nothing is a multiple of a tile.
	tiny = geometry{
		name: "tiny", hidden: 72, heads: 5, kvHeads: 1, headDim: 24,
		experts: 4, vocab: 321, expertF: 40, denseF: 56, chunk: 16,
	}
)

// span is what attention works on: sequences with new tokens at the end of a
// context.
type span struct {
	name                    string
	sequences, new, context int
	chunked                 bool
}

// plan says which shapes are measured.
type plan struct {
	models []geometry
	tp     []int // GPUs that share a layer
	tokens []int
	rows   []int // of logits and what follows
	spans  []span
	tower  tower
	tiles  []int // of the pictures of a call
}

var (
	gpuPlan = plan{
		models: []geometry{scout, maverick}, tp: []int{1, 2, 4, 8},
		tokens: []int{1, 4, 16, 64, 256, 1024, 4096, 16384}, rows: []int{1, 16, 64},
		spans: []span{
			{"prefill", 1, 1024, 1024, false}, {"prefill", 1, 4096, 4096, false}, {"prefill", 1, 16384, 16384, false},
			{"prefill", 4, 2048, 2048, false}, {"prefill", 1, 512, 4096, false}, {"prefill", 1, 16384, 16384, true},
			{"decode", 1, 1, 1024, false}, {"decode", 1, 1, 8192, false}, {"decode", 1, 1, 32768, false},
			{"decode", 16, 1, 4096, false}, {"decode", 64, 1, 4096, false}, {"decode", 8, 1, 30000, true},
		},
		tower: llamaTower, tiles: []int{1, 5, 17},
	}
	cpuPlan = plan{
		models: []geometry{scout}, tp: []int{1}, tokens: []int{1, 4, 64, 512}, rows: []int{1},
		spans: []span{
			{"prefill", 1, 512, 4096, false}, {"prefill", 1, 512, 8192 + 4096, true}, {"decode", 1, 1, 4096, false},
			{"decode", 1, 1, 32768, false}, {"decode", 1, 1, 32768, true},
		},
		tower: llamaTower, tiles: []int{1, 17},
	}
	emulatedPlan = plan{
		models: []geometry{tiny}, tp: []int{1}, tokens: []int{1, 5}, rows: []int{2},
		spans: []span{{"prefill", 2, 9, 21, false}, {"prefill", 1, 9, 41, true}, {"decode", 3, 1, 70, false}},
		tower: tinyTower, tiles: []int{2},
	}
)

// short leaves a few of a plan's shapes: the smallest and the largest.
func (p plan) short() plan {
	ends := func(list []int) []int { return slices.Compact([]int{list[0], list[len(list)-1]}) }
	p.tp, p.tokens, p.rows, p.tiles = ends(p.tp), ends(p.tokens), ends(p.rows), ends(p.tiles)
	return p
}

// planFor chooses by the device.
func planFor(info bindings.Info) plan {
	switch {
	case info.CPU():
		return cpuPlan
	case emulated(info):
		return emulatedPlan
	}
	return gpuPlan
}

func emulated(info bindings.Info) bool { return info.Name == "simt" }

// dims names the numbers that a shape consists of.
type dims map[string]int

// shape is one thing to measure: an operation at given sizes.
type shape struct {
	operation string
	kind      string // which of the layer's operations, "" where there is one
	model     string // "" where the models do not differ
	tp        int
	geometry  geometry
	format    *format // of weights; nil: bf16
	dims      dims
}

// name is the benchmark's, below that of the operation.
func (s shape) name() string {
	out, name := s.operation, ""
	if s.format != nil {
		name = s.format.name
	}
	for _, part := range []string{s.kind, name, s.model} {
		if part != "" {
			out += "/" + part
		}
	}
	if s.tp > 0 {
		out += fmt.Sprintf("/tp=%d", s.tp)
	}
	for _, key := range []string{"tokens", "tiles", "rows", "sequences", "new", "context", "chunk"} {
		if n, ok := s.dims[key]; ok {
			out += fmt.Sprintf("/%s=%d", key, n)
		}
	}
	return out
}

// shapes lists a plan's shapes. One that two models have in common is there once,
// as nobody's in particular.
func (p plan) shapes() []shape {
	var all []shape
	for _, g := range p.models {
		for _, tp := range p.tp {
			all = append(all, p.layer(g, tp)...)
		}
		all = append(all, p.whole(g)...)
		all = append(all, p.quantized(g)...)
	}
	all = append(all, p.vision()...)
	var out []shape
	seen := map[string]int{}
	for _, s := range all {
		key := fmt.Sprint(s.operation, s.kind, s.format, s.tp, s.dims)
		if at, twice := seen[key]; twice {
			out[at].model = ""
			continue
		}
		seen[key] = len(out)
		out = append(out, s)
	}
	return out
}

// layer lists what tp GPUs share: heads, and the columns of the feed-forward.
func (p plan) layer(g geometry, tp int) []shape {
	var out []shape
	add := func(operation, kind string, d dims) {
		out = append(out, shape{operation: operation, kind: kind, model: g.name, tp: tp, geometry: g, dims: d})
	}
	heads, kvHeads, f, dense := g.heads/tp, g.kvHeads/tp, g.expertF/tp, g.denseF/tp
	width := (heads + 2*kvHeads) * g.headDim
	for _, t := range p.tokens {
		matmul := func(kind string, n, k int) { add("Matmul", kind, dims{"tokens": t, "m": t, "n": n, "k": k}) }
		matmul("qkv", width, g.hidden)
		matmul("o", g.hidden, heads*g.headDim)
		matmul("shared_gate_up", 2*f, g.hidden)
		matmul("shared_down", g.hidden, f)
		if dense > 0 {
			matmul("dense_gate_up", 2*dense, g.hidden)
			matmul("dense_down", g.hidden, dense)
		}
		add("GroupedMatmul", "gate_up", dims{"tokens": t, "experts": g.experts, "n": 2 * f, "k": g.hidden})
		add("GroupedMatmul", "down", dims{"tokens": t, "experts": g.experts, "n": g.hidden, "k": f})
		add("SwiGLU", "shared", dims{"tokens": t, "f": f})
		add("QKVEpilogue", "", dims{"tokens": t, "heads": heads, "kv_heads": kvHeads, "dim": g.headDim})
	}
	for _, s := range p.spans {
		d := dims{
			"sequences": s.sequences, "new": s.new, "context": s.context,
			"heads": heads, "kv_heads": kvHeads, "dim": g.headDim,
		}
		if s.chunked {
			d["chunk"] = g.chunk
		}
		add("Attention", s.name, d)
	}
	for _, r := range p.rows {
		add("Logits", "", dims{"rows": r, "n": g.vocab / tp, "k": g.hidden})
	}
	return out
}

// whole lists what every GPU does for itself.
func (p plan) whole(g geometry) []shape {
	var out []shape
	add := func(operation string, d dims) {
		out = append(out, shape{operation: operation, model: g.name, geometry: g, dims: d})
	}
	for _, t := range p.tokens {
		add("Embed", dims{"tokens": t, "hidden": g.hidden, "vocab": g.vocab})
		add("RMSNorm", dims{"tokens": t, "hidden": g.hidden})
		add("Router", dims{"tokens": t, "experts": g.experts, "hidden": g.hidden})
	}
	for _, r := range p.rows {
		add("LogSoftmax", dims{"rows": r, "vocab": g.vocab})
		add("TopK", dims{"rows": r, "vocab": g.vocab, "top": 8})
		add("Sample", dims{"rows": r, "vocab": g.vocab})
	}
	return out
}

// quantized lists products with weights of each format.
func (p plan) quantized(g geometry) []shape {
	var out []shape
	for i := range formats {
		add := func(operation, kind string, d dims) {
			out = append(out, shape{operation: operation, kind: kind, model: g.name, geometry: g, format: &formats[i], dims: d})
		}
		for _, t := range p.tokens {
			add("Matmul", "qkv", dims{"tokens": t, "m": t, "n": (g.heads + 2*g.kvHeads) * g.headDim, "k": g.hidden})
			add("GroupedMatmul", "gate_up", dims{"tokens": t, "experts": g.experts, "n": 2 * g.expertF, "k": g.hidden})
		}
		if formats[i].dtype != bindings.I8 {
			add("Quantize", "gate_up", dims{"n": 2 * g.expertF, "k": g.hidden})
		}
	}
	return out
}

// pairs counts the keys that the queries of a span see, over all its sequences.
func (d dims) pairs() float64 {
	if d["bidirectional"] != 0 {
		return float64(d["new"]) * float64(d["context"]) * float64(d["sequences"])
	}
	n := 0.0
	for p := d["context"] - d["new"]; p < d["context"]; p++ {
		n += float64(p - d.first(p) + 1)
	}
	return n * float64(d["sequences"])
}

// first is the first key that the query at position p sees.
func (d dims) first(p int) int {
	if chunk := d["chunk"]; chunk > 0 {
		return p / chunk * chunk
	}
	return 0
}

// keys counts the keys of a sequence that any of its queries sees.
func (d dims) keys() int { return d["context"] - d.first(d["context"]-d["new"]) }

// scaleOf is the size of weights that keeps outputs at the size of inputs: the
// power of two next to 1/sqrt(k), so that bf16 numbers stay bf16 numbers.
func scaleOf(k int) float64 { return math.Exp2(-math.Round(math.Log2(float64(k)) / 2)) }
