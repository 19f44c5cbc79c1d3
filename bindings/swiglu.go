package bindings

/*
#include "lib.h"

#cgo noescape llama4_swiglu
#cgo nocallback llama4_swiglu
static ll4_status llama4_swiglu(const ll4_api *api, ll4_stream *stream,
    const ll4_swiglu_args *args, ll4_error *error) {
  return api->swiglu(stream, args, error);
}
*/
import "C"

import "runtime"

// SwiGLUArgs are the arguments of [Stream.SwiGLU].
type SwiGLUArgs struct {
	GateUp Tensor // act [T, 2F]
	Out    Tensor // act [T, F]
}

// SwiGLU gates: out = silu(gateUp[:, :F]) * gateUp[:, F:], for dense layers and
// shared experts (Shazeer, arXiv:2002.05202).
func (s *Stream) SwiGLU(a *SwiGLUArgs) error {
	c := begin(s, "swiglu")
	if a == nil {
		c.fail("args", "is nil")
		return c.err
	}
	args := C.ll4_swiglu_args{
		size:    C.uint32_t(C.sizeof_ll4_swiglu_args),
		gate_up: c.tensor("gate_up", &a.GateUp),
		out:     c.tensor("out", &a.Out),
	}
	if c.err != nil {
		return c.err
	}
	status := C.llama4_swiglu(c.api, c.stream, &args, &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(a)
	return c.end(status)
}
