package llama4

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/llama4go/llama4go/llama4/safetensors"
)

// The parts that a model's weights are counted by.
const (
	PartEmbedding = "embedding"
	PartHead      = "lm_head"
	PartAttention = "attention"
	PartDense     = "dense"   // feed-forward of dense layers
	PartShared    = "shared"  // shared experts
	PartExperts   = "experts" // routed experts
	PartRouter    = "router"
	PartNorms     = "norms"
	PartVision    = "vision" // vision tower and projector
)

// TensorSpec is a tensor that a checkpoint must have.
type TensorSpec struct {
	Name  string
	Shape []int64
	// Part is the kind of weight, one of the Part constants.
	Part string
	// DTypes are the element types that are allowed.
	DTypes []safetensors.DType
	// Layer is the index of the layer, of the text model or the vision tower; -1
	// for tensors of none.
	Layer int

	symbols string              // the shape as its tag has it
	field   *safetensors.Tensor // nil for a linear layer
	linear  *Linear
	each    []string // of experts: the modules of one
}

// Elements returns the product of the shape.
func (s *TensorSpec) Elements() int64 { return safetensors.Tensor{Shape: s.Shape}.Elements() }

// count is a number of layers that config.json states.
type count struct {
	field  string // of config.json
	prefix string // of the layers' tensors, up to the index
	n      int
}

// Tensors lists the tensors of a plain checkpoint of this model. The Config must be
// valid. What a checkpoint has is [Weights.Tensors].
func (c *Config) Tensors() []TensorSpec {
	specs, _ := c.walk(&Weights{})
	return specs
}

var (
	tensorType = reflect.TypeFor[safetensors.Tensor]()
	linearType = reflect.TypeFor[Linear]()

	allowedDTypes = map[string][]safetensors.DType{
		"bf16":  {safetensors.BF16},
		"float": {safetensors.BF16, safetensors.F16, safetensors.F32},
	}
)

// sizes are the names that shapes are written in.
func (c *Config) sizes() map[string]int64 {
	s := map[string]int{
		"vocab": c.Vocab, "hidden": c.Hidden, "heads": c.Heads, "kv_heads": c.KVHeads, "head_dim": c.HeadDim,
		"experts": c.Experts, "intermediate": c.Intermediate, "intermediate_mlp": c.IntermediateMLP,
		"num_hidden_layers": c.Layers,
	}
	if v := c.Vision; v != nil {
		maps.Copy(s, map[string]int{
			"v_hidden": v.Hidden, "v_intermediate": v.Intermediate, "v_channels": v.Channels, "v_patch": v.PatchSize,
			"v_positions": v.Positions(), "v_adapter": v.ProjectorIn, "v_output": v.OutputDim,
			"vision_config.num_hidden_layers": v.Layers,
		})
	}
	sizes := make(map[string]int64, len(s))
	for name, n := range s {
		sizes[name] = int64(n)
	}
	return sizes
}

// scope is what a struct's fields inherit.
type scope struct {
	prefix, part, dtype string
	layer               int
	sizes               map[string]int64
	conditions          map[string]bool
}

// walker collects the specs of a Weights. It makes the slices and structs that
// the Config calls for.
type walker struct {
	config *Config
	plan   []LayerPlan
	specs  []TensorSpec
	counts []count
}

// walk reads the tags of w's type. The conditions are "multimodal" and "untied",
// and in a layer of the text model "moe" or "dense".
func (c *Config) walk(w *Weights) ([]TensorSpec, []count) {
	k := walker{config: c, plan: c.Plan()}
	k.structure(reflect.ValueOf(w).Elem(), scope{
		dtype: "bf16", layer: -1, sizes: c.sizes(),
		conditions: map[string]bool{"multimodal": c.Multimodal, "untied": !c.TieEmbeddings},
	})
	return k.specs, k.counts
}

