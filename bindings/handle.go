package bindings

/*
#include "lib.h"
*/
import "C"

import (
	"runtime"
	"sync/atomic"
	"unsafe"
)

// handle owns one object of the library below a device. It is what a cleanup is
// given, so it does not refer to the Go object; it does refer to the device,
// whose own cleanup therefore cannot run before that of everything made from it.
type handle struct {
	device  *Device
	object  unsafe.Pointer // to C memory; nil when released
	destroy func(*C.ll4_api, unsafe.Pointer)
	pin     *runtime.Pinner // of wrapped host memory
	host    []byte          // wrapped host memory
}

func newHandle(d *Device, object unsafe.Pointer, destroy func(*C.ll4_api, unsafe.Pointer)) *handle {
	return &handle{device: d, object: object, destroy: destroy}
}

// pointer returns the object, nil when it has been released.
func (h *handle) pointer() unsafe.Pointer {
	if h == nil {
		return nil
	}
	return atomic.LoadPointer(&h.object)
}

// release destroys the object, once.
func (h *handle) release() {
	if h == nil {
		return
	}
	object := atomic.SwapPointer(&h.object, nil)
	if object == nil {
		return
	}
	h.destroy(h.device.lib.api, object)
	if h.pin != nil {
		h.pin.Unpin()
	}
	h.host = nil
	runtime.KeepAlive(h.device)
}
