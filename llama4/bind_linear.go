package llama4

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/llama4go/llama4go/llama4/quant"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

// linear binds a linear layer: one BF16 tensor, or what quantization_config says its
// modules are stored in. Experts may be modules of their own each.
func (b *binder) linear(spec *TensorSpec) {
	l := spec.linear
	plain, ok := b.Lookup(spec.Name)
	var m *matrix
	switch {
	case ok && (plain.DType == safetensors.BF16 || b.config.Quantization == nil):
		if plain, ok = b.want(spec); ok {
			m, l.Plain = &matrix{tensors: []safetensors.Tensor{plain}}, plain
		}
	case ok && spec.each != nil:
		m = b.fusedExperts(spec, plain)
	case spec.each != nil && b.oneByOne(l, spec.each[0]):
		m = b.experts(spec)
	case spec.each == nil && (ok || b.packed(l.Name)):
		m = b.module(l.Name, l.Shape[0], l.Shape[1])
	default:
		b.want(spec) // it is missing
	}
	if m == nil {
		return
	}
	l.Scheme, l.Source = m.scheme, m.source
	for _, t := range m.tensors {
		l.Bytes += t.Bytes()
	}
	b.store(spec, m.tensors...)
}

// matrix is a module's weights, or a stack's.
type matrix struct {
	scheme  quant.Scheme
	source  quant.Source // nil if only headers were read
	tensors []safetensors.Tensor
}

func (b *binder) packed(module string) bool {
	_, ok := b.Lookup(module + ".weight_packed")
	return ok
}

// expert returns the name of a module of an expert.
func (l *Linear) expert(i int64, module string) string {
	return fmt.Sprintf("%s.%d.%s", l.Name[:strings.LastIndexByte(l.Name, '.')], i, module)
}

// oneByOne reports whether the experts of a stack are modules of their own.
func (b *binder) oneByOne(l *Linear, module string) bool {
	name := l.expert(0, module)
	_, ok := b.Lookup(name + ".weight")
	return ok || b.packed(name)
}

// mostFaults is when to stop looking for experts: a config.json may call for millions
// that are not there.
const mostFaults = 1000

// experts binds a stack whose experts are modules of their own.
func (b *binder) experts(spec *TensorSpec) *matrix {
	l, stack := spec.linear, &matrix{}
	rows := l.Shape[1] / int64(len(spec.each))
	var pieces quant.Concat
	first := ""
	for i := range l.Shape[0] {
		for _, each := range spec.each {
			name := l.expert(i, each)
			m := b.module(name, rows, l.Columns())
			if m == nil && len(b.faults) > mostFaults {
				return nil
			}
			if m == nil {
				continue
			}
			stack.tensors = append(stack.tensors, m.tensors...)
			pieces = append(pieces, quant.Piece{Source: m.source, Rows: rows})
			if first == "" {
				first, stack.scheme = name, m.scheme
				continue
			}
			// Experts that were calibrated one by one have scales of their own for their
			// input. The stack takes the largest, which none of them exceeds.
			limit := max(stack.scheme.Limit, m.scheme.Limit)
			stack.scheme.Limit = m.scheme.Limit
			if stack.scheme != m.scheme {
				b.fault("%s is quantized otherwise than %s: experts of a layer must be alike", name, first)
			}
			stack.scheme.Limit = limit
		}
	}
	if len(pieces) == 0 {
		return nil
	}
	if pieces[0].Source != nil {
		stack.source = pieces
	}
	return stack
}

