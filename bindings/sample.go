package bindings

/*
#include "lib.h"

#cgo noescape llama4_sample
#cgo nocallback llama4_sample
static ll4_status llama4_sample(const ll4_api *api, ll4_stream *stream,
    const ll4_sample_args *args, ll4_error *error) {
  return api->sample(stream, args, error);
}
*/
import "C"

import "runtime"

// SampleArgs are the arguments of [Stream.Sample]: R rows, each with rules of its
// own.
type SampleArgs struct {
	X           Tensor // f32 [R, V], logits
	Temperature Tensor // f32 [R], at least 0; 0 takes the largest logit
	TopK        Tensor // i32 [R]; 0 keeps all
	TopP        Tensor // f32 [R], 0 to 1; 1 keeps all
	MinP        Tensor // f32 [R], 0 to 1; 0 keeps all
	Draw        Tensor // f32 [R], in [0, 1)
	IDs         Tensor // out: i32 [R]; -1 where the logits allow no token
}

// Sample chooses one token a row: the top-k of the largest logits, with all equal
// to the last of them; of these the most likely until their share reaches top-p,
// the one that gets there included; of these the ones with at least min-p of the
// most likely one's share; and of these, by rising id, the one at which the shares
// pass Draw. Ties go to the lowest id. A row with a logit that is NaN or +Inf, or
// with all -Inf, gives -1.
func (s *Stream) Sample(a *SampleArgs) error {
	c := begin(s, "sample")
	if a == nil {
		c.fail("args", "is nil")
		return c.err
	}
	args := C.ll4_sample_args{
		size:        C.uint32_t(C.sizeof_ll4_sample_args),
		x:           c.tensor("x", &a.X),
		temperature: c.tensor("temperature", &a.Temperature),
		top_k:       c.tensor("top_k", &a.TopK),
		top_p:       c.tensor("top_p", &a.TopP),
		min_p:       c.tensor("min_p", &a.MinP),
		draw:        c.tensor("draw", &a.Draw),
		ids:         c.tensor("ids", &a.IDs),
	}
	if c.err != nil {
		return c.err
	}
	status := C.llama4_sample(c.api, c.stream, &args, &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(a)
	return c.end(status)
}
