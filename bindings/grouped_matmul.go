package bindings

/*
#include "lib.h"

#cgo noescape llama4_grouped_matmul
#cgo nocallback llama4_grouped_matmul
static ll4_status llama4_grouped_matmul(const ll4_api *api, ll4_stream *stream,
    const ll4_grouped_matmul_args *args, ll4_error *error) {
  return api->grouped_matmul(stream, args, error);
}
*/
import "C"

import "runtime"

// GroupedMatmulArgs are the arguments of [Stream.GroupedMatmul].
type GroupedMatmulArgs struct {
	Compute   Compute
	SwiGLU    bool
	X         Tensor // act [T, K] with Gather, else [R, K]
	Weight    Weight // [E, K, N] or [E, N, K]
	Offsets   Tensor // i32 [E+1], Offsets[E] = R, as Router writes them
	Gather    Tensor // i32 [R]; optional
	RowScores Tensor // f32 [R]; optional
	Scatter   Tensor // i32 [R]; optional
	Out       Tensor // act or F32 [R, N], [R, N/2] with SwiGLU, [T, ...] with Scatter
}

// GroupedMatmul multiplies each row by the matrix of its expert: for row r of
// expert e, y[r] = (s x) W[e], where x is x[Gather[r]] (or x[r]) and s is
// RowScores[r] (or 1). With SwiGLU, N = 2F and y = silu(first F) * (last F). With
// Scatter, out[t] is the sum of the rows with Scatter[r] == t in ascending r, 0
// where there is none; else out[r] = y[r].
func (s *Stream) GroupedMatmul(a *GroupedMatmulArgs) error {
	c := begin(s, "grouped_matmul")
	if a == nil {
		c.fail("args", "is nil")
		return c.err
	}
	args := C.ll4_grouped_matmul_args{
		size:       C.uint32_t(C.sizeof_ll4_grouped_matmul_args),
		compute:    C.int32_t(a.Compute),
		swiglu:     flag(a.SwiGLU),
		x:          c.tensor("x", &a.X),
		weight:     c.weight(&oneWeight, &a.Weight),
		offsets:    c.tensor("offsets", &a.Offsets),
		gather:     c.tensor("gather", &a.Gather),
		row_scores: c.tensor("row_scores", &a.RowScores),
		scatter:    c.tensor("scatter", &a.Scatter),
		out:        c.tensor("out", &a.Out),
	}
	if c.err != nil {
		return c.err
	}
	status := C.llama4_grouped_matmul(c.api, c.stream, &args, &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(a)
	return c.end(status)
}
