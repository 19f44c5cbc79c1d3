//go:build cgo

package bindings

import (
	"runtime"
	"unsafe"
)

// Host returns the buffer's memory, nil when the device is not host-visible or
// the buffer is closed.
//
// The slice is memory of the library: it is valid until the buffer is closed or
// collected, so keep the buffer as long as the slice, and it must not be touched
// while an operation on it runs; [Stream.Synchronize] first. Reading it after
// Close may end the program.
func (b *Buffer) Host() []byte {
	if b == nil || !b.visible {
		return nil
	}
	address := b.Address()
	if address == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(hostPointer(address)), b.bytes)
}

// View returns the elements of a tensor in host-visible memory without copying
// them. What [Buffer.Host] says of lifetimes holds here too.
func View[T Element](t Tensor) ([]T, error) {
	const op = "view"
	host := t.Buffer.Host()
	switch {
	case t.bad != nil:
		return nil, invalid(op, "tensor: %s", t.bad.message)
	case host == nil:
		return nil, invalid(op, "tensor: absent, closed or not in host memory")
	case t.DType != dtypeOf[T]():
		return nil, invalid(op, "tensor: %v viewed as %v", t, dtypeOf[T]())
	case t.Offset < 0 || t.Bytes() > int64(len(host)) || t.Offset > int64(len(host))-t.Bytes():
		return nil, invalid(op, "tensor: %v at byte %d of a buffer of %d", t, t.Offset, len(host))
	case t.Elements() == 0:
		return nil, nil
	}
	first := unsafe.Pointer(&host[t.Offset])
	if uintptr(first)%uintptr(t.DType.Size()) != 0 {
		return nil, invalid(op, "tensor: byte %d is not aligned to %v", t.Offset, t.DType)
	}
	view := unsafe.Slice((*T)(first), t.Elements())
	runtime.KeepAlive(t.Buffer)
	return view, nil
}

// hostPointer makes a pointer of an address that the library returned. The memory
// is not the Go heap's, except for what WrapHost was given and its Buffer keeps.
func hostPointer(address uintptr) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&address))
}
