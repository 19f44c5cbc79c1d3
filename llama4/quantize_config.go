package llama4

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/llama4go/llama4go/llama4/quant"
)

// quantConfig is quantization_config as compressed-tensors has it, and two fields more.
type quantConfig struct {
	Method  string                `json:"quant_method"`
	Format  string                `json:"format"`
	Status  string                `json:"quantization_status"`
	Groups  map[string]quantGroup `json:"config_groups"`
	Ignore  []string              `json:"ignore"`
	KVCache *quantArgs            `json:"kv_cache_scheme"`
	// ActivationLimit bounds the largest |x| that the scale of a row of activations is
	// made of.
	ActivationLimit float32 `json:"activation_limit,omitempty"`
	// LoadedGroup is the length of groups that were stored shorter, with their scales
	// repeated.
	LoadedGroup int64 `json:"loaded_group_size,omitempty"`
}

type quantGroup struct {
	Targets []string   `json:"targets"`
	Weights *quantArgs `json:"weights"`
	Inputs  *quantArgs `json:"input_activations"`
	Outputs *quantArgs `json:"output_activations"`
}

type quantArgs struct {
	Bits      int    `json:"num_bits"`
	Type      string `json:"type"`
	Symmetric bool   `json:"symmetric"`
	Strategy  string `json:"strategy"`
	GroupSize *int64 `json:"group_size"`
	Dynamic   bool   `json:"dynamic"`
}

// newConfig returns config.json with a quantization_config.
func (q *quantizer) newConfig() ([]byte, error) {
	top := map[string]json.RawMessage{}
	if err := json.Unmarshal(q.raw, &top); err != nil {
		return nil, err
	}
	if q.headApart() {
		if err := untie(top); err != nil {
			return nil, err
		}
	}
	var err error
	if top["quantization_config"], err = json.Marshal(q.quantConfig()); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err = e.Encode(top)
	return out.Bytes(), err
}

// untie says that the head is a matrix of its own.
func untie(top map[string]json.RawMessage) error {
	const field, section = "tie_word_embeddings", "text_config"
	top[field] = json.RawMessage("false")
	if top[section] == nil {
		return nil
	}
	text := map[string]json.RawMessage{}
	if err := json.Unmarshal(top[section], &text); err != nil {
		return err
	}
	text[field] = json.RawMessage("false")
	var err error
	top[section], err = json.Marshal(text)
	return err
}

func (q *quantizer) quantConfig() *quantConfig {
	s := &q.preset.Scheme
	c := &quantConfig{
		Method: "compressed-tensors", Format: "pack-quantized", Status: "compressed", ActivationLimit: s.Limit,
		Groups: map[string]quantGroup{}, Ignore: q.ignored(),
	}
	weights := quantArgs{Bits: 4, Type: "int", Symmetric: true}
	var inputs *quantArgs
	if s.Type == quant.F8 {
		c.Format = "float-quantized"
		weights.Bits, weights.Type = 8, "float"
		inputs = &quantArgs{Bits: 8, Type: "float", Symmetric: true, Strategy: "token", Dynamic: true}
	}
	targets := q.targets()
	for _, group := range slices.Backward(slices.Sorted(maps.Keys(targets))) {
		w := weights
		g := quantGroup{Targets: targets[group], Weights: &w, Inputs: inputs}
		if len(targets) == 1 {
			g.Targets = []string{"Linear"} // those that are not ignored
		}
		w.Strategy = "channel"
		if group > 0 {
			w.Strategy, w.GroupSize = "group", &group
		}
		if group > 0 && group != s.Group {
			c.LoadedGroup = s.Group
		}
		c.Groups[fmt.Sprintf("group_%d", len(c.Groups))] = g
	}
	return c
}

// targets are patterns for the layers that are quantized, by the length of their stored
// groups.
func (q *quantizer) targets() map[int64][]string {
	targets := map[int64][]string{}
	for l := range q.weights.Linears() {
		s := q.scheme(l)
		if !s.Quantized() {
			continue
		}
		group := storedGroup(&s, l.Columns())
		for _, tail := range l.tails() {
			if p := "re:.*" + tail + "$"; !slices.Contains(targets[group], p) {
				targets[group] = append(targets[group], p)
			}
		}
	}
	return targets
}

// tails are patterns for the end of the names of the layer's modules, whatever its
// number.
func (l *Linear) tails() []string {
	tail := regexp.QuoteMeta(l.tail())
	if len(l.Shape) == 2 {
		return []string{tail}
	}
	var tails []string
	for _, module := range l.modules() {
		tails = append(tails, tail[:strings.LastIndexByte(tail, '.')]+`.\d+\.`+module)
	}
	return tails
}

// tail is the end of the layer's name, after its number.
func (l *Linear) tail() string {
	if l.Layer < 0 {
		return l.Name[strings.LastIndexByte(l.Name, '.')+1:]
	}
	_, tail, _ := strings.Cut(l.Name, fmt.Sprintf(".%d.", l.Layer))
	return "." + tail
}

// ignored are patterns for the linear layers that are not quantized: kinds of them, or,
// of kinds that are quantized in other layers, those of a layer. The router and the
// vision tower have linear layers too.
func (q *quantizer) ignored() []string {
	some := map[string]bool{} // kinds of which some are quantized
	for l := range q.weights.Linears() {
		if s := q.scheme(l); s.Quantized() {
			some[l.kind()] = true
		}
	}
	ignored := []string{`re:.*\.feed_forward\.router`}
	for l := range q.weights.Linears() {
		if s := q.scheme(l); s.Quantized() {
			continue
		}
		p := "re:.*" + l.kind()
		if some[l.kind()] {
			p = fmt.Sprintf(`re:.*\.layers\.%d%s`, l.Layer, l.kind())
		}
		if !slices.Contains(ignored, p) {
			ignored = append(ignored, p)
		}
	}
	if q.config.Multimodal {
		ignored = append(ignored, `re:vision_model\.`, `re:multi_modal_projector\.`)
	}
	return ignored
}

// kind is a pattern for layers like this one, whatever their number. Routed experts
// are of one kind, and so is the module that holds them.
func (l *Linear) kind() string {
	if len(l.Shape) == 3 {
		return `\.feed_forward\.experts`
	}
	return regexp.QuoteMeta(l.tail()) + "$"
}
