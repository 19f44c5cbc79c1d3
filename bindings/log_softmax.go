package bindings

/*
#include "lib.h"

#cgo noescape llama4_log_softmax
#cgo nocallback llama4_log_softmax
static ll4_status llama4_log_softmax(const ll4_api *api, ll4_stream *stream,
    const ll4_log_softmax_args *args, ll4_error *error) {
  return api->log_softmax(stream, args, error);
}
*/
import "C"

import "runtime"

// LogSoftmaxArgs are the arguments of [Stream.LogSoftmax].
type LogSoftmaxArgs struct {
	X   Tensor // f32 [R, V]
	Out Tensor // f32 [R, V]
}

// LogSoftmax computes out[r] = x[r] - log(sum(exp(x[r]))). Out may be X.
func (s *Stream) LogSoftmax(a *LogSoftmaxArgs) error {
	c := begin(s, "log_softmax")
	if a == nil {
		c.fail("args", "is nil")
		return c.err
	}
	args := C.ll4_log_softmax_args{
		size: C.uint32_t(C.sizeof_ll4_log_softmax_args),
		x:    c.tensor("x", &a.X),
		out:  c.tensor("out", &a.Out),
	}
	if c.err != nil {
		return c.err
	}
	status := C.llama4_log_softmax(c.api, c.stream, &args, &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(a)
	return c.end(status)
}
