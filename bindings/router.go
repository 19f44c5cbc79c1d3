package bindings

/*
#include "lib.h"

#cgo noescape llama4_router
#cgo nocallback llama4_router
static ll4_status llama4_router(const ll4_api *api, ll4_stream *stream,
    const ll4_router_args *args, ll4_error *error) {
  return api->router(stream, args, error);
}
*/
import "C"

import "runtime"

// RouterArgs are the arguments of [Stream.Router].
type RouterArgs struct {
	TopK      int
	X         Tensor // act or F32 [T, H]
	Weight    Tensor // bf16 [E, H]
	Logits    Tensor // out: f32 [T, E]
	Experts   Tensor // out: i32 [T, TopK], best first
	Scores    Tensor // out: f32 [T, TopK]
	Offsets   Tensor // out: i32 [E+1]: rows Offsets[e] to before Offsets[e+1] are e's
	RowTokens Tensor // out: i32 [T*TopK]: the token of a row
	RowScores Tensor // out: f32 [T*TopK]: the score of a row
}

// Router chooses experts: logits = x W^T in fp32, the TopK largest of a token
// (ties: the lowest expert) and their sigmoid as score; then it lists the T*TopK
// rows that the experts work on in order of (expert, token).
func (s *Stream) Router(a *RouterArgs) error {
	c := begin(s, "router")
	if a == nil {
		c.fail("args", "is nil")
		return c.err
	}
	args := C.ll4_router_args{
		size:       C.uint32_t(C.sizeof_ll4_router_args),
		top_k:      c.int32("top_k", a.TopK),
		x:          c.tensor("x", &a.X),
		weight:     c.tensor("weight", &a.Weight),
		logits:     c.tensor("logits", &a.Logits),
		experts:    c.tensor("experts", &a.Experts),
		scores:     c.tensor("scores", &a.Scores),
		offsets:    c.tensor("offsets", &a.Offsets),
		row_tokens: c.tensor("row_tokens", &a.RowTokens),
		row_scores: c.tensor("row_scores", &a.RowScores),
	}
	if c.err != nil {
		return c.err
	}
	status := C.llama4_router(c.api, c.stream, &args, &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(a)
	return c.end(status)
}
