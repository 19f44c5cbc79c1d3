package bindings

/*
#include "lib.h"

#cgo noescape llama4_embed
#cgo nocallback llama4_embed
static ll4_status llama4_embed(const ll4_api *api, ll4_stream *stream,
    const ll4_embed_args *args, ll4_error *error) {
  return api->embed(stream, args, error);
}
*/
import "C"

import "runtime"

// EmbedArgs are the arguments of [Stream.Embed].
type EmbedArgs struct {
	IDs      Tensor // i32 [T]
	Table    Tensor // bf16 [V, H]
	Out      Tensor // act [T, H]
	Features Tensor // F32 or BF16 [any, H]; optional
}

// Embed gathers rows of the embedding table: out[t] = table[ids[t]], or
// features[ids[t]-V] for ids from V on, which is how the patches of pictures take the
// place of tokens. An id outside [0, V + rows of features) is [ErrInvalidArgument].
func (s *Stream) Embed(a *EmbedArgs) error {
	c := begin(s, "embed")
	if a == nil {
		c.fail("args", "is nil")
		return c.err
	}
	args := C.ll4_embed_args{
		size:     C.uint32_t(C.sizeof_ll4_embed_args),
		ids:      c.tensor("ids", &a.IDs),
		table:    c.tensor("table", &a.Table),
		out:      c.tensor("out", &a.Out),
		features: c.tensor("features", &a.Features),
	}
	if c.err != nil {
		return c.err
	}
	status := C.llama4_embed(c.api, c.stream, &args, &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(a)
	return c.end(status)
}
