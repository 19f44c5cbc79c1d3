package bindings

/*
#include "lib.h"

static ll4_status llama4_stream_create(const ll4_api *api, ll4_device *device, ll4_stream **stream,
                                       ll4_error *error) {
  return api->stream_create(device, stream, error);
}
static ll4_status llama4_stream_wrap(const ll4_api *api, ll4_device *device, uintptr_t native,
                                     ll4_stream **stream, ll4_error *error) {
  return api->stream_wrap(device, (void *)native, stream, error);
}
static uintptr_t llama4_stream_native(const ll4_api *api, const ll4_stream *stream) {
  return (uintptr_t)api->stream_native(stream);
}

#cgo noescape llama4_stream_synchronize
#cgo nocallback llama4_stream_synchronize
static ll4_status llama4_stream_synchronize(const ll4_api *api, ll4_stream *stream,
                                            ll4_error *error) {
  return api->stream_synchronize(stream, error);
}

static void llama4_stream_destroy(const ll4_api *api, ll4_stream *stream) {
  api->stream_destroy(stream);
}
*/
import "C"

import (
	"runtime"
	"unsafe"
)

// Stream is a queue of work of a device. Its methods named after operations put
// one on it.
type Stream struct {
	device  *Device
	handle  *handle
	cleanup runtime.Cleanup
}

// NewStream makes a stream.
func (d *Device) NewStream() (*Stream, error) {
	return d.newStream("stream_create", func(dev *C.ll4_device, s **C.ll4_stream, e *C.ll4_error) C.ll4_status {
		return C.llama4_stream_create(d.lib.api, dev, s, e)
	})
}

// WrapStream makes a stream over a native handle that somebody else owns and
// keeps valid until Close: a CUstream on CUDA.
func (d *Device) WrapStream(native uintptr) (*Stream, error) {
	return d.newStream("stream_wrap", func(dev *C.ll4_device, s **C.ll4_stream, e *C.ll4_error) C.ll4_status {
		return C.llama4_stream_wrap(d.lib.api, dev, C.uintptr_t(native), s, e)
	})
}

func (d *Device) newStream(op string,
	create func(*C.ll4_device, **C.ll4_stream, *C.ll4_error) C.ll4_status) (*Stream, error) {
	dev, err := d.open(op)
	if err != nil {
		return nil, err
	}
	var pointer *C.ll4_stream
	e := newError()
	status := create(dev, &pointer, &e)
	runtime.KeepAlive(d)
	if status != C.LL4_OK {
		return nil, failure(op, status, e)
	}
	s := &Stream{
		device: d,
		handle: newHandle(d, unsafe.Pointer(pointer), func(api *C.ll4_api, p unsafe.Pointer) {
			C.llama4_stream_destroy(api, (*C.ll4_stream)(p))
		}),
	}
	s.cleanup = runtime.AddCleanup(s, (*handle).release, s.handle)
	return s, nil
}

// Synchronize waits for the work on the stream and returns what went wrong with
// it.
func (s *Stream) Synchronize() error {
	c := begin(s, "stream_synchronize")
	if c.err != nil {
		return c.err
	}
	status := C.llama4_stream_synchronize(c.api, c.stream, &c.e)
	runtime.KeepAlive(s)
	return c.end(status)
}

// Native returns the handle of the system below: a CUstream on CUDA, 0 on the
// CPU and when the stream is closed.
func (s *Stream) Native() uintptr {
	pointer := s.handle.pointer()
	if pointer == nil {
		return 0
	}
	native := C.llama4_stream_native(s.device.lib.api, (*C.ll4_stream)(pointer))
	runtime.KeepAlive(s)
	return uintptr(native)
}

// Device returns the device that the stream is of.
func (s *Stream) Device() *Device { return s.device }

// Close closes the stream; a wrapped one stays its owner's. It returns nil
// always.
func (s *Stream) Close() error {
	if s == nil {
		return nil
	}
	s.cleanup.Stop()
	s.handle.release()
	runtime.KeepAlive(s)
	return nil
}
