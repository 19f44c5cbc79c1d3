package llama4

import "github.com/llama4go/llama4go/bindings"

// scratch is memory that grows.
type scratch struct{ buffer *bindings.Buffer }

func (s *scratch) tensor(d *bindings.Device, dtype bindings.DType, shape ...int64) (bindings.Tensor, error) {
	bytes := dtype.RowBytes(shape[len(shape)-1])
	for _, n := range shape[:len(shape)-1] {
		bytes *= n
	}
	if s.buffer == nil || s.buffer.Bytes() < bytes {
		s.close()
		var err error
		if s.buffer, err = d.NewBuffer(bytes); err != nil {
			return bindings.Tensor{}, err
		}
	}
	return s.buffer.Tensor(dtype, shape...), nil
}

func (s *scratch) close() {
	if s.buffer != nil {
		_ = s.buffer.Close()
		s.buffer = nil
	}
}