// fusedExperts binds a stack of 8-bit floats [E, K, N] with a scale a tensor, an
// expert or a column, as ModelOpt stores it.
func (b *binder) fusedExperts(spec *TensorSpec, t safetensors.Tensor) *matrix {
	l := spec.linear
	group := b.config.Quantization.Find(l.Name)
	if group == nil || group.Scheme.Type != quant.F8 || t.DType != safetensors.F8_E4M3 || !slices.Equal(t.Shape, spec.Shape) {
		b.want(spec)
		return nil
	}
	experts, rows := l.Shape[0], l.Shape[1]
	b.used[spec.Name] = true
	m := &matrix{scheme: group.Scheme, tensors: []safetensors.Tensor{t}}
	name := spec.Name + "_weight_scale"
	if _, ok := b.Lookup(name); !ok {
		name = spec.Name + "_scale"
	}
	scale, ok := b.tensor(m, name, floats, nil, []int64{1}, []int64{experts}, []int64{experts, 1}, []int64{experts, 1, 1},
		[]int64{experts, 1, rows}, []int64{experts, rows, 1})
	if group.Scheme.Activations == quant.TensorActivations {
		m.scheme.Limit = b.limit(m, spec.Name+"_input_scale", []int64{experts}, []int64{experts, 1}, []int64{experts, 1, 1})
	}
	if !ok {
		return nil
	}
	m.scheme.Format = quant.Format{Type: quant.F8, Scale: scaleTypes[scale.DType]}
	if t.Data != nil {
		m.source = &quant.Stored{
			Format: m.scheme.Format, K: l.Columns(), Data: t.Data, Transposed: rows,
			Scale: quant.Scales{
				Data: scale.Data, Type: scaleTypes[scale.DType], Rows: experts * rows / scale.Elements(), Columns: 1,
			},
		}
	}
	return m
}

// The types of tensors beside the values.
var (
	floats     = []safetensors.DType{safetensors.F32, safetensors.BF16, safetensors.F16}
	integers   = []safetensors.DType{safetensors.I64, safetensors.I32}
	words      = []safetensors.DType{safetensors.I32}
	scaleTypes = map[safetensors.DType]quant.Type{
		safetensors.F32: quant.F32, safetensors.BF16: quant.BF16, safetensors.F16: quant.F16,
	}
)

// tensor looks for a tensor of a matrix, of one of the types and shapes.
func (b *binder) tensor(m *matrix, name string, dtypes []safetensors.DType, shapes ...[]int64) (safetensors.Tensor, bool) {
	b.used[name] = true
	t, ok := b.Lookup(name)
	fits := slices.ContainsFunc(shapes, func(s []int64) bool { return slices.Equal(s, t.Shape) })
	if ok && fits && slices.Contains(dtypes, t.DType) {
		m.tensors = append(m.tensors, t)
		return t, true
	}
	var types, want []string
	for _, d := range dtypes {
		types = append(types, d.String())
	}
	for _, s := range shapes {
		want = append(want, fmt.Sprint(s))
	}
	have := "missing"
	if ok {
		have = fmt.Sprintf("%v %v", t.DType, t.Shape)
	}
	b.fault("%s is %s, want %s %s", name, have, strings.Join(types, " or "), strings.Join(want, " or "))
	return t, false
}

// limit reads the scale of static activations, the largest if there are several.
func (b *binder) limit(m *matrix, name string, shapes ...[]int64) float32 {
	t, ok := b.tensor(m, name, floats, append([][]int64{nil, {1}}, shapes...)...)
	if !ok || t.Data == nil {
		return 1
	}
	limit := slices.Max(t.Float32s(nil))
	if !(limit > 0 && limit <= math.MaxFloat32) {
		b.fault("%s is %v, want a positive number", name, limit)
	}
	return limit
}

// ofCache reports whether a tensor of a quantized checkpoint is a scale for queries,
// keys or values in the cache, which has scales of its own here.
func (b *binder) ofCache(name string) bool {
	if b.config.Quantization == nil {
		return false
	}
	_, tail, ok := strings.Cut(name, ".self_attn.")
	if module, field, inner := strings.Cut(tail, "."); inner {
		tail = field
		ok = ok && slices.Contains([]string{"q_proj", "k_proj", "v_proj", "attn"}, module)
	}
	kind := strings.TrimSuffix(strings.TrimSuffix(tail, "_scale"), "_zero_point")
	return ok && kind != tail && slices.Contains([]string{"q", "k", "v", "output"}, kind)
}
