package bindings

/*
#include "lib.h"

#cgo noescape llama4_qkv_epilogue
#cgo nocallback llama4_qkv_epilogue
static ll4_status llama4_qkv_epilogue(const ll4_api *api, ll4_stream *stream,
    const ll4_qkv_epilogue_args *args, ll4_error *error) {
  return api->qkv_epilogue(stream, args, error);
}
*/
import "C"

import "runtime"

// QKVEpilogueArgs are the arguments of [Stream.QKVEpilogue].
type QKVEpilogueArgs struct {
	QKNorm     bool    // RMS norm without a weight of each head of q and k
	QKNormEps  float32 // with QKNorm
	AttnScale  float32 // of the temperature of layers without rotation; 0: none
	FloorScale float32 // with AttnScale, in positions
	Batch      Batch
	QKV        Tensor // act or F32 [T, (Hq+2Hkv) D]: q, k and v side by side
	InvFreq    Tensor // F32 [D/2], radians a position; optional: no rotation
	Q          Tensor // out: act [T, Hq, D]
	KV         KV     // written
	Angles     Tensor // F32 [Batch.MaxContext or more, D/2], radians; optional
}

// QKVEpilogue does what lies between the QKV matmul and attention. With InvFreq,
// the pairs (2i, 2i+1) of q and k turn by position * InvFreq[i], or with Angles, of
// which only one may be given, by Angles[position][i]; then, with QKNorm, each head
// of q and k is divided by sqrt(mean(square) + QKNormEps). With AttnScale not 0,
// q *= 1 + AttnScale * ln(1 + floor((position+1) / FloorScale)). q is written out,
// k and v go to the pages of their positions.
func (s *Stream) QKVEpilogue(a *QKVEpilogueArgs) error {
	c := begin(s, "qkv_epilogue")
	if a == nil {
		c.fail("args", "is nil")
		return c.err
	}
	args := C.ll4_qkv_epilogue_args{
		size:        C.uint32_t(C.sizeof_ll4_qkv_epilogue_args),
		qk_norm:     flag(a.QKNorm),
		qk_norm_eps: C.float(a.QKNormEps),
		attn_scale:  C.float(a.AttnScale),
		floor_scale: C.float(a.FloorScale),
		batch:       c.batch(&a.Batch),
		qkv:         c.tensor("qkv", &a.QKV),
		inv_freq:    c.tensor("inv_freq", &a.InvFreq),
		q:           c.tensor("q", &a.Q),
		kv:          c.kv(&a.KV),
		angles:      c.tensor("angles", &a.Angles),
	}
	if c.err != nil {
		return c.err
	}
	status := C.llama4_qkv_epilogue(c.api, c.stream, &args, &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(a)
	return c.end(status)
}
