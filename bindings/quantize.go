package bindings

/*
#include "lib.h"

#cgo noescape llama4_quantize
#cgo nocallback llama4_quantize
static ll4_status llama4_quantize(const ll4_api *api, ll4_stream *stream,
    const ll4_quantize_args *args, ll4_error *error) {
  return api->quantize(stream, args, error);
}
*/
import "C"

import "runtime"

// QuantizeArgs are the arguments of [Stream.Quantize].
type QuantizeArgs struct {
	X   Weight // BF16 [N, K] or [K, N], or a stack
	Out Weight // F8 or I4, the same shape as NK
}

// Quantize makes a weight of fewer bits from one of BF16, NK whatever X is. For each
// group of a row:
//
//	F8: scale = max |w| / 448, q = e4m3(w / scale), saturating
//	I4: scale = max(max |w|, 1e-6) / 8, q = round(w / scale) in -8 .. 7, ties to even
//
// computed in fp32 and with the scale as it is stored; an F8 group of zeros has scale
// 1. A group with a value that is not finite becomes NaN.
func (s *Stream) Quantize(a *QuantizeArgs) error {
	c := begin(s, "quantize")
	if a == nil {
		c.fail("args", "is nil")
		return c.err
	}
	args := C.ll4_quantize_args{
		size: C.uint32_t(C.sizeof_ll4_quantize_args),
		x:    c.weight(&weightNames{"x", "x.scale", "x.offset"}, &a.X),
		out:  c.weight(&weightNames{"out", "out.scale", "out.offset"}, &a.Out),
	}
	if c.err != nil {
		return c.err
	}
	status := C.llama4_quantize(c.api, c.stream, &args, &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(a)
	return c.end(status)
}
