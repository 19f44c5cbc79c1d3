//go:build cuda

package cuinterop

import (
	"fmt"
	"strings"

	"gorgonia.org/cu"

	"github.com/llama4go/llama4go/bindings"
)

// WrapBuffer makes a buffer over bytes of GPU memory from p on, which must be
// memory of the GPU that d is, made in its primary context. It stays the
// caller's, who frees it after the buffer's Close. The error has the code
// [bindings.ErrUnsupported] when d is not a CUDA device.
func WrapBuffer(d *bindings.Device, p cu.DevicePtr, bytes int64) (*bindings.Buffer, error) {
	if err := needCUDA("buffer_wrap", d); err != nil {
		return nil, err
	}
	return d.WrapAddress(uintptr(p), bytes)
}

// DevicePtr returns the GPU memory that a buffer of a CUDA device is: 0 once it is
// closed. On other devices it is whatever address they use, which means nothing
// to cu.
func DevicePtr(b *bindings.Buffer) cu.DevicePtr {
	return cu.DevicePtr(b.Address())
}

// needCUDA refuses devices on which an address or a handle of CUDA means
// nothing: the first use would end the process.
func needCUDA(op string, d *bindings.Device) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	if info.Name != "cuda" && !strings.HasPrefix(info.Name, "cuda:") {
		return &bindings.Error{
			Op: op, Code: bindings.ErrUnsupported,
			Message: fmt.Sprintf("device %q is not a CUDA device: open \"cuda\"", info.Name),
		}
	}
	return nil
}
