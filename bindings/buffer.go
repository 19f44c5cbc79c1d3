package bindings

/*
#include "lib.h"

static ll4_status llama4_buffer_create(const ll4_api *api, ll4_device *device, int64_t bytes,
                                       ll4_buffer **buffer, ll4_error *error) {
  return api->buffer_create(device, bytes, buffer, error);
}
static ll4_status llama4_buffer_wrap(const ll4_api *api, ll4_device *device, uintptr_t address,
                                     int64_t bytes, ll4_buffer **buffer, ll4_error *error) {
  return api->buffer_wrap(device, (void *)address, bytes, buffer, error);
}
static void llama4_buffer_destroy(const ll4_api *api, ll4_buffer *buffer) {
  api->buffer_destroy(buffer);
}
static uintptr_t llama4_buffer_address(const ll4_api *api, const ll4_buffer *buffer) {
  return (uintptr_t)api->buffer_address(buffer);
}
*/
import "C"

import (
	"runtime"
	"unsafe"
)

// Buffer is memory of a device. It knows its size and no shape; a [Tensor] is a
// view of it.
type Buffer struct {
	device  *Device
	bytes   int64
	visible bool // its address is a host address
	handle  *handle
	cleanup runtime.Cleanup
}

// NewBuffer allocates bytes (> 0) of the device's memory, aligned to 256. The
// contents are undefined.
func (d *Device) NewBuffer(bytes int64) (*Buffer, error) {
	return d.newBuffer("buffer_create", bytes, func(dev *C.ll4_device, b **C.ll4_buffer, e *C.ll4_error) C.ll4_status {
		return C.llama4_buffer_create(d.lib.api, dev, C.int64_t(bytes), b, e)
	})
}

// NewTensor allocates a buffer for one tensor. Close its Buffer.
func (d *Device) NewTensor(dtype DType, shape ...int64) (Tensor, error) {
	t := Tensor{DType: dtype}.shaped(shape)
	if t.bad != nil {
		return Tensor{}, invalid("buffer_create", "%s", t.bad.message)
	}
	if dtype.Size() == 0 {
		return Tensor{}, invalid("buffer_create", "unknown %v", dtype)
	}
	var err error
	t.Buffer, err = d.NewBuffer(t.Bytes())
	if err != nil {
		return Tensor{}, err
	}
	return t, nil
}

// WrapHost makes a buffer over host memory, which is not copied: a mapped file,
// say. The device must be host-visible ([Info.HostVisible]). The Buffer keeps b
// from being collected; memory that Go does not manage, such as a mapping, must
// stay as it is until Close, and an operation that writes to read-only memory
// ends the program.
func (d *Device) WrapHost(b []byte) (*Buffer, error) {
	const op = "buffer_wrap"
	if len(b) == 0 {
		return nil, invalid(op, "no bytes")
	}
	visible, err := d.hostVisible(op)
	if err != nil {
		return nil, err
	}
	if !visible {
		return nil, &Error{Op: op, Code: ErrUnsupported, Message: "the device has its own memory: copy with Write"}
	}
	address := unsafe.SliceData(b)
	// C keeps the address after the call. The garbage collector does not move
	// what it manages today; the pin says so for tomorrow.
	pin := new(runtime.Pinner)
	pin.Pin(address)
	buffer, err := d.wrap(uintptr(unsafe.Pointer(address)), int64(len(b)))
	if err != nil {
		pin.Unpin()
		return nil, err
	}
	buffer.handle.pin, buffer.handle.host = pin, b
	return buffer, nil
}

// WrapAddress makes a buffer over memory of the device that somebody else owns
// and keeps valid until Close: a device pointer on CUDA, an address outside the
// Go heap on a host-visible device.
func (d *Device) WrapAddress(address uintptr, bytes int64) (*Buffer, error) {
	return d.wrap(address, bytes)
}

func (d *Device) wrap(address uintptr, bytes int64) (*Buffer, error) {
	return d.newBuffer("buffer_wrap", bytes, func(dev *C.ll4_device, b **C.ll4_buffer, e *C.ll4_error) C.ll4_status {
		return C.llama4_buffer_wrap(d.lib.api, dev, C.uintptr_t(address), C.int64_t(bytes), b, e)
	})
}

// newBuffer makes the Buffer around what create makes.
func (d *Device) newBuffer(op string, bytes int64,
	create func(*C.ll4_device, **C.ll4_buffer, *C.ll4_error) C.ll4_status) (*Buffer, error) {
	visible, err := d.hostVisible(op)
	if err != nil {
		return nil, err
	}
	dev, err := d.open(op)
	if err != nil {
		return nil, err
	}
	var pointer *C.ll4_buffer
	e := newError()
	status := create(dev, &pointer, &e)
	runtime.KeepAlive(d)
	if status != C.LL4_OK {
		return nil, failure(op, status, e)
	}
	b := &Buffer{
		device: d, bytes: bytes, visible: visible,
		handle: newHandle(d, unsafe.Pointer(pointer), func(api *C.ll4_api, p unsafe.Pointer) {
			C.llama4_buffer_destroy(api, (*C.ll4_buffer)(p))
		}),
	}
	b.cleanup = runtime.AddCleanup(b, (*handle).release, b.handle)
	return b, nil
}

// Close gives the memory back, or lets go of wrapped memory. Operations on it
// must have finished. It returns nil always.
func (b *Buffer) Close() error {
	if b == nil {
		return nil
	}
	b.cleanup.Stop()
	b.handle.release()
	runtime.KeepAlive(b)
	return nil
}

// Bytes returns the size.
func (b *Buffer) Bytes() int64 { return b.bytes }

// Device returns the device that the buffer is of.
func (b *Buffer) Device() *Device { return b.device }

// Address returns where the buffer is: a host address on a host-visible device,
// a device pointer on CUDA, 0 when it is closed.
func (b *Buffer) Address() uintptr {
	pointer := b.handle.pointer()
	if pointer == nil {
		return 0
	}
	address := C.llama4_buffer_address(b.device.lib.api, (*C.ll4_buffer)(pointer))
	runtime.KeepAlive(b)
	return uintptr(address)
}
