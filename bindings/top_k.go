package bindings

/*
#include "lib.h"

#cgo noescape llama4_top_k
#cgo nocallback llama4_top_k
static ll4_status llama4_top_k(const ll4_api *api, ll4_stream *stream,
    const ll4_top_k_args *args, ll4_error *error) {
  return api->top_k(stream, args, error);
}
*/
import "C"

import "runtime"

// TopKArgs are the arguments of [Stream.TopK].
type TopKArgs struct {
	X       Tensor // f32 [R, V]
	Values  Tensor // out: f32 [R, k]
	Indices Tensor // out: i32 [R, k]
}

// TopK finds the k largest of each row, largest first, ties by the lowest index.
func (s *Stream) TopK(a *TopKArgs) error {
	c := begin(s, "top_k")
	if a == nil {
		c.fail("args", "is nil")
		return c.err
	}
	args := C.ll4_top_k_args{
		size:    C.uint32_t(C.sizeof_ll4_top_k_args),
		x:       c.tensor("x", &a.X),
		values:  c.tensor("values", &a.Values),
		indices: c.tensor("indices", &a.Indices),
	}
	if c.err != nil {
		return c.err
	}
	status := C.llama4_top_k(c.api, c.stream, &args, &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(a)
	return c.end(status)
}
