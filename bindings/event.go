package bindings

/*
#include "lib.h"

static ll4_status llama4_event_create(const ll4_api *api, ll4_device *device, ll4_event **event,
                                      ll4_error *error) {
  return api->event_create(device, event, error);
}

#cgo noescape llama4_event_record
#cgo nocallback llama4_event_record
static ll4_status llama4_event_record(const ll4_api *api, ll4_event *event, ll4_stream *stream,
                                      ll4_error *error) {
  return api->event_record(event, stream, error);
}

#cgo noescape llama4_event_wait
#cgo nocallback llama4_event_wait
static ll4_status llama4_event_wait(const ll4_api *api, ll4_event *event, ll4_stream *stream,
                                    ll4_error *error) {
  return api->event_wait(event, stream, error);
}

#cgo noescape llama4_event_synchronize
#cgo nocallback llama4_event_synchronize
static ll4_status llama4_event_synchronize(const ll4_api *api, ll4_event *event,
                                           ll4_error *error) {
  return api->event_synchronize(event, error);
}

#cgo noescape llama4_event_elapsed
#cgo nocallback llama4_event_elapsed
static ll4_status llama4_event_elapsed(const ll4_api *api, ll4_event *start, ll4_event *end,
                                       double *milliseconds, ll4_error *error) {
  return api->event_elapsed(start, end, milliseconds, error);
}

static void llama4_event_destroy(const ll4_api *api, ll4_event *event) {
  api->event_destroy(event);
}
*/
import "C"

import (
	"runtime"
	"time"
	"unsafe"
)

// Event marks a point in the work of a stream.
type Event struct {
	device  *Device
	handle  *handle
	cleanup runtime.Cleanup
}

// NewEvent makes an event, which has not happened.
func (d *Device) NewEvent() (*Event, error) {
	const op = "event_create"
	dev, err := d.open(op)
	if err != nil {
		return nil, err
	}
	var pointer *C.ll4_event
	e := newError()
	status := C.llama4_event_create(d.lib.api, dev, &pointer, &e)
	runtime.KeepAlive(d)
	if status != C.LL4_OK {
		return nil, failure(op, status, e)
	}
	event := &Event{
		device: d,
		handle: newHandle(d, unsafe.Pointer(pointer), func(api *C.ll4_api, p unsafe.Pointer) {
			C.llama4_event_destroy(api, (*C.ll4_event)(p))
		}),
	}
	event.cleanup = runtime.AddCleanup(event, (*handle).release, event.handle)
	return event, nil
}

// Record puts the event on s: it happens when the work there before it is done.
func (e *Event) Record(s *Stream) error {
	c := begin(s, "event_record")
	event := c.event("event", e)
	if c.err != nil {
		return c.err
	}
	status := C.llama4_event_record(c.api, event, c.stream, &c.e)
	runtime.KeepAlive(e)
	runtime.KeepAlive(s)
	return c.end(status)
}

// Wait makes the work that is put on s later wait until the event has happened.
func (e *Event) Wait(s *Stream) error {
	c := begin(s, "event_wait")
	event := c.event("event", e)
	if c.err != nil {
		return c.err
	}
	status := C.llama4_event_wait(c.api, event, c.stream, &c.e)
	runtime.KeepAlive(e)
	runtime.KeepAlive(s)
	return c.end(status)
}

// Synchronize waits in this goroutine until the event has happened.
func (e *Event) Synchronize() error {
	c := beginDevice("event_synchronize", e)
	event := c.event("event", e)
	if c.err != nil {
		return c.err
	}
	status := C.llama4_event_synchronize(c.api, event, &c.e)
	runtime.KeepAlive(e)
	return c.end(status)
}

// Elapsed returns the time from start to e, two recorded events of one device.
func (e *Event) Elapsed(start *Event) (time.Duration, error) {
	c := beginDevice("event_elapsed", e)
	from, to := c.event("start", start), c.event("end", e)
	if c.err != nil {
		return 0, c.err
	}
	var milliseconds C.double
	status := C.llama4_event_elapsed(c.api, from, to, &milliseconds, &c.e)
	runtime.KeepAlive(e)
	runtime.KeepAlive(start)
	if err := c.end(status); err != nil {
		return 0, err
	}
	return time.Duration(float64(milliseconds) * float64(time.Millisecond)), nil
}

// Close closes the event. It returns nil always.
func (e *Event) Close() error {
	if e == nil {
		return nil
	}
	e.cleanup.Stop()
	e.handle.release()
	runtime.KeepAlive(e)
	return nil
}
