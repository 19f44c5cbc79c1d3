package bindings

/*
#include "lib.h"

#cgo noescape llama4_layer_norm
#cgo nocallback llama4_layer_norm
static ll4_status llama4_layer_norm(const ll4_api *api, ll4_stream *stream,
    const ll4_layer_norm_args *args, ll4_error *error) {
  return api->layer_norm(stream, args, error);
}
*/
import "C"

import "runtime"

// LayerNormArgs are the arguments of [Stream.LayerNorm].
type LayerNormArgs struct {
	Eps    float32
	X      Tensor // act or F32 [T, H]
	Weight Tensor // BF16 or F32 [H]
	Bias   Tensor // the same
	Out    Tensor // act or F32 [T, H]; may be X
}

// LayerNorm normalises: out[t] = (x[t] - mean(x[t])) / sqrt(variance(x[t]) + eps) *
// weight + bias, computed in fp32; the variance is that of the row itself, divided
// by H (Ba, Kiros and Hinton, arXiv:1607.06450).
func (s *Stream) LayerNorm(a *LayerNormArgs) error {
	c := begin(s, "layer_norm")
	if a == nil {
		c.fail("args", "is nil")
		return c.err
	}
	args := C.ll4_layer_norm_args{
		size:   C.uint32_t(C.sizeof_ll4_layer_norm_args),
		eps:    C.float(a.Eps),
		x:      c.tensor("x", &a.X),
		weight: c.tensor("weight", &a.Weight),
		bias:   c.tensor("bias", &a.Bias),
		out:    c.tensor("out", &a.Out),
	}
	if c.err != nil {
		return c.err
	}
	status := C.llama4_layer_norm(c.api, c.stream, &args, &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(a)
	return c.end(status)
}
