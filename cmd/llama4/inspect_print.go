package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"

	"github.com/llama4go/llama4go/llama4/chat"
	"github.com/llama4go/llama4go/llama4/quant"
)

// printJSON writes a value as JSON on standard output.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func hasTemplate(folder fs.FS) bool {
	_, err := chat.Load(folder)
	return !errors.Is(err, chat.ErrNoTemplate)
}

// print writes the inspection for people.
func (r *inspection) print(out io.Writer) error {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) // into memory
	}
	row("model", "%s", r.Model)
	row("architecture", "%s", r.architecture())
	row("layers", "%s", r.Layers)
	if r.Experts.Routed > 0 {
		row("experts", "%d routed, %d a token, and a shared one", r.Experts.Routed, r.Experts.PerToken)
	}
	row("attention", "%s, %s, %d wide; hidden size %d",
		plural(r.Heads, "query head"), plural(r.KVHeads, "key-value head"), r.HeadDim, r.Hidden)
	row("context", "%s positions, vocabulary of %s", quantity(int64(r.MaxPositions)), quantity(int64(r.Vocab)))
	row("parameters", "%s, a text token passes %s", count(r.Parameters.Total), count(r.Parameters.Active))
	for _, name := range r.dtypes() {
		d := r.DTypes[name]
		row(name, "%s, %s", plural(d.Tensors, "tensor"), size(d.Bytes))
	}
	row("quantization", "%s", r.Quantization)
	row("tokenizer", "%s; chat template %s", presence(r.Tokenizer), presence(r.ChatTemplate))
	if len(r.Files) > 0 {
		row("weights", "%s in %s", size(r.Weights.Total), plural(len(r.Files), "file"))
	} else {
		row("weights", "%s in bfloat16, by its configuration", size(r.Weights.Total))
	}
	r.flush(w)
	text.WriteString("\n")
	r.printParts(&text)
	text.WriteString("\n")
	r.printCache(&text)
	if r.GPU != nil {
		fmt.Fprintf(&text, "\nGPU: %s\n", r.GPU.Text)
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// flush writes the table, which goes to memory and cannot fail.
func (r *inspection) flush(w *tabwriter.Writer) { _ = w.Flush() }

func presence(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func (r *inspection) architecture() string {
	kind := "text only"
	if r.Multimodal {
		kind = "text and images"
	}
	if r.tieEmbeddings {
		kind += ", output head tied to the embedding"
	}
	return fmt.Sprintf("%s, %s", r.Architecture, kind)
}

// String describes the layers.
func (l layerCounts) String() string {
	parts := []string{}
	for _, p := range []struct {
		n    int
		text string
	}{
		{l.Chunked, fmt.Sprintf("attend within chunks of %s tokens", quantity(int64(l.Chunk)))},
		{l.Global, "to all tokens"}, {l.NoPE, "without rotary positions"},
		{l.MoE, "mixtures of experts"}, {l.Dense, "dense"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.text))
		}
	}
	return fmt.Sprintf("%d: %s", l.Total, strings.Join(parts, ", "))
}

// printParts writes parameters and memory by part, in the files and, where it is not
// the same, as it is loaded.
func (r *inspection) printParts(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(name string, columns ...string) { // numbers to the right, names to the left
		_, _ = fmt.Fprintf(w, "%-18s\t%s\t\n", name, strings.Join(columns, "\t"))
	}
	numbers := func(name string, parameters, stored, loaded int64) {
		share := fmt.Sprintf("%.1f%%", 100*float64(loaded)/float64(max(r.Loaded.Total, 1)))
		if r.Loaded.Total == r.Weights.Total {
			line(name, quantity(parameters), size(stored), share)
			return
		}
		line(name, quantity(parameters), size(stored), size(loaded), share)
	}
	if r.Loaded.Total == r.Weights.Total {
		line("weights", "parameters", "memory", "share")
	} else {
		line("weights", "parameters", "stored", "memory", "share")
	}
	for _, p := range partOrder {
		if n, loaded := r.Parameters.Parts[p.part], r.Loaded.Parts[p.part]; n > 0 || loaded > 0 {
			numbers(p.name, n, r.Weights.Parts[p.part], loaded)
		}
	}
	numbers("total", r.Parameters.Total, r.Weights.Total, r.Loaded.Total)
	r.flush(w)
	if r.Schemes == nil {
		return
	}
	var schemes []string
	for _, name := range quant.PresetNames() {
		if n, ok := r.Schemes[name]; ok {
			schemes = append(schemes, fmt.Sprintf("%s %s", name, size(n)))
		}
	}
	_, _ = fmt.Fprintf(out, "memory of weights with --quant: %s\n", strings.Join(schemes, ", "))
}

// printCache writes what a sequence takes.
func (r *inspection) printCache(out io.Writer) {
	k := r.KVCache
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "KV cache of a sequence of %s tokens, %s\n", quantity(int64(k.Tokens)), k.DType)
	_, _ = fmt.Fprintf(w, "  paged, chunked layers stop at their chunk\t%s\n", size(k.Paged))
	_, _ = fmt.Fprintf(w, "  as if every layer kept everything\t%s\n", size(k.Full))
	_, _ = fmt.Fprintf(w, "weights and paged cache together\t%s\n", size(add(r.Loaded.Total, k.Paged)))
	r.flush(w)
	m := r.Memory
	_, _ = fmt.Fprintln(out, "\nmemory to run it")
	_, _ = fmt.Fprintf(w, "  on a GPU, with %s of working memory\t%s\n", size(m.Working), size(m.GPU))
	_, _ = fmt.Fprintf(w, "  of the host beside it, at most, while loading\t%s\n", size(m.GPUHost))
	_, _ = fmt.Fprintf(w, "  on the CPU, at most, while loading\t%s\n", size(m.CPU))
	r.flush(w)
}
