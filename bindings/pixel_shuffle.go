package bindings

/*
#include "lib.h"

#cgo noescape llama4_pixel_shuffle
#cgo nocallback llama4_pixel_shuffle
static ll4_status llama4_pixel_shuffle(const ll4_api *api, ll4_stream *stream,
    const ll4_pixel_shuffle_args *args, ll4_error *error) {
  return api->pixel_shuffle(stream, args, error);
}
*/
import "C"

import "runtime"

// PixelShuffleArgs are the arguments of [Stream.PixelShuffle].
type PixelShuffleArgs struct {
	Factor int    // a divisor of g
	X      Tensor // act [I, g^2 or more, C]
	Out    Tensor // act [I, (g/Factor)^2, C*Factor^2]
}

// PixelShuffle makes one row of each square of Factor x Factor patches. X has g x g
// patches a tile, row by row, and maybe further rows, which are dropped; row
// y*(g/Factor)+x of Out has the patches of its square side by side, row by row.
func (s *Stream) PixelShuffle(a *PixelShuffleArgs) error {
	c := begin(s, "pixel_shuffle")
	if a == nil {
		c.fail("args", "is nil")
		return c.err
	}
	args := C.ll4_pixel_shuffle_args{
		size:   C.uint32_t(C.sizeof_ll4_pixel_shuffle_args),
		factor: c.int32("factor", a.Factor),
		x:      c.tensor("x", &a.X),
		out:    c.tensor("out", &a.Out),
	}
	if c.err != nil {
		return c.err
	}
	status := C.llama4_pixel_shuffle(c.api, c.stream, &args, &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(a)
	return c.end(status)
}
