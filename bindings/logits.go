package bindings

/*
#include "lib.h"

#cgo noescape llama4_logits
#cgo nocallback llama4_logits
static ll4_status llama4_logits(const ll4_api *api, ll4_stream *stream,
    const ll4_logits_args *args, ll4_error *error) {
  return api->logits(stream, args, error);
}
*/
import "C"

import "runtime"

// LogitsArgs are the arguments of [Stream.Logits].
type LogitsArgs struct {
	Compute Compute
	X       Tensor // act [T, H], after the final norm
	Rows    Tensor // i32 [R], each in [0, T)
	Weight  Weight // [V, H]
	Out     Tensor // f32 [R, V]
}

// Logits computes the logits of chosen rows: out[r] = x[rows[r]] W^T, in fp32.
func (s *Stream) Logits(a *LogitsArgs) error {
	c := begin(s, "logits")
	if a == nil {
		c.fail("args", "is nil")
		return c.err
	}
	args := C.ll4_logits_args{
		size:    C.uint32_t(C.sizeof_ll4_logits_args),
		compute: C.int32_t(a.Compute),
		x:       c.tensor("x", &a.X),
		rows:    c.tensor("rows", &a.Rows),
		weight:  c.weight(&oneWeight, &a.Weight),
		out:     c.tensor("out", &a.Out),
	}
	if c.err != nil {
		return c.err
	}
	status := C.llama4_logits(c.api, c.stream, &args, &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(a)
	return c.end(status)
}
