package quant

import (
	"fmt"
	"math"
	"strings"

	"github.com/llama4go/llama4go/llama4/internal/fields"
)

// Config is what a checkpoint says about how its weights are quantized:
// quantization_config of config.json, as compressed-tensors or ModelOpt write it, or
// ModelOpt's hf_quant_config.json.
type Config struct {
	// Method is quant_method: "compressed-tensors" or "modelopt".
	Method string
	// Groups are the kinds of layers, by name.
	Groups []Group
	// KVCache describes the scheme for the KV cache that the checkpoint was made with,
	// empty for none. Nothing here follows it.
	KVCache string

	targets, ignore matchers
}

// Group is layers that are quantized in one way.
type Group struct {
	Name string
	// Scheme is what the layers become. Format.Scale is the type that scales are
	// stored in, which the config does not say, and TensorActivations have no Limit
	// yet: both come with the tensors.
	Scheme Scheme
	// Storage is how the tensors have it.
	Storage Storage
}

// Storage is how the values of a group's layers are stored.
type Storage struct {
	// Packed values are I32 words, their lowest bits first, each value with half the
	// range added; otherwise they are F8_E4M3 or I8.
	Packed bool
	// Scales is which values share a stored scale.
	Scales Strategy
	// BlockRows is the number of rows that share a scale with PerBlock; the columns are
	// the format's Group.
	BlockRows int64
	// Repeat is how many stored scales, which are the same, belong to a group of the
	// format; 0 is one.
	Repeat int64
}

// Strategy is which values of a matrix share a scale.
type Strategy uint8

// The strategies.
const (
	PerTensor Strategy = iota
	PerChannel
	PerGroup
	PerBlock
)

// The methods that are read.
const (
	compressedTensors = "compressed-tensors"
	modelOpt          = "modelopt"
)

