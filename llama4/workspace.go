package llama4

import (
	"errors"

	"github.com/llama4go/llama4go/bindings"
)

// workspace is the memory of activations and of a batch's description. Each
// buffer is made once and grows when a larger batch needs it, so that steady
// decoding neither allocates nor moves anything.
type workspace struct {
	device  *bindings.Device
	stream  *bindings.Stream
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
		if b != nil {
			err = errors.Join(w.stream.Synchronize(), b.Close()) // it may be in use
			delete(w.buffers, name)
		}
		if err != nil {
			w.err = err
			return bindings.Tensor{}
		}
		if b, err = w.device.NewBuffer(max(bytes, 1)); err != nil {
			w.err = err
			return bindings.Tensor{}
		}
		if w.buffers == nil {
			w.buffers = map[string]*bindings.Buffer{}
		}
		w.buffers[name] = b
	}
	return b.Tensor(dtype, shape...)
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
