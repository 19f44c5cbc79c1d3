package llama4

import (
	"encoding/binary"
	"slices"

	"github.com/llama4go/llama4go/llama4/quant"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

// module binds the tensors of a linear module [n, k]: its weight in BF16, or what
// quantization_config says. It returns nil for what is faulty.
func (b *binder) module(name string, n, k int64) *matrix {
	m := &matrix{}
	if t, ok := b.Lookup(name + ".weight"); ok && t.DType == safetensors.BF16 {
		if t, ok = b.tensor(m, t.Name, []safetensors.DType{safetensors.BF16}, []int64{n, k}); !ok {
			return nil
		}
		if t.Data != nil {
			m.source = &quant.Stored{K: k, Data: t.Data, Stride: 2 * k}
		}
		return m
	}
	group := b.config.Quantization.Find(name)
	if group == nil {
		suffix := ".weight"
		if b.packed(name) {
			suffix += "_packed"
		}
		b.tensor(m, name+suffix, []safetensors.DType{safetensors.BF16}, []int64{n, k})
		return nil
	}
	faults := len(b.faults)
	m.scheme = group.Scheme
	source := &quant.Stored{K: k}
	b.values(m, group, source, name, n)
	b.scales(m, group, source, name, n)
	b.zeros(m, group, source, name, n)
	b.order(m, group, name, k)
	if group.Scheme.Activations == quant.TensorActivations {
		m.scheme.Limit = b.limit(m, name+".input_scale")
		b.zeroPoint(m, name+".input_zero_point")
	}
	if len(b.faults) > faults {
		return nil
	}
	source.Format = m.scheme.Format
	if source.Data != nil {
		m.source = source
	}
	return m
}

// values binds the values.
func (b *binder) values(m *matrix, group *quant.Group, to *quant.Stored, name string, n int64) {
	format := group.Scheme.Format
	if !group.Storage.Packed {
		dtype := safetensors.F8_E4M3
		if format.Type == quant.I8 {
			dtype = safetensors.I8
		}
		t, _ := b.tensor(m, name+".weight", []safetensors.DType{dtype}, []int64{n, to.K})
		to.Data, to.Stride = t.Data, to.K
		return
	}
	columns := (format.Type.RowBytes(to.K) + 3) / 4
	t, _ := b.tensor(m, name+".weight_packed", words, []int64{n, columns})
	to.Data, to.Stride, to.Unsigned = t.Data, 4*columns, format.Type == quant.I8
	if shape, ok := b.tensor(m, name+".weight_shape", integers, []int64{2}); ok && shape.Data != nil {
		if got := shape.Float32s(nil); got[0] != float32(n) || got[1] != float32(to.K) {
			b.fault("%s.weight_shape is %v, want [%d %d]", name, got, n, to.K)
		}
	}
}

// scales binds the scales, whose type is that of the format unless there are zero
// points.
func (b *binder) scales(m *matrix, group *quant.Group, to *quant.Stored, name string, n int64) {
	s, groups := &to.Scale, group.Scheme.Groups(to.K)
	if r := group.Storage.Repeat; r > 0 {
		stored := group.Scheme.Group / r
		s.Repeat, groups = r, (to.K+stored-1)/stored
	}
	shapes := [][]int64{{n, groups}}
	s.Rows, s.Columns = 1, groups
	switch group.Storage.Scales {
	case quant.PerTensor:
		shapes = [][]int64{nil, {1}, {1, 1}}
		s.Rows = n
	case quant.PerChannel:
		shapes = append(shapes, []int64{n})
	case quant.PerBlock:
		s.Rows = group.Storage.BlockRows
		shapes = [][]int64{{(n + s.Rows - 1) / s.Rows, groups}}
	}
	t, ok := b.tensor(m, name+".weight_scale", floats, shapes...)
	if !ok {
		return
	}
	s.Data, s.Type = t.Data, scaleTypes[t.DType]
	if !s.Repeated() {
		b.fault("%s has groups of several scales, but %d of them are to be the same", t.Name, s.Repeat)
	}
	if !group.Scheme.Offset {
		m.scheme.Scale = s.Type
	}
}

// zeros binds the zero points. Symmetric schemes may have them too, all of them 0.
func (b *binder) zeros(m *matrix, group *quant.Group, to *quant.Stored, name string, n int64) {
	name += ".weight_zero_point"
	z, groups := &to.Zero, group.Scheme.Groups(to.K)
	z.Columns = groups
	switch {
	case !group.Scheme.Offset:
		b.zeroPoint(m, name)
		return
	case group.Storage.Packed && group.Storage.Scales != quant.PerTensor:
		z.Bits = 8
		if group.Scheme.Type == quant.I4 {
			z.Bits = 4
		}
		t, _ := b.tensor(m, name, words, []int64{(n*z.Bits + 31) / 32, groups})
		z.Data = t.Data
		return
	case group.Storage.Scales == quant.PerTensor:
		b.fault("%s: zero points of whole tensors are not supported", name)
		return
	}
	t, _ := b.tensor(m, name, []safetensors.DType{safetensors.I8}, []int64{n, groups})
	z.Data = t.Data
}

// zeroPoint accepts zero points that a scheme does not have if all of them are 0.
func (b *binder) zeroPoint(m *matrix, name string) {
	t, ok := b.Lookup(name)
	if !ok {
		return
	}
	b.used[name] = true
	m.tensors = append(m.tensors, t)
	if slices.ContainsFunc(t.Float32s(nil), func(v float32) bool { return v != 0 }) {
		b.fault("%s is not 0, but the scheme is symmetric", name)
	}
}

// order accepts the groups of columns if they are in the order of the columns.
func (b *binder) order(m *matrix, group *quant.Group, name string, k int64) {
	name += ".weight_g_idx"
	if _, ok := b.Lookup(name); !ok {
		return
	}
	t, ok := b.tensor(m, name, words, []int64{k})
	if !ok {
		return
	}
	for i := range int64(len(t.Data) / 4) {
		at := int32(binary.LittleEndian.Uint32(t.Data[4*i:]))
		if at != -1 && int64(at) != i/group.Scheme.GroupOf(k) {
			b.fault("%s puts column %d in group %d: groups that are not in the order of the columns are not supported", name, i, at)
			return
		}
	}
}
