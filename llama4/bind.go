package llama4

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/llama4go/llama4go/llama4/safetensors"
)

// LoadWeights binds the tensors of a checkpoint, whose data is not copied. A
// tensor that is missing, that the model does not use, or whose shape or element
// type is another, is an error that names it; so is a number of layers that the
// checkpoint does not have. All faults are in one error, of one line, which lists
// the first ten.
//
// If the model ties lm_head to the embedding table, an lm_head that the
// checkpoint has all the same is ignored, as the reference does.
func LoadWeights(c *Config, checkpoint *safetensors.Checkpoint) (*Weights, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	w := &Weights{}
	if err := bind(c, checkpoint, w); err != nil {
		return nil, fmt.Errorf("the checkpoint does not fit config.json: %w", err)
	}
	return w, nil
}

// source is where tensors come from: a checkpoint, or one file.
type source interface {
	Lookup(name string) (safetensors.Tensor, bool)
	Names() []string
}

// binder fills a Weights, and collects what is wrong.
type binder struct {
	source
	config *Config
	used   map[string]bool
	stored []StoredTensor
	faults []string
}

// bind fills w from src.
func bind(c *Config, src source, w *Weights) error {
	specs, counts := c.walk(w)
	names := src.Names()
	if err := checkCounts(counts, names); err != nil {
		return err
	}
	b := &binder{source: src, config: c, used: make(map[string]bool, len(specs)+1)}
	for i := range specs {
		if spec := &specs[i]; spec.linear != nil {
			b.linear(spec)
		} else if t, ok := b.want(spec); ok {
			*spec.field = t
			b.store(spec, t)
		}
	}
	if c.TieEmbeddings {
		w.Head = Linear{Name: c.Prefix + "lm_head", Part: PartHead, Layer: -1, Shape: w.Embed.Shape, Plain: w.Embed}
		b.used[c.Prefix+"lm_head.weight"] = true
	}
	for _, name := range names {
		if !b.used[name] && !b.ofCache(name) {
			t, _ := src.Lookup(name)
			b.fault("%s, %v %v, is not a tensor of this model", name, t.DType, t.Shape)
		}
	}
	w.stored = b.stored
	return join(b.faults)
}

func (b *binder) fault(format string, args ...any) {
	b.faults = append(b.faults, fmt.Sprintf(format, args...))
}

// want looks for the tensor of a spec.
func (b *binder) want(spec *TensorSpec) (safetensors.Tensor, bool) {
	b.used[spec.Name] = true
	t, ok := b.Lookup(spec.Name)
	if !ok {
		b.fault("%s is missing, want %s", spec.Name, spec.expectation())
		return t, false
	}
	if fault := spec.mismatch(t); fault != "" {
		b.fault("%s", fault)
		return t, false
	}
	return t, true
}

// store notes tensors that the model is made of.
func (b *binder) store(spec *TensorSpec, tensors ...safetensors.Tensor) {
	for _, t := range tensors {
		s := StoredTensor{Tensor: t, Part: spec.Part, Layer: spec.Layer, linear: spec.linear != nil}
		if !s.linear {
			s.loaded = t.Bytes()
		}
		b.stored = append(b.stored, s)
	}
}

// checkCounts compares the numbers of layers with the indices in the tensors'
// names, so that a wrong number is one fault and not hundreds.
func checkCounts(counts []count, names []string) error {
	var faults []string
	for _, want := range counts {
		have := 0
		for _, name := range names {
			rest, ok := strings.CutPrefix(name, want.prefix)
			index, _, _ := strings.Cut(rest, ".")
			if i, err := strconv.Atoi(index); ok && err == nil {
				have = max(have, i+1)
			}
		}
		if have != want.n {
			faults = append(faults, fmt.Sprintf("%s is %d, but the tensors %sN have %d", want.field, want.n, want.prefix, have))
		}
	}
	return join(faults)
}

// mismatch describes how t is not what the spec wants, in one line.
func (s *TensorSpec) mismatch(t safetensors.Tensor) string {
	if slices.Equal(t.Shape, s.Shape) && slices.Contains(s.DTypes, t.DType) {
		return ""
	}
	return fmt.Sprintf("%s is %v %v, want %s", s.Name, t.DType, t.Shape, s.expectation())
}

// expectation returns, for example, "BF16 [64 128] (kv_heads*head_dim,hidden)".
func (s *TensorSpec) expectation() string {
	names := make([]string, len(s.DTypes))
	for i, d := range s.DTypes {
		names[i] = d.String()
	}
	return fmt.Sprintf("%s %v (%s)", strings.Join(names, " or "), s.Shape, s.symbols)
}

// join makes one error of one line of the faults, nil if there are none.
func join(faults []string) error {
	const most = 10
	if len(faults) == 0 {
		return nil
	}
	text := strings.Join(faults[:min(len(faults), most)], "; ")
	if len(faults) > most {
		text += fmt.Sprintf("; and %d more", len(faults)-most)
	}
	return errors.New(text)
}
