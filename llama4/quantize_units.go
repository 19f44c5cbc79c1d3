package llama4

import (
	"encoding/binary"
	"strings"

	"github.com/llama4go/llama4go/llama4/internal/shards"
	"github.com/llama4go/llama4go/llama4/quant"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

// units are the tensors of the new checkpoint: those of no linear layer as they are,
// then the linear layers, of stacks an expert at a time.
func (q *quantizer) units() []shards.Unit {
	var units []shards.Unit
	for _, t := range q.weights.stored {
		if !t.linear {
			units = append(units, q.copied(t.Tensor))
		}
	}
	for l := range q.weights.Linears() {
		if l.Bytes == 0 && !q.headApart() {
			continue // tied
		}
		matrices := int64(1)
		if len(l.Shape) == 3 {
			matrices = l.Shape[0]
		}
		for i := range matrices {
			units = append(units, q.matrix(l, i, matrices))
		}
	}
	return units
}

// headApart reports whether the head is tied to the embedding table in the source and
// a matrix of its own once it is quantized.
func (q *quantizer) headApart() bool {
	return q.config.TieEmbeddings && q.preset.Applies(PartHead, -1, q.config.Layers)
}

// pieceBytes is how much is copied or transposed at a time.
const pieceBytes = 8 << 20

// copied is a tensor as it is.
func (q *quantizer) copied(t safetensors.Tensor) shards.Unit {
	bare := t
	bare.Data = nil
	return shards.Unit{
		Tensors: []safetensors.Tensor{bare}, Cost: t.Bytes(),
		Make: func(put shards.Put) error {
			for at := 0; at < len(t.Data); at += pieceBytes {
				piece := t.Data[at:min(at+pieceBytes, len(t.Data))]
				if err := put(0, int64(at), piece); err != nil {
					return err
				}
				q.checkpoint.Unload(piece)
			}
			return nil
		},
	}
}

// matrix is a linear layer, or matrix i of a stack, as the module or modules that
// compressed-tensors makes of it.
func (q *quantizer) matrix(l *Linear, i, of int64) shards.Unit {
	m := &quantizedMatrix{quantizer: q, linear: l, index: i, scheme: q.scheme(l), n: l.Rows() / of, k: l.Columns()}
	modules := []string{l.Name}
	if len(l.Shape) == 3 {
		modules = l.modules()
		for j, name := range modules {
			modules[j] = l.expert(i, name)
		}
	}
	m.rows = m.n / int64(len(modules))
	u := shards.Unit{Cost: 2 * m.n * m.k, Make: m.write}
	for _, name := range modules {
		tensors := moduleTensors(&m.scheme, name, m.rows, m.k)
		m.each = len(tensors)
		u.Tensors = append(u.Tensors, tensors...)
	}
	return u
}

// modules are the modules of an expert whose rows a stack has.
func (l *Linear) modules() []string {
	if strings.HasSuffix(l.Name, ".gate_up_proj") {
		return []string{"gate_proj", "up_proj"}
	}
	return []string{"down_proj"}
}

// moduleTensors are the tensors of a module [n, k], the values first, then the scales,
// then the shape.
func moduleTensors(s *quant.Scheme, name string, n, k int64) []safetensors.Tensor {
	values := safetensors.Tensor{Name: name + ".weight", DType: safetensors.BF16, Shape: []int64{n, k}}
	if !s.Quantized() {
		return []safetensors.Tensor{values}
	}
	scales := safetensors.Tensor{Name: name + ".weight_scale", DType: safetensors.F32, Shape: []int64{n, storedGroups(s, k)}}
	if s.Scale == quant.BF16 {
		scales.DType = safetensors.BF16
	}
	if s.Type == quant.F8 {
		values.DType = safetensors.F8_E4M3
		return []safetensors.Tensor{values, scales}
	}
	values.Name, values.DType, values.Shape = name+".weight_packed", safetensors.I32, []int64{n, wordsOf(s, k)}
	shape := safetensors.Tensor{Name: name + ".weight_shape", DType: safetensors.I64, Shape: []int64{2}}
	return []safetensors.Tensor{values, scales, shape}
}

// storedGroup is the length of the groups that rows of k values are stored with, 0 for
// a scale a row. compressed-tensors knows no group that is shorter than others.
func storedGroup(s *quant.Scheme, k int64) int64 {
	if s.Group == 0 || k < s.Group {
		return 0
	}
	a, b := s.Group, k%s.Group
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// storedGroups is the number of groups of a row of k values.
func storedGroups(s *quant.Scheme, k int64) int64 {
	if group := storedGroup(s, k); group > 0 {
		return k / group
	}
	return 1
}

// wordsOf is the number of words that a packed row of k values takes.
func wordsOf(s *quant.Scheme, k int64) int64 { return (s.Type.RowBytes(k) + 3) / 4 }

// quantizedMatrix makes the tensors of a matrix [n, k].
type quantizedMatrix struct {
	*quantizer
	linear *Linear
	index  int64 // in a stack
	scheme quant.Scheme
	n, k   int64
	rows   int64 // of a module
	each   int   // tensors of a module
}

// write puts the tensors of all modules.
func (m *quantizedMatrix) write(put shards.Put) error {
	values, scales := m.scheme.RowBytes(m.k)
	stride := values
	if m.scheme.Type == quant.I4 {
		stride = 4 * wordsOf(&m.scheme, m.k)
	}
	err := m.make(func(first int64, v, s []byte) error {
		return m.split(first, int64(len(v))/values, func(module int, row, from, n int64) error {
			err := put(m.each*module, row*stride, padRows(v[from*values:(from+n)*values], values, stride))
			if err == nil && m.each > 1 {
				part := repeatScales(&m.scheme, s[from*scales:(from+n)*scales], m.k)
				err = put(m.each*module+1, row*int64(len(part))/n, part)
			}
			return err
		})
	})
	shape := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(m.rows)), uint64(m.k))
	for module := int64(0); err == nil && m.each > 2 && module < m.n/m.rows; module++ {
		err = put(m.each*int(module)+2, 0, shape)
	}
	return err
}

// split calls visit for every module that rows first to first+n-1 belong to, with the
// module's row, and which of the rows are its.
func (m *quantizedMatrix) split(first, n int64, visit func(module int, row, from, n int64) error) error {
	for at := int64(0); at < n; {
		module, row := (first+at)/m.rows, (first+at)%m.rows
		part := min(n-at, m.rows-row)
		if err := visit(int(module), row, at, part); err != nil {
			return err
		}
		at += part
	}
	return nil
}

// repeatScales makes the scales of rows of k values those of the groups that they are
// stored with.
func repeatScales(s *quant.Scheme, scales []byte, k int64) []byte {
	groups, stored, size := s.Groups(k), storedGroups(s, k), s.Scale.RowBytes(1)
	if stored == groups {
		return scales
	}
	var out []byte
	for ; len(scales) > 0; scales = scales[groups*size:] {
		for i := range stored {
			at := i * storedGroup(s, k) / s.Group * size
			out = append(out, scales[at:at+size]...)
		}
	}
	return out
}

// padRows pads rows to a stride.
func padRows(rows []byte, row, stride int64) []byte {
	if row == stride {
		return rows
	}
	n := int64(len(rows)) / row
	out := make([]byte, n*stride)
	for i := range n {
		copy(out[i*stride:], rows[i*row:(i+1)*row])
	}
	return out
}
