package bindings

/*
#include "lib.h"
*/
import "C"

// KV is one layer's keys and values in pages. Column j of row b of PageTable is
// the page that holds the positions from (FirstPage[b]+j)*size to before
// (FirstPage[b]+j+1)*size of sequence b: a chunked layer gives old pages back and
// raises FirstPage.
type KV struct {
	K         Tensor // F32, BF16, F8 or I4 [P, Hkv, page size, D]
	V         Tensor // the same
	PageTable Tensor // i32 [B, columns]
	FirstPage Tensor // i32 [B]; optional: all 0
	KScale    Tensor // F32 [P, Hkv, page size], of F8 and I4 alone
	VScale    Tensor // the same
}

func (c *call) kv(kv *KV) C.ll4_kv {
	return C.ll4_kv{
		k:          c.tensor("kv.k", &kv.K),
		v:          c.tensor("kv.v", &kv.V),
		page_table: c.tensor("kv.page_table", &kv.PageTable),
		first_page: c.tensor("kv.first_page", &kv.FirstPage),
		k_scale:    c.tensor("kv.k_scale", &kv.KScale),
		v_scale:    c.tensor("kv.v_scale", &kv.VScale),
	}
}
