package bindings

/*
#include "lib.h"

#cgo noescape llama4_attention
#cgo nocallback llama4_attention
static ll4_status llama4_attention(const ll4_api *api, ll4_stream *stream,
    const ll4_attention_args *args, ll4_error *error) {
  return api->attention(stream, args, error);
}
*/
import "C"

import "runtime"

// AttentionArgs are the arguments of [Stream.Attention].
type AttentionArgs struct {
	Scale   float32 // D^-0.5 in Llama 4
	Chunk   int     // positions; 0: the whole context
	Compute Compute
	Batch   Batch
	Q       Tensor // act [T, Hq, D]
	KV      KV     // with the keys and values of the new tokens
	Out     Tensor // act [T, Hq, D]
	// Each query sees all keys of its sequence, past and new; then Chunk is 0.
	Bidirectional bool
}

// Attention attends over the paged cache, for prefill and decode alike. The query
// at position p sees the keys at j <= p, and with Chunk > 0 only those with
// j/Chunk == p/Chunk; with Bidirectional it sees all. Query head h reads KV head
// h / (Hq/Hkv). The softmax, over Scale * q.k, is in fp32.
func (s *Stream) Attention(a *AttentionArgs) error {
	c := begin(s, "attention")
	if a == nil {
		c.fail("args", "is nil")
		return c.err
	}
	args := C.ll4_attention_args{
		size:          C.uint32_t(C.sizeof_ll4_attention_args),
		scale:         C.float(a.Scale),
		chunk:         c.int32("chunk", a.Chunk),
		compute:       C.int32_t(a.Compute),
		batch:         c.batch(&a.Batch),
		q:             c.tensor("q", &a.Q),
		kv:            c.kv(&a.KV),
		out:           c.tensor("out", &a.Out),
		bidirectional: flag(a.Bidirectional),
	}
	if c.err != nil {
		return c.err
	}
	status := C.llama4_attention(c.api, c.stream, &args, &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(a)
	return c.end(status)
}
