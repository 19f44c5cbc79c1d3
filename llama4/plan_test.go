package llama4

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// The plan of every kind of config.json is compared with the reference in
// TestConfigGoldens; these are the published ones in words.
func TestPlanPublished(t *testing.T) {
	for _, name := range []string{"scout", "maverick"} {
		c := published(t, name)
		plan := c.Plan()
		require.Len(t, plan, 48)
		for i, l := range plan {
			nope := i%4 == 3
			moe := name == "scout" || i%2 == 1
			want := LayerPlan{
				Index: i, RoPE: !nope, Chunked: !nope, QKNorm: name == "scout" && !nope, Temperature: nope, MoE: moe,
				Chunk: 8192, Intermediate: 8192,
			}
			if nope {
				want.Chunk = 0
			}
			if !moe {
				want.Intermediate = 16384
			}
			require.Equal(t, want, l)
		}
	}
}

func TestParametersPublished(t *testing.T) {
	scout, maverick := published(t, "scout").Parameters(), published(t, "maverick").Parameters()
	// The cards say 109 B and 400 B in total, 17 B active.
	require.EqualValues(t, 108_641_793_536, scout.Total)
	require.EqualValues(t, 401_583_781_376, maverick.Total)
	require.InDelta(t, 17e9, scout.Active, 0.5e9)
	require.InDelta(t, 17e9, maverick.Active, 0.5e9)
	for _, p := range []Parameters{scout, maverick} {
		var sum int64
		for _, n := range p.Parts {
			sum += n
		}
		require.Equal(t, p.Total, sum)
		require.EqualValues(t, 202048*5120, p.Parts[PartEmbedding])
		require.EqualValues(t, 202048*5120, p.Parts[PartHead])
		require.EqualValues(t, 48*(2*5120*5120+2*1024*5120), p.Parts[PartAttention])
		require.EqualValues(t, (2*48+1)*5120, p.Parts[PartNorms])
	}
	require.EqualValues(t, 48*16*3*5120*8192, scout.Parts[PartExperts])
	require.EqualValues(t, 24*128*3*5120*8192, maverick.Parts[PartExperts])
	require.EqualValues(t, 48*3*5120*8192, scout.Parts[PartShared])
	require.EqualValues(t, 24*3*5120*16384, maverick.Parts[PartDense])
	require.EqualValues(t, 24*128*5120, maverick.Parts[PartRouter])
	require.NotContains(t, scout.Parts, PartDense)
	require.Equal(t, scout.Parts[PartVision], maverick.Parts[PartVision])
}

func TestKVBytes(t *testing.T) {
	c := published(t, "scout")
	const position = 2 * 8 * 128 * 2 // keys and values of one layer, bfloat16
	paged, full := c.KVBytes(100, bindings.BF16)
	require.EqualValues(t, 48*100*position, paged)
	require.Equal(t, paged, full)
	paged, full = c.KVBytes(8193, bindings.BF16)
	require.EqualValues(t, (36*8192+12*8193)*position, paged)
	require.EqualValues(t, 48*8193*position, full)
	paged, full = c.KVBytes(1<<20, bindings.BF16)
	require.EqualValues(t, (36*8192+12<<20)*position, paged)
	require.EqualValues(t, 48<<20*position, full)
}
