package bindings

/*
#include <stdlib.h>
#include "lib.h"

static ll4_status llama4_device_open(const ll4_api *api, const char *name,
                                     const ll4_device_options *options, ll4_device **device,
                                     ll4_error *error) {
  return api->device_open(name, options, device, error);
}
static ll4_status llama4_device_get_info(const ll4_api *api, ll4_device *device,
                                         ll4_device_info *info, ll4_error *error) {
  return api->device_get_info(device, info, error);
}
static ll4_status llama4_device_close(const ll4_api *api, ll4_device *device, ll4_error *error) {
  return api->device_close(device, error);
}

// The options hold a pointer, so C fills them: nothing of Go's is stored in C.
static ll4_status llama4_device_open_with(const ll4_api *api, const char *name, int32_t threads,
                                          const char *isa, ll4_device **device, ll4_error *error) {
  ll4_device_options options = {sizeof options, threads, isa};
  return llama4_device_open(api, name, &options, device, error);
}
*/
import "C"

import (
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// Options are the choices of [Open].
type Options struct {
	// Threads is how many threads a CPU device works with; 0 is one a core.
	Threads int
	// ISA is the instruction set of a CPU device: "baseline", "avx2", "avx512",
	// "avx512bf16" or "neon"; "" is the best that the CPU has.
	ISA string
}

// Info describes a device.
type Info struct {
	Name        string // as Open takes it: "cpu", "cuda:0", "simt"
	Description string
	ISA         string // CPU: the instruction set in use; CUDA: the architecture
	Threads     int    // CPU: threads that run an operation; 0 elsewhere
	HostVisible bool   // addresses of buffers are host addresses
	BF16Dot     bool   // ComputeAuto means bf16 here
	MemoryTotal int64  // bytes of the device's memory
	MemoryFree  int64  // bytes that are free now, as the system tells it
	Graphs      bool   // streams record graphs
	PCIBusID    string // CUDA: "00000000:C1:00.0", as NVML writes it; "" elsewhere
}

// CPU reports whether the device is the CPU itself rather than a GPU, emulated or
// not: it computes with fp32 activations, too, and finds wrong values in buffers
// in the very call.
func (i Info) CPU() bool { return i.Threads > 0 }

// Device is an opened device.
type Device struct {
	lib     *library
	visible bool
	handle  *deviceHandle
	cleanup runtime.Cleanup
}

// deviceHandle owns the library's object, for Close and the cleanup.
type deviceHandle struct {
	mu     sync.Mutex
	lib    *library
	object *C.ll4_device // nil when closed
}

// Open opens a device by name: "cpu", "cuda", "cuda:N" or "simt". The options
// may be nil. The first call loads the library.
func Open(name string, o *Options) (*Device, error) {
	const op = "device_open"
	lib, err := loaded()
	if err != nil {
		return nil, err
	}
	if o == nil {
		o = &Options{}
	}
	if int(int32(o.Threads)) != o.Threads {
		return nil, invalid(op, "threads %d", o.Threads)
	}
	if strings.ContainsRune(name+o.ISA, 0) {
		return nil, invalid(op, "name %q, isa %q: a zero byte", name, o.ISA)
	}
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	var isa *C.char
	if o.ISA != "" {
		isa = C.CString(o.ISA)
		defer C.free(unsafe.Pointer(isa))
	}
	var object *C.ll4_device
	e := newError()
	if status := C.llama4_device_open_with(lib.api, cname, C.int32_t(o.Threads), isa, &object, &e); status != C.LL4_OK {
		return nil, failure(op, status, e)
	}
	d := &Device{lib: lib, handle: &deviceHandle{lib: lib, object: object}}
	info, err := d.Info()
	if err != nil {
		_ = d.handle.close()
		return nil, err
	}
	d.visible = info.HostVisible
	d.cleanup = runtime.AddCleanup(d, func(h *deviceHandle) { _ = h.close() }, d.handle)
	return d, nil
}

// Info describes the device as it is now.
func (d *Device) Info() (Info, error) {
	const op = "device_get_info"
	object, err := d.open(op)
	if err != nil {
		return Info{}, err
	}
	info := C.ll4_device_info{size: C.uint32_t(C.sizeof_ll4_device_info)}
	e := newError()
	status := C.llama4_device_get_info(d.lib.api, object, &info, &e)
	runtime.KeepAlive(d)
	if status != C.LL4_OK {
		return Info{}, failure(op, status, e)
	}
	return Info{
		Name:        C.GoString(&info.name[0]),
		Description: C.GoString(&info.description[0]),
		ISA:         C.GoString(&info.isa[0]),
		Threads:     int(info.threads),
		HostVisible: info.host_visible != 0,
		BF16Dot:     info.bf16_dot != 0,
		MemoryTotal: int64(info.memory_total),
		MemoryFree:  int64(info.memory_free),
		Graphs:      info.graphs != 0,
		PCIBusID:    C.GoString(&info.pci_bus_id[0]),
	}, nil
}

// Close closes the device. It is refused, with [ErrInvalidArgument], while a
// buffer, stream, event or graph of it is open.
func (d *Device) Close() error {
	if d == nil {
		return nil
	}
	err := d.handle.close()
	if err == nil {
		d.cleanup.Stop()
	}
	runtime.KeepAlive(d)
	return err
}

func (h *deviceHandle) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.object == nil {
		return nil
	}
	e := newError()
	if status := C.llama4_device_close(h.lib.api, h.object, &e); status != C.LL4_OK {
		return failure("device_close", status, e)
	}
	h.object = nil
	return nil
}

// open returns the library's object, or the error of a closed device.
func (d *Device) open(op string) (*C.ll4_device, error) {
	if d == nil {
		return nil, invalid(op, "device is nil")
	}
	d.handle.mu.Lock()
	defer d.handle.mu.Unlock()
	if d.handle.object == nil {
		return nil, invalid(op, "device is closed")
	}
	return d.handle.object, nil
}

// hostVisible reports whether addresses of buffers are host addresses.
func (d *Device) hostVisible(op string) (bool, error) {
	if _, err := d.open(op); err != nil {
		return false, err
	}
	return d.visible, nil
}

// newError makes the struct that the library writes a failure to.
func newError() C.ll4_error {
	return C.ll4_error{size: C.uint32_t(C.sizeof_ll4_error)}
}

// failure makes the error of a call that did not succeed. It takes a copy of e,
// which lets the caller's stay on its stack.
func failure(op string, status C.ll4_status, e C.ll4_error) error {
	err := &Error{Op: op, Code: Code(status), Message: C.GoString(&e.message[0])}
	if e.operation[0] != 0 {
		err.Op = C.GoString(&e.operation[0])
	}
	return err
}
