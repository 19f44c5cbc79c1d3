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
		row(name, "%d tensors, %s", d.Tensors, size(d.Bytes))
	}
	row("quantization", "%s", r.Quantization)
	row("tokenizer", "%s; chat template %s", presence(r.Tokenizer), presence(r.ChatTemplate))
	row("weights", "%s in %s", size(r.Weights.Total), plural(len(r.Files), "file"))
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

// printParts writes parameters and memory by part.
func (r *inspection) printParts(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	const format = "%-18s\t%s\t%s\t%s\t\n" // numbers to the right, names to the left
	line := func(name string, parameters, bytes int64) {
		share := 100 * float64(bytes) / float64(max(r.Weights.Total, 1))
		_, _ = fmt.Fprintf(w, format, name, quantity(parameters), size(bytes), fmt.Sprintf("%.1f%%", share))
	}
	_, _ = fmt.Fprintf(w, format, "weights", "parameters", "memory", "share")
	for _, p := range partOrder {
		if n := r.Parameters.Parts[p.part]; n > 0 {
			line(p.name, n, r.Weights.Parts[p.part])
		}
	}
	line("total", r.Parameters.Total, r.Weights.Total)
	r.flush(w)
}

// printCache writes what a sequence takes.
func (r *inspection) printCache(out io.Writer) {
	k := r.KVCache
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "KV cache of a sequence of %s tokens, %s\n", quantity(int64(k.Tokens)), k.DType)
	_, _ = fmt.Fprintf(w, "  paged, chunked layers stop at their chunk\t%s\n", size(k.Paged))
	_, _ = fmt.Fprintf(w, "  as if every layer kept everything\t%s\n", size(k.Full))
	_, _ = fmt.Fprintf(w, "weights and paged cache together\t%s\n", size(r.Weights.Total+k.Paged))
	r.flush(w)
}