// ParseConfig reads the object of quantization_config. An error names the group of
// tensors and what about its scheme is unknown.
func ParseConfig(raw []byte) (*Config, error) {
	f, err := fields.Parse(raw, "")
	if err != nil {
		return nil, err
	}
	c := &Config{Method: f.Text("quant_method", compressedTensors)}
	switch c.Method {
	case compressedTensors:
		c.readCompressedTensors(f)
	case modelOpt:
		c.readModelOpt(f)
	default:
		f.Fail("quant_method", "is %q, want %q or %q: use a checkpoint of those, or one in bfloat16 with quantization at load",
			c.Method, compressedTensors, modelOpt)
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// ParseModelOpt reads hf_quant_config.json.
func ParseModelOpt(raw []byte) (*Config, error) {
	f, err := fields.Parse(raw, "")
	if err != nil {
		return nil, err
	}
	c := &Config{Method: modelOpt}
	c.readModelOpt(f.Section("quantization", ""))
	if err := f.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// String describes the groups in a few words: "fp8 by channel, activations by row".
func (c *Config) String() string {
	var names []string
	for _, g := range c.Groups {
		names = append(names, g.Scheme.Name)
	}
	return strings.Join(names, "; ")
}

func (c *Config) readCompressedTensors(f *fields.Object) {
	top := f.Text("format", "")
	if !f.Null("sparsity_config") {
		s := f.Section("sparsity_config", "")
		if format := s.Text("format", "dense"); format != "dense" {
			s.Fail("format", "is %q: sparse weights are not supported", format)
		}
	}
	if !f.Null("transform_config") && len(f.Section("transform_config", "").Names()) > 0 {
		f.Fail("transform_config", "is not supported: the checkpoint wants its activations transformed")
	}
	if !f.Null("kv_cache_scheme") {
		c.KVCache = readArgs(f.Section("kv_cache_scheme", "")).String()
	}
	groups := f.Section("config_groups", "")
	for _, name := range groups.Names() {
		if !groups.Begins(name, '{') {
			groups.Fail(name, "is no object with targets and weights: presets by name are not supported")
			return
		}
		g := groups.Section(name, "")
		format := top
		if !g.Null("format") {
			format = g.Text("format", "")
		}
		group, quantized := readGroup(g, format)
		if !quantized {
			continue // a scheme for the outputs, which are the KV cache
		}
		group.Name = name
		c.Groups = append(c.Groups, group)
		for _, t := range g.Strings("targets") {
			c.targets.add(g, "targets", t, len(c.Groups)-1)
		}
	}
	for _, name := range f.Strings("ignore") {
		c.ignore.add(f, "ignore", name, 0)
	}
	if f.Err() == nil { // else a group may be impossible
		c.readExtras(f)
	}
	c.targets.sort()
}

// readExtras reads what this project writes and compressed-tensors has no words for: a
// bound for activations, and the length of groups whose scales are stored more than
// once, since the last group of a row is shorter.
func (c *Config) readExtras(f *fields.Object) {
	limit := float32(f.Within("activation_limit", 0, 0, math.MaxFloat32))
	loaded := int64(f.Integer("loaded_group_size", 0))
	for i := range c.Groups {
		g := &c.Groups[i]
		if a := g.Scheme.Activations; a == RowActivations || a == GroupActivations {
			g.Scheme.Limit = limit
		}
		if loaded == 0 || g.Storage.Scales != PerGroup {
			continue
		}
		if loaded < 0 || loaded%g.Scheme.Group != 0 || g.Scheme.Offset || g.Scheme.Activations != PlainActivations {
			f.Fail("loaded_group_size", "is %d, want a multiple of the groups' %d, without zero points", loaded, g.Scheme.Group)
			return
		}
		g.Storage.Repeat = loaded / g.Scheme.Group
		g.Scheme.Group = loaded
	}
}

// readModelOpt reads what NVIDIA's ModelOpt writes, of which FP8 with a scale a tensor
// is read.
func (c *Config) readModelOpt(f *fields.Object) {
	algorithm := f.Text("quant_algo", "")
	if !strings.EqualFold(algorithm, "FP8") {
		f.Fail("quant_algo", "is %q, want \"FP8\": other schemes of ModelOpt are not supported", algorithm)
		return
	}
	if !f.Null("kv_cache_quant_algo") {
		c.KVCache = f.Text("kv_cache_quant_algo", "")
	}
	c.Groups = []Group{{
		Name: "FP8",
		Scheme: Scheme{
			Name: "fp8 by tensor, static activations", Format: Format{Type: F8, Scale: F32}, Activations: TensorActivations,
		},
	}}
	c.targets.add(f, "", linearClass, 0)
	for _, field := range []string{"exclude_modules", "ignore"} {
		for _, name := range f.Strings(field) {
			c.ignore.addGlob(f, field, name)
		}
	}
}

// args is QuantizationArgs of compressed-tensors.
type args struct {
	bits      int
	float     bool
	symmetric bool
	strategy  string
	group     int64
	blockRows int64
	dynamic   bool
}

func (a args) String() string {
	kind := "int"
	if a.float {
		kind = "float"
	}
	return fmt.Sprintf("%s, %d bits, %s", kind, a.bits, a.strategy)
}

func readArgs(f *fields.Object) args {
	a := args{
		bits: f.Integer("num_bits", 8), symmetric: f.Boolean("symmetric", true), strategy: strings.ToLower(f.TextOrNull("strategy")),
		group: int64(f.IntegerOr("group_size", 0, 0)),
	}
	switch kind := strings.ToLower(f.Text("type", "int")); kind {
	case "float":
		a.float = true
	case "int":
	default:
		f.Fail("type", "is %q, want \"int\" or \"float\"", kind)
	}
	if !f.Null("dynamic") && !f.Begins("dynamic", '"') { // "local" is of four-bit floats
		a.dynamic = f.Boolean("dynamic", false)
	}
	if a.strategy == "" {
		a.strategy = [...]string{"channel", "tensor", "group"}[1+sign(a.group)]
	}
	if block := f.Integers("block_structure"); block != nil {
		if len(block) != 2 || min(block[0], block[1]) <= 0 {
			f.Wrong("block_structure", "two positive numbers")
			return a
		}
		a.blockRows, a.group = int64(block[0]), int64(block[1])
	}
	if a.strategy == "group" && a.group <= 0 {
		f.Fail("group_size", "is %d, want a positive number", a.group)
	}
	if a.strategy == "block" && a.blockRows == 0 {
		f.Fail("block_structure", "is missing")
	}
	return a
}

func sign(n int64) int { return int(min(1, max(-1, n))) }

// formats are the formats of compressed-tensors that are read, and whether they pack
// values into words.
var formats = map[string]bool{
	"pack-quantized": true, "int-quantized": false, "float-quantized": false, "naive-quantized": false,
}

// readGroup reads one of config_groups. It reports whether weights are quantized.
func readGroup(f *fields.Object, format string) (g Group, quantized bool) {
	if f.Null("weights") {
		if !f.Null("input_activations") {
			f.Fail("weights", "is missing: activations alone are not quantized")
		}
		return g, false
	}
	packed, known := formats[format]
	if !known {
		f.Fail("format", "is %q: want pack-quantized, float-quantized, int-quantized or naive-quantized", format)
		return g, false
	}
	w := readArgs(f.Section("weights", ""))
	g.Storage.Packed = packed
	g.Scheme.Format = weightFormat(f, w, packed)
	g.Storage.Scales, g.Storage.BlockRows = readStrategy(f, w), w.blockRows
	if !f.Null("output_activations") {
		f.Fail("output_activations", "are not supported")
	}
	checkActorder(f)
	g.Scheme.Name = describe(w)
	if !f.Null("input_activations") {
		readInputs(f, &g, w)
	}
	return g, true
}

// weightFormat returns the format for weights, but for the type of their scales.
func weightFormat(f *fields.Object, w args, packed bool) Format {
	format := Format{Scale: F32, Offset: !w.symmetric}
	if w.strategy == "group" || w.strategy == "block" {
		format.Group = w.group
	}
	switch {
	case w.float && w.bits == 8 && !packed && w.symmetric:
		format.Type = F8
	case !w.float && w.bits == 8:
		format.Type = I8
	case !w.float && w.bits == 4 && packed:
		format.Type = I4
	default:
		f.Fail("weights", "are %v: want float of 8 bits, symmetric, or int of 8 or 4 bits", w)
	}
	return format
}

func readStrategy(f *fields.Object, w args) Strategy {
	s, known := map[string]Strategy{"tensor": PerTensor, "channel": PerChannel, "group": PerGroup, "block": PerBlock}[w.strategy]
	if !known || s == PerBlock && !w.float {
		f.Fail("weights", "are %v: that strategy is not supported", w)
	}
	return s
}

// checkActorder refuses columns in another order than the input's.
func checkActorder(f *fields.Object) {
	w := f.Section("weights", "")
	if w.Null("actorder") || !w.Begins("actorder", '"') && !w.Boolean("actorder", false) {
		return
	}
	order := "true"
	if w.Begins("actorder", '"') {
		order = w.Text("actorder", "")
	}
	if order != "weight" && order != "static" {
		w.Fail("actorder", "is %q: groups that are not in the order of the columns are not supported", order)
	}
}

// readInputs reads how activations are quantized.
func readInputs(f *fields.Object, g *Group, w args) {
	in := readArgs(f.Section("input_activations", ""))
	if g.Scheme.Type != F8 || !in.float || in.bits != 8 || !in.symmetric {
		f.Fail("input_activations", "are %v with weights that are %v: want none, or float of 8 bits with weights of the same",
			in, w)
		return
	}
	switch {
	case in.strategy == "token" && in.dynamic:
		g.Scheme.Activations = RowActivations
		g.Scheme.Name += ", activations by row"
	case in.strategy == "group" && in.dynamic && in.group == w.group:
		g.Scheme.Activations = GroupActivations
		g.Scheme.Name += ", activations by group"
	case in.strategy == "tensor" && !in.dynamic:
		g.Scheme.Activations = TensorActivations
		g.Scheme.Name += ", static activations"
	default:
		f.Fail("input_activations", "are %v, dynamic %v: want token or group if dynamic, tensor if not, and groups as long as the weights'",
			in, in.dynamic)
	}
}

// describe names the weights' scheme for people.
func describe(w args) string {
	name := fmt.Sprintf("int%d", w.bits)
	if w.float {
		name = fmt.Sprintf("fp%d", w.bits)
	}
	switch w.strategy {
	case "group":
		name += fmt.Sprintf(" in groups of %d", w.group)
	case "block":
		name += fmt.Sprintf(" in blocks of %dx%d", w.blockRows, w.group)
	default:
		name += " by " + w.strategy
	}
	if !w.symmetric {
		name += ", with zero points"
	}
	return name
}
