package optest

import (
	"testing"

	"github.com/llama4go/llama4go/bindings"
)

// Where a GPU takes other paths: each size of query tiles, and keys that several
// blocks share.
func TestAttentionVision(t *testing.T) {
	for _, c := range []attnCase{
		{name: "large tiles", heads: 5, kv: 1, dim: 88, page: 16, spans: []span{{0, 60}, {100, 30}}},
		{name: "largest tiles", heads: 5, kv: 1, dim: 88, page: 64, spans: []span{{100, 150}, {0, 158}}},
		{name: "split keys", heads: 5, kv: 1, dim: 88, page: 64, spans: []span{{900, 2}, {0, 1}}},
		{name: "split keys of many queries", heads: 5, kv: 1, dim: 32, page: 64, spans: []span{{1000, 20}}},
		{name: "split keys of odd heads", heads: 3, kv: 1, dim: 33, page: 7, spans: []span{{700, 2}}},
	} {
		c.bidirectional = true
		t.Run(c.name, func(t *testing.T) {
			testAttention(t, c, mode{bindings.BF16, bindings.ComputeAuto}, bindings.BF16)
		})
	}
}
