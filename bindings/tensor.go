//go:build cgo

package bindings

import (
	"fmt"
	"math"
	"slices"
)

// MaxRank is the largest number of dimensions of a Tensor.
const MaxRank = 4

// Tensor is a view of a buffer: shape[0] x ... x shape[rank-1] elements, dense
// and row-major, from a byte offset. It is a value; it keeps its buffer from
// being collected, not from being closed. The zero Tensor is absent.
//
// Whether a tensor lies within its buffer is checked by the operation it is
// handed to, before anything runs.
type Tensor struct {
	Buffer *Buffer
	Offset int64 // bytes
	DType  DType

	rank  int32
	shape [MaxRank]int64
	bad   *shapeError // a pointer to what it is, so that passing tensors allocates nothing
}

// shapeError is what is wrong with how a tensor was made or sliced.
type shapeError struct{ message string }

func (e *shapeError) Error() string { return e.message }

func shapeErrorf(format string, args ...any) *shapeError {
	return &shapeError{message: fmt.Sprintf(format, args...)}
}

// Tensor returns a view of b from its first byte on. Move it with the Offset
// field. A shape that cannot be is reported by [Tensor.Err] and by the operation
// that the tensor is handed to.
func (b *Buffer) Tensor(dtype DType, shape ...int64) Tensor {
	t := Tensor{Buffer: b, DType: dtype}
	return t.shaped(shape)
}

// shaped returns t with another shape.
func (t Tensor) shaped(shape []int64) Tensor {
	if len(shape) < 1 || len(shape) > MaxRank {
		t.bad = shapeErrorf("%d dimensions, want 1 to %d", len(shape), MaxRank)
		return t
	}
	t.rank = int32(len(shape))
	t.shape = [MaxRank]int64{}
	copy(t.shape[:], shape)
	if _, ok := t.DType.bytes(shape); !ok {
		t.bad = shapeErrorf("impossible shape %v", slices.Clone(shape))
	}
	return t
}

// bytes returns the size of elements in a shape, unless it is impossible; 0 for an
// unknown type. Without dimensions it is that of one element.
func (d DType) bytes(shape []int64) (int64, bool) {
	if len(shape) == 0 {
		return d.Size(), true
	}
	last := len(shape) - 1
	if shape[last] < 0 || shape[last] > math.MaxInt64/64 {
		return 0, false
	}
	n, ok := product(shape[:last])
	row := d.RowBytes(shape[last])
	if !ok || row != 0 && n > math.MaxInt64/row {
		return 0, false
	}
	return n * row, true
}

// product multiplies the dimensions, unless one is negative or the result does not
// fit.
func product(shape []int64) (int64, bool) {
	n := int64(1)
	for _, d := range shape {
		if d < 0 {
			return 0, false
		}
		if d != 0 && n > math.MaxInt64/d {
			return 0, false
		}
		n *= d
	}
	return n, true
}

// Err returns what is wrong with how the tensor was made or sliced, or nil.
func (t Tensor) Err() error {
	if t.bad == nil {
		return nil
	}
	return t.bad
}

// Absent reports whether the tensor has no buffer.
func (t Tensor) Absent() bool { return t.Buffer == nil }

// Rank returns the number of dimensions.
func (t Tensor) Rank() int { return int(t.rank) }

// Dim returns dimension i, 0 where there is none.
func (t Tensor) Dim(i int) int64 {
	if i < 0 || i >= int(t.rank) {
		return 0
	}
	return t.shape[i]
}

// Shape returns a copy of the dimensions.
func (t Tensor) Shape() []int64 { return slices.Clone(t.shape[:t.rank]) }

// Elements returns the number of elements, 0 for a tensor with an error.
func (t Tensor) Elements() int64 {
	if t.bad != nil || t.rank == 0 {
		return 0
	}
	n, _ := product(t.shape[:t.rank])
	return n
}

// Bytes returns the size of the elements together, 0 for a tensor with an error.
func (t Tensor) Bytes() int64 {
	if t.bad != nil || t.rank == 0 {
		return 0
	}
	n, _ := t.DType.bytes(t.shape[:t.rank])
	return n
}

// Rows returns rows from to to-1 of the leading dimension.
func (t Tensor) Rows(from, to int64) Tensor {
	if t.bad != nil {
		return t
	}
	if t.rank == 0 || from < 0 || to < from || to > t.shape[0] {
		t.bad = shapeErrorf("rows [%d, %d) of %d", from, to, t.shape[0])
		return t
	}
	row, _ := t.DType.bytes(t.shape[1:t.rank])
	if t.rank == 1 && t.DType.Bits() < 8 {
		t.bad = shapeErrorf("rows of %v, which share bytes", t.DType)
		return t
	}
	t.Offset += from * row
	t.shape[0] = to - from
	return t
}

// At returns the part at an index into each of the leading dimensions; an index
// into all of them gives a tensor of shape [1].
func (t Tensor) At(index ...int64) Tensor {
	if t.bad != nil {
		return t
	}
	if len(index) > int(t.rank) {
		t.bad = shapeErrorf("%d indices into %d dimensions", len(index), t.rank)
		return t
	}
	for n, i := range index {
		if i < 0 || i >= t.shape[n] {
			t.bad = shapeErrorf("index %d of dimension %d, which has %d", i, n, t.shape[n])
			return t
		}
		step, _ := t.DType.bytes(t.shape[n+1 : t.rank])
		if n+1 == int(t.rank) && t.DType.Bits() < 8 {
			t.bad = shapeErrorf("an index into %v, which share bytes", t.DType)
			return t
		}
		t.Offset += i * step
	}
	if len(index) == int(t.rank) {
		return t.shaped([]int64{1})
	}
	rest := t.shape
	return t.shaped(rest[len(index):t.rank])
}

// Reshape returns the same elements in another shape.
func (t Tensor) Reshape(shape ...int64) Tensor {
	if t.bad != nil {
		return t
	}
	before := t.Elements()
	t = t.shaped(shape)
	if t.bad == nil && t.Elements() != before {
		t.bad = shapeErrorf("%d elements as shape %v", before, slices.Clone(shape))
	}
	return t
}

// String returns the type and the shape, such as "bf16 [2 3]".
func (t Tensor) String() string {
	if t.Absent() {
		return "absent"
	}
	return fmt.Sprintf("%v %v", t.DType, t.shape[:t.rank])
}
