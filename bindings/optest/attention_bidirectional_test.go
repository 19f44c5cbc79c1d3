package optest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// Every query sees every key of its sequence: prompts around the sizes of key blocks
// and query tiles, pages that a sequence fills just, nearly and barely, and pasts.
var bidirectionalCases = []attnCase{
	{name: "one token", heads: 1, kv: 1, dim: 1, page: 1, spans: []span{{0, 1}}},
	{name: "short", heads: 4, kv: 4, dim: 32, page: 4, spans: []span{{0, 13}}},
	{name: "groups", heads: 6, kv: 2, dim: 33, page: 4, spans: []span{{0, 37}}},
	{name: "ragged", heads: 4, kv: 4, dim: 88, page: 4, spans: []span{{0, 5}, {0, 17}, {3, 9}, {0, 1}, {40, 2}}},
	{name: "past", heads: 2, kv: 1, dim: 64, page: 16, spans: []span{{130, 40}, {7, 3}}},
	{name: "long past", heads: 5, kv: 1, dim: 128, page: 64, spans: []span{{1000, 3}, {900, 1}}},
	{name: "page edges", heads: 2, kv: 2, dim: 16, page: 16, spans: []span{{0, 15}, {0, 16}, {0, 17}, {0, 32}, {0, 33}}},
	{name: "pages of one", heads: 2, kv: 1, dim: 3, page: 1, spans: []span{{0, 9}, {4, 3}}},
	{name: "odd pages", heads: 3, kv: 1, dim: 32, page: 7, spans: []span{{0, 70}, {5, 66}}},
	{name: "block edges", heads: 2, kv: 1, dim: 32, page: 64, spans: []span{{0, 63}, {0, 64}, {0, 65}, {0, 128}, {0, 129}}},
	{name: "bound too large", heads: 4, kv: 2, dim: 32, page: 4, extraMaxContext: 1000, spans: []span{{0, 5}, {17, 1}, {3, 9}}},
	{name: "a sequence without new tokens", heads: 2, kv: 1, dim: 16, page: 4, spans: []span{{0, 3}, {9, 0}, {8, 1}}},
}

// The vision tower's: a tile is a sequence of 577 positions, on one page.
var towerCases = []attnCase{
	{name: "a tile", heads: 1, kv: 1, dim: 88, page: 577, spans: []span{{0, 577}}},
	{name: "tiles", heads: 2, kv: 2, dim: 88, page: 145, spans: []span{{0, 145}, {0, 145}, {0, 145}}},
}

func TestAttentionBidirectional(t *testing.T) {
	for _, c := range bidirectionalCases {
		c.bidirectional = true
		for _, m := range modes {
			for _, cache := range acts {
				if cache != m.act && m.compute != bindings.ComputeF32 {
					continue // the pairs of types are covered once
				}
				t.Run(fmt.Sprintf("%s,%v,cache-%v", c.name, m, cache), func(t *testing.T) { testAttention(t, c, m, cache) })
			}
		}
	}
	for _, c := range towerCases {
		c.bidirectional = true
		for _, m := range []mode{{bindings.F32, bindings.ComputeF32}, {bindings.BF16, bindings.ComputeAuto}} {
			t.Run(fmt.Sprintf("%s,%v", c.name, m), func(t *testing.T) { testAttention(t, c, m, m.act) })
		}
	}
}

// The last query sees all keys either way.
func TestAttentionBidirectionalLast(t *testing.T) {
	c := attnCase{heads: 4, kv: 2, dim: 32, page: 4, spans: []span{{11, 21}}}
	m := mode{bindings.F32, bindings.ComputeF32}
	onCPU(t, func(t *testing.T, r *rig) {
		rng := newRand(t.Name())
		pages, caches := newPaging(rng, c.spans, c.page, 0), newCaches(rng, c.spans, c.kv, c.dim, m.act)
		a := c.args(r, m, m.act, pages, caches, random(rng, m.act, 21*c.heads*c.dim))
		require.NoError(t, r.stream.Attention(&a))
		causal := r.bytes(a.Out.Rows(20, 21))
		first := r.bytes(a.Out.Rows(0, 1))
		a.Bidirectional = true
		require.NoError(t, r.stream.Attention(&a))
		require.Equal(t, causal, r.bytes(a.Out.Rows(20, 21)))
		require.NotEqual(t, first, r.bytes(a.Out.Rows(0, 1)))
	})
}
