package bindings

/*
#include "lib.h"

#cgo noescape llama4_unfold
#cgo nocallback llama4_unfold
static ll4_status llama4_unfold(const ll4_api *api, ll4_stream *stream,
    const ll4_unfold_args *args, ll4_error *error) {
  return api->unfold(stream, args, error);
}
*/
import "C"

import "runtime"

// UnfoldArgs are the arguments of [Stream.Unfold].
type UnfoldArgs struct {
	Patch int    // side of a patch; S is a multiple
	X     Tensor // F32 or BF16 [I, channels, S, S]
	Out   Tensor // act [I, g^2 or more, channels*Patch^2 or more], with g = S/Patch
}

// Unfold lays the patches of I tiles out as rows for a matmul. Row y*g+x of a tile is
// its patch at row y, column x, in the order channel, row, column. Further rows and
// columns of Out become 0: places for the class token, and an aligned width.
func (s *Stream) Unfold(a *UnfoldArgs) error {
	c := begin(s, "unfold")
	if a == nil {
		c.fail("args", "is nil")
		return c.err
	}
	args := C.ll4_unfold_args{
		size:  C.uint32_t(C.sizeof_ll4_unfold_args),
		patch: c.int32("patch", a.Patch),
		x:     c.tensor("x", &a.X),
		out:   c.tensor("out", &a.Out),
	}
	if c.err != nil {
		return c.err
	}
	status := C.llama4_unfold(c.api, c.stream, &args, &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(a)
	return c.end(status)
}
