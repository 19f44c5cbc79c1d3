package bindings

/*
#include "lib.h"

#cgo noescape llama4_rms_norm
#cgo nocallback llama4_rms_norm
static ll4_status llama4_rms_norm(const ll4_api *api, ll4_stream *stream,
    const ll4_rms_norm_args *args, ll4_error *error) {
  return api->rms_norm(stream, args, error);
}
*/
import "C"

import "runtime"

// RMSNormArgs are the arguments of [Stream.RMSNorm].
type RMSNormArgs struct {
	Eps    float32
	X      Tensor // act or F32 [T, H], updated when Add is present
	Add    Tensor // act or, with X, F32 [T, H]; optional: the residual branch
	Weight Tensor // BF16 or F32 [H]
	Out    Tensor // act [T, H]
	// out: F32 [T, H], what Out was rounded from; optional
	Unrounded Tensor
}

// RMSNorm adds and normalises: x += add if add is present, then
// out[t] = x[t] / sqrt(mean(x[t]^2) + eps) * weight, computed in fp32
// (Zhang and Sennrich, arXiv:1910.07467). X, the residual stream, and Add may be F32
// where the activations are BF16: then what the layers add is not rounded.
func (s *Stream) RMSNorm(a *RMSNormArgs) error {
	c := begin(s, "rms_norm")
	if a == nil {
		c.fail("args", "is nil")
		return c.err
	}
	args := C.ll4_rms_norm_args{
		size:      C.uint32_t(C.sizeof_ll4_rms_norm_args),
		eps:       C.float(a.Eps),
		x:         c.tensor("x", &a.X),
		add:       c.tensor("add", &a.Add),
		weight:    c.tensor("weight", &a.Weight),
		out:       c.tensor("out", &a.Out),
		unrounded: c.tensor("unrounded", &a.Unrounded),
	}
	if c.err != nil {
		return c.err
	}
	status := C.llama4_rms_norm(c.api, c.stream, &args, &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(a)
	return c.end(status)
}
