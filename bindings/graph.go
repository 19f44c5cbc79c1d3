package bindings

/*
#include "lib.h"

static ll4_status llama4_graph_begin(const ll4_api *api, ll4_stream *stream, ll4_error *error) {
  return api->graph_begin(stream, error);
}
static ll4_status llama4_graph_end(const ll4_api *api, ll4_stream *stream, ll4_graph **graph,
                                   ll4_error *error) {
  return api->graph_end(stream, graph, error);
}

#cgo noescape llama4_graph_launch
#cgo nocallback llama4_graph_launch
static ll4_status llama4_graph_launch(const ll4_api *api, ll4_graph *graph, ll4_stream *stream,
                                      ll4_error *error) {
  return api->graph_launch(graph, stream, error);
}

static void llama4_graph_destroy(const ll4_api *api, ll4_graph *graph) {
  api->graph_destroy(graph);
}
*/
import "C"

import (
	"runtime"
	"unsafe"
)

// Graph is work recorded from a stream, to be run many times with one call each.
// What it does is fixed but for the contents of its buffers, which must stay open
// as long as it is launched. So must the stream that it was recorded from, which
// holds intermediate results: it may do no other work beside the graph, and wrong
// values in buffers are found when it is waited for.
type Graph struct {
	device  *Device
	handle  *handle
	cleanup runtime.Cleanup
}

// BeginGraph starts recording: operations, copies within the device and events
// put on s until [Stream.EndGraph] are remembered and do not run. Reads, writes
// and Synchronize fail meanwhile. All of it, to EndGraph, must come from one thread
// of the system: see [runtime.LockOSThread]. On devices without graphs
// ([Info.Graphs]) it fails with [ErrUnsupported].
func (s *Stream) BeginGraph() error {
	c := begin(s, "graph_begin")
	if c.err != nil {
		return c.err
	}
	status := C.llama4_graph_begin(c.api, c.stream, &c.e)
	runtime.KeepAlive(s)
	return c.end(status)
}

// EndGraph ends the recording that [Stream.BeginGraph] started, in any case, and
// returns what was recorded. It fails when a call in between made that useless.
func (s *Stream) EndGraph() (*Graph, error) {
	c := begin(s, "graph_end")
	if c.err != nil {
		return nil, c.err
	}
	var pointer *C.ll4_graph
	status := C.llama4_graph_end(c.api, c.stream, &pointer, &c.e)
	runtime.KeepAlive(s)
	if err := c.end(status); err != nil {
		return nil, err
	}
	g := &Graph{
		device: s.device,
		handle: newHandle(s.device, unsafe.Pointer(pointer), func(api *C.ll4_api, p unsafe.Pointer) {
			C.llama4_graph_destroy(api, (*C.ll4_graph)(p))
		}),
	}
	g.cleanup = runtime.AddCleanup(g, (*handle).release, g.handle)
	return g, nil
}

// Launch puts the recorded work on s, which may be any stream of the device.
func (g *Graph) Launch(s *Stream) error {
	c := begin(s, "graph_launch")
	graph := c.graph("graph", g)
	if c.err != nil {
		return c.err
	}
	status := C.llama4_graph_launch(c.api, graph, c.stream, &c.e)
	runtime.KeepAlive(g)
	runtime.KeepAlive(s)
	return c.end(status)
}

// Close closes the graph, whose launches must have finished. It returns nil
// always.
func (g *Graph) Close() error {
	if g == nil {
		return nil
	}
	g.cleanup.Stop()
	g.handle.release()
	runtime.KeepAlive(g)
	return nil
}
