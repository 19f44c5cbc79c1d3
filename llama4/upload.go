package llama4

import (
	"math"

	"github.com/llama4go/llama4go/bindings"
)

// upload gathers small arrays of 32-bit values, which go to the device in one
// write.
type upload struct{ values []int32 }

// part is one array of an upload.
type part struct{ first, n int }

// partStart is what arrays begin at a multiple of, in values: a cache line.
const partStart = 16

// begin starts a part of n values and returns it with the place for them.
func (u *upload) begin(n int) (part, []int32) {
	first := (len(u.values) + partStart - 1) / partStart * partStart
	for len(u.values) < first+n {
		u.values = append(u.values, 0)
	}
	return part{first, n}, u.values[first:]
}

func (u *upload) int32s(values []int32) part {
	p, room := u.begin(len(values))
	copy(room, values)
	return p
}

func (u *upload) float32s(values []float32) part {
	p, room := u.begin(len(values))
	for i, v := range values {
		room[i] = int32(math.Float32bits(v))
	}
	return p
}

// send writes everything to the buffer of that name.
func (u *upload) send(w *workspace, name string) (*bindings.Buffer, error) {
	t := w.tensor(name, bindings.I32, int64(len(u.values)))
	if err := w.take(); err != nil {
		return nil, err
	}
	return t.Buffer, bindings.Write(w.stream, t, u.values)
}

// in returns the part as a tensor of the buffer that it was sent to.
func (p part) in(b *bindings.Buffer, dtype bindings.DType, shape ...int64) bindings.Tensor {
	if len(shape) == 0 {
		shape = []int64{int64(p.n)}
	}
	t := b.Tensor(dtype, shape...)
	t.Offset = int64(p.first) * dtype.Size()
	return t
}