func (k *walker) structure(v reflect.Value, outer scope) {
	for i := range v.NumField() {
		field, tag := v.Field(i), v.Type().Field(i).Tag
		if when := tag.Get("when"); when != "" && !outer.conditions[when] || !v.Type().Field(i).IsExported() {
			continue
		}
		s := k.inherit(outer, tag)
		switch {
		case field.Type() == tensorType:
			k.tensor(s, tag.Get("shape")).field = field.Addr().Interface().(*safetensors.Tensor)
		case field.Type() == linearType:
			k.linear(field.Addr().Interface().(*Linear), s, tag)
		case field.Kind() == reflect.Slice:
			k.slice(field, s, tag.Get("count"))
		case field.Kind() == reflect.Pointer:
			field.Set(reflect.New(field.Type().Elem()))
			k.structure(field.Elem(), s)
		default:
			k.structure(field, s)
		}
	}
}

// inherit returns the scope of a field.
func (k *walker) inherit(s scope, tag reflect.StructTag) scope {
	switch name := tag.Get("tensor"); {
	case name == "@text":
		s.prefix = k.config.Prefix
	case name != "":
		if s.prefix != "" && !strings.HasSuffix(s.prefix, ".") {
			s.prefix += "."
		}
		s.prefix += name
	}
	if part := tag.Get("part"); part != "" {
		s.part = part
	}
	if dtype := tag.Get("dtype"); dtype != "" {
		s.dtype = dtype
	}
	if set := tag.Get("set"); set != "" {
		s.sizes = maps.Clone(s.sizes)
		for pair := range strings.SplitSeq(set, ",") {
			name, value, _ := strings.Cut(pair, "=")
			s.sizes[name] = s.size(value)
		}
	}
	return s
}

func (k *walker) slice(field reflect.Value, s scope, counted string) {
	n := int(s.size(counted))
	pattern := s.prefix
	k.counts = append(k.counts, count{counted, strings.TrimSuffix(pattern, "%d"), n})
	field.Set(reflect.MakeSlice(field.Type(), n, n))
	for i := range n {
		s.prefix = fmt.Sprintf(pattern, i)
		s.layer = i
		if counted == "num_hidden_layers" {
			s.conditions = map[string]bool{"moe": k.plan[i].MoE, "dense": !k.plan[i].MoE}
		}
		k.structure(field.Index(i), s)
	}
}

// linear adds the spec of a linear layer, and fills in what does not depend on the
// checkpoint.
func (k *walker) linear(l *Linear, s scope, tag reflect.StructTag) {
	spec := k.tensor(s, tag.Get("shape"))
	spec.linear = l
	*l = Linear{
		Name: strings.TrimSuffix(spec.Name, ".weight"), Part: spec.Part, Layer: spec.Layer, Shape: slices.Clone(spec.Shape),
	}
	if each := tag.Get("each"); each != "" {
		spec.each = strings.Split(each, ",")
		l.Shape[1], l.Shape[2] = l.Shape[2], l.Shape[1] // stored [E, K, N]
	}
}

// tensor adds the spec of a tensor.
func (k *walker) tensor(s scope, symbols string) *TensorSpec {
	spec := TensorSpec{Name: s.prefix, Part: s.part, Layer: s.layer, DTypes: allowedDTypes[s.dtype], symbols: symbols}
	for dim := range strings.SplitSeq(symbols, ",") {
		n := int64(1)
		for factor := range strings.SplitSeq(dim, "*") {
			n *= s.size(factor)
		}
		spec.Shape = append(spec.Shape, n)
	}
	k.specs = append(k.specs, spec)
	return &k.specs[len(k.specs)-1]
}

// size resolves a name or a number. Tags are not input: a name that is not there
// is a mistake in weights.go.
func (s *scope) size(name string) int64 {
	if n, ok := s.sizes[name]; ok {
		return n
	}
	n, err := strconv.ParseInt(name, 10, 64)
	if err != nil {
		panic("llama4: tag names the unknown size " + strconv.Quote(name))
	}
	return n
}
