package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/llama4go/llama4go/llama4/quant"
)

// Unpack returns the tensor's rows in a format: its type's own, one that [Join] made
// of it and others, or BF16, to which weights are rounded.
func (t *Tensor) Unpack(f quant.Format) (quant.Source, error) {
	b, ok := blocks[t.Type]
	if !ok || f.Quantized() && Join(t.Type.Format(), f) != f {
		return nil, fmt.Errorf("tensor %s: %v does not fit the format %+v", t.Name, t.Type, f)
	}
	return &source{tensor: t, block: &b, format: f}, nil
}

// source is a quant.Source, Mapped and Backed.
type source struct {
	tensor *Tensor
	block  *block
	format quant.Format
}

func (s *source) rowBytes() int64 {
	return s.tensor.Columns() / int64(s.block.values) * int64(s.block.bytes)
}

// row returns the bytes of a row.
func (s *source) row(i int64) []byte {
	size := s.rowBytes()
	return s.tensor.Data[i*size : (i+1)*size]
}

// Mapped returns the data of BF16 tensors, unless a file's odd alignment forbids it.
func (s *source) Mapped() []byte {
	address := uintptr(unsafe.Pointer(unsafe.SliceData(s.tensor.Data)))
	if s.tensor.Type != BF16 || s.format.Quantized() || address%2 != 0 {
		return nil
	}
	return s.tensor.Data
}

// Backing returns the blocks of rows.
func (s *source) Backing(first, n int64) [][]byte {
	size := s.rowBytes()
	return [][]byte{s.tensor.Data[first*size : (first+n)*size]}
}

// Values writes the values of rows.
func (s *source) Values(to []byte, first, n int64) {
	if n == 0 {
		return
	}
	size := int64(len(to)) / n
	r := newRow(s.block, s.tensor)
	for i := range n {
		src, dst := s.row(first+i), to[i*size:(i+1)*size]
		if !s.format.Quantized() {
			r.numbers(src)
			putBF16(dst, r.w)
			continue
		}
		r.unpack(src)
		switch {
		case s.format.Type == quant.I8:
			copy(dst, r.q)
		case s.block.unsigned:
			pack4(dst, r.q, 0) // as they are, which stands for q - 8
		default:
			pack4(dst, r.q, 8*ones)
		}
	}
}

// Scales writes the scales and offsets of rows.
func (s *source) Scales(scales, offsets []byte, first, n int64) {
	groups, size := s.format.Groups(s.tensor.Columns()), s.format.Scale.RowBytes(1)
	r := newRow(s.block, s.tensor)
	biased := s.format.Type == quant.I4 && s.block.unsigned
	for i := range n {
		r.scales(s.row(first + i))
		for g := range groups {
			from := g * s.format.Group / int64(s.block.group)
			quant.PutFloat(scales[(i*groups+g)*size:], s.format.Scale, r.scale[from])
			if !s.format.Offset {
				continue
			}
			offset := r.offset[from]
			if biased {
				offset += 8 * r.scale[from]
			}
			quant.PutFloat(offsets[(i*groups+g)*size:], s.format.Scale, offset)
		}
	}
}

// Convert returns all elements as plain numbers: F32, which is exact, or BF16,
// rounded. It works in parallel.
func (t *Tensor) Convert(to quant.Type) ([]byte, error) {
	b, ok := blocks[t.Type]
	if !ok || to != quant.F32 && to != quant.BF16 {
		return nil, fmt.Errorf("tensor %s: %v cannot become %v", t.Name, t.Type, to)
	}
	s := &source{tensor: t, block: &b}
	if m := s.Mapped(); m != nil && to == quant.BF16 {
		return m, nil
	}
	size := to.RowBytes(t.Columns())
	out := make([]byte, t.Rows()*size)
	parallel(t.Rows(), t.Columns(), func(first, end int64) {
		if to == quant.BF16 {
			s.Values(out[first*size:end*size], first, end-first)
			return
		}
		r := newRow(s.block, t)
		for i := first; i < end; i++ {
			r.numbers(s.row(i))
			putF32(out[i*size:], r.w)
		}
	})
	return out, nil
}

// parallel shares out rows.
func parallel(rows, columns int64, f func(first, end int64)) {
	const values = 1 << 17 // of one piece, well under a millisecond's work
	piece := max(1, values/max(columns, 1))
	workers := min(int64(runtime.GOMAXPROCS(0)), (rows+piece-1)/piece)
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for {
				first := next.Add(piece) - piece
				if first >= rows {
					return
				}
				f(first, min(first+piece, rows))
			}
		})
	}
	group.Wait()
}

// row is a row that is taken apart.
type row struct {
	block         *block
	typ           Type
	q             []byte // int8
	scale, offset []float32
	w             []float32
}

func newRow(b *block, t *Tensor) *row {
	r := &row{block: b, typ: t.Type, w: make([]float32, t.Columns())}
	if !b.quantized() {
		return r
	}
	r.q = make([]byte, t.Columns())
	r.scale = make([]float32, t.Columns()/int64(b.group))
	r.offset = make([]float32, len(r.scale))
	if !b.offset {
		for g := range r.offset {
			r.offset[g] = float32(math.Copysign(0, -1)) // which changes no sum, not even -0
		}
	}
	return r
}

func (r *row) unpack(src []byte) {
	b := r.block
	for i := range len(r.q) / b.values {
		b.unpack(src[i*b.bytes:(i+1)*b.bytes], r.q[i*b.values:(i+1)*b.values])
	}
}

func (r *row) scales(src []byte) {
	b := r.block
	groups := b.values / b.group
	for i := range len(r.scale) / groups {
		g := i * groups
		b.scales(src[i*b.bytes:(i+1)*b.bytes], r.scale[g:g+groups], r.offset[g:g+groups])
	}
}

// numbers fills w.
func (r *row) numbers(src []byte) {
	switch r.typ {
	case F32:
		for i := range r.w {
			r.w[i] = quant.Float(quant.F32, src[4*i:])
		}
	case F16:
		for i := range r.w {
			r.w[i] = quant.Float(quant.F16, src[2*i:])
		}
	case BF16:
		for i := range r.w {
			r.w[i] = quant.Float(quant.BF16, src[2*i:])
		}
	default:
		r.unpack(src)
		r.scales(src)
		for i := range r.w { // the product is exact, so it does not matter if it is fused
			g := i / r.block.group
			r.w[i] = r.scale[g]*float32(int8(r.q[i])) + r.offset[g]
		}
	}
}

func putF32(dst []byte, w []float32) {
	for i, v := range w {
		quant.PutFloat(dst[4*i:], quant.F32, v)
	}
}

// putBF16 rounds to nearest, ties to even; a NaN stays one.
func putBF16(dst []byte, w []float32) {
	for i, v := range w {
		binary.LittleEndian.PutUint16(dst[2*i:], quant.BF16Bits(v))
	}
}

// pack4 stores the low halves of q, with the bits of flip turned over: 8 adds 8 to a
// number of 4 bits.
func pack4(dst, q []byte, flip uint64) {
	for i := 0; i+8 <= len(q); i += 8 {
		w := (word(q[i:]) ^ flip) & (15 * ones)
		w = (w | w>>4) & 0x00ff00ff00ff00ff
		w = (w | w>>8) & 0x0000ffff0000ffff
		binary.LittleEndian.PutUint32(dst[i/2:], uint32(w|w>>16))
	}
}
