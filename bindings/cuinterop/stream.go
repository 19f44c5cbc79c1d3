//go:build cuda

package cuinterop

import (
	"unsafe"

	"gorgonia.org/cu"

	"github.com/llama4go/llama4go/bindings"
)

// WrapStream makes a stream over s, which must be of the primary context of the
// GPU that d is. It stays the caller's, who destroys it after the stream's Close.
// cu.NoStream stands for CUDA's default stream. The error has the code
// [bindings.ErrUnsupported] when d is not a CUDA device.
func WrapStream(d *bindings.Device, s cu.Stream) (*bindings.Stream, error) {
	if err := needCUDA("stream_wrap", d); err != nil {
		return nil, err
	}
	return d.WrapStream(native(s))
}

// Stream returns the CUDA stream that a stream of a CUDA device is: cu.NoStream
// once it is closed. Do not destroy it.
func Stream(s *bindings.Stream) cu.Stream {
	return fromNative(s.Native())
}

// native returns the CUstream in s.
func native(s cu.Stream) uintptr {
	return uintptr(unsafe.Pointer(s.C()))
}

// fromNative returns the cu.Stream of a CUstream. cu has no function for that: its
// Stream is a struct of the CUstream and nothing else, which the line below checks
// as far as a compiler can. CUstream is an incomplete type in C, so Go takes a
// pointer to it for a number and does not trip over handles such as 1 and 2, the
// special streams of CUDA.
func fromNative(handle uintptr) cu.Stream {
	return *(*cu.Stream)(unsafe.Pointer(&handle))
}

var _ [unsafe.Sizeof(uintptr(0))]struct{} = [unsafe.Sizeof(cu.Stream{})]struct{}{}
