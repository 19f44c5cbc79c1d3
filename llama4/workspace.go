package llama4

import (
	"math/bits"

	"github.com/llama4go/llama4go/bindings"
)

// workspace is the memory of activations and of a batch's description. Each
// buffer is made once and grows when a larger batch needs it, so that steady
// decoding neither allocates nor moves anything.
type workspace struct {
	device  *bindings.Device
	stream  *bindings.Stream
	spare   bool   // makes buffers of a power of two bytes, so that they seldom grow
	moved   func() // told when a buffer is replaced and nothing runs, if set
	buffers map[string]*bindings.Buffer
	err     error
}

// tensor returns a tensor in the buffer of that name, whose earlier contents are
// lost if it had to grow. Errors are kept for the end of the step's set-up.
func (w *workspace) tensor(name string, dtype bindings.DType, shape ...int64) bindings.Tensor {
	bytes := dtype.Size()
	for _, n := range shape {
		bytes *= n
	}
	b := w.buffers[name]
	if b == nil || b.Bytes() < bytes {
		var err error
		if b, err = w.replace(name, bytes); err != nil {
			w.err = err
			return bindings.Tensor{}
		}
	}
	return b.Tensor(dtype, shape...)
}

// replace makes the buffer of that name anew.
func (w *workspace) replace(name string, bytes int64) (*bindings.Buffer, error) {
	if old := w.buffers[name]; old != nil {
		if err := w.stream.Synchronize(); err != nil { // it may be in use
			return nil, err
		}
		if w.moved != nil {
			w.moved()
		}
		delete(w.buffers, name)
		if err := old.Close(); err != nil {
			return nil, err
		}
	}
	bytes = max(bytes, 1)
	if w.spare {
		bytes = 1 << bits.Len64(uint64(bytes-1))
	}
	b, err := w.device.NewBuffer(bytes)
	if err != nil {
		return nil, err
	}
	if w.buffers == nil {
		w.buffers = map[string]*bindings.Buffer{}
	}
	w.buffers[name] = b
	return b, nil
}

// take returns the first error since the last call.
func (w *workspace) take() error {
	err := w.err
	w.err = nil
	return err
}

func (w *workspace) close() {
	for _, b := range w.buffers {
		_ = b.Close()
	}
	w.buffers = nil
}
