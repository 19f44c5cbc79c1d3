package bindings

/*
#include "lib.h"
*/
import "C"

import "strings"

// call is what one operation hands to the library. It lives on the stack of the
// method and remembers the first argument that cannot be handed over.
type call struct {
	op     string
	device *Device
	api    *C.ll4_api
	stream *C.ll4_stream
	err    error
	e      C.ll4_error
}

// begin starts a call on a stream.
func begin(s *Stream, op string) call {
	c := call{op: op}
	if s == nil || s.handle == nil {
		c.err = invalid(op, "stream is nil")
		return c
	}
	c.device = s.device
	c.api = s.device.lib.api
	c.stream = (*C.ll4_stream)(s.handle.pointer())
	if c.stream == nil {
		c.err = invalid(op, "stream is closed")
	}
	c.e.size = C.uint32_t(C.sizeof_ll4_error)
	return c
}

// beginDevice starts a call on an event's device, without a stream.
func beginDevice(op string, e *Event) call {
	c := call{op: op}
	if e == nil || e.handle == nil {
		c.err = invalid(op, "event is nil")
		return c
	}
	c.device = e.device
	c.api = e.device.lib.api
	c.e.size = C.uint32_t(C.sizeof_ll4_error)
	return c
}

// end turns the status of the call into its error.
func (c *call) end(status C.ll4_status) error {
	if status == C.LL4_OK {
		return nil
	}
	return failure(c.op, status, c.e)
}

// fail remembers the first mistake. Its arguments are values, so that a call
// without one allocates nothing.
func (c *call) fail(field, what string) {
	if c.err == nil {
		c.err = invalid(c.op, "%s: %s", field, what)
	}
}

// buffer returns the library's buffer for one that is present.
func (c *call) buffer(field string, b *Buffer) *C.ll4_buffer {
	if c.err != nil {
		return nil
	}
	if b == nil || b.handle == nil {
		c.fail(field, "no buffer")
		return nil
	}
	pointer := (*C.ll4_buffer)(b.handle.pointer())
	switch {
	case pointer == nil:
		c.fail(field, "buffer is closed")
	case b.device != c.device:
		c.fail(field, "buffer of another device")
	}
	return pointer
}

// event returns the library's event.
func (c *call) event(field string, e *Event) *C.ll4_event {
	if c.err != nil {
		return nil
	}
	if e == nil || e.handle == nil {
		c.fail(field, "is nil")
		return nil
	}
	pointer := (*C.ll4_event)(e.handle.pointer())
	switch {
	case pointer == nil:
		c.fail(field, "is closed")
	case e.device != c.device:
		c.fail(field, "is of another device")
	}
	return pointer
}

// graph returns the library's graph.
func (c *call) graph(field string, g *Graph) *C.ll4_graph {
	if c.err != nil {
		return nil
	}
	if g == nil || g.handle == nil {
		c.fail(field, "is nil")
		return nil
	}
	pointer := (*C.ll4_graph)(g.handle.pointer())
	switch {
	case pointer == nil:
		c.fail(field, "is closed")
	case g.device != c.device:
		c.fail(field, "is of another device")
	}
	return pointer
}

// tensor converts a tensor; an absent one becomes zero, which the library allows
// for optional fields only.
func (c *call) tensor(field string, t *Tensor) C.ll4_tensor {
	if t.bad != nil {
		c.fail(field, strings.Clone(t.bad.message)) // a clone, or the tensor would escape
		return C.ll4_tensor{}
	}
	if t.Buffer == nil {
		return C.ll4_tensor{}
	}
	return C.ll4_tensor{
		buffer: c.buffer(field, t.Buffer),
		offset: C.int64_t(t.Offset),
		dtype:  C.int32_t(t.DType),
		rank:   C.int32_t(t.rank),
		shape: [MaxRank]C.int64_t{
			C.int64_t(t.shape[0]), C.int64_t(t.shape[1]), C.int64_t(t.shape[2]), C.int64_t(t.shape[3]),
		},
	}
}
