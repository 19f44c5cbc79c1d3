package llama4

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// A cache of fewer bits takes that much less memory, and moves what attention gives by
// what its steps are. Keys and values have errors of 2.5 % on average in fp8, which
// rounds to 4 bits, and of 10 % in int4, whose steps are a 7th of a head's largest
// value; a weight of attention is off by as much as a score is, so twice to three times
// that comes out, and more than all of it where a scale or a page is wrong. Pages of 5
// tokens make the cache grow on the way.
func TestKVCache(t *testing.T) {
	for _, device := range testDevices(t) {
		for _, name := range []string{"scout16", "tied"} { // heads of 24 and of 12
			t.Run(device+"/"+name, func(t *testing.T) {
				bytes, seen := map[string]int64{}, map[string][]float32{}
				for _, kind := range KVCaches() {
					o := Options{Device: device, KVCache: kind, PageSize: 5, PrefillTokens: 40}
					o.Tap = func(name string, _ int, values []float32) {
						if name == "layers.0.attn" {
							seen[kind] = append(seen[kind], values...)
						}
					}
					m := openTest(t, name, o)
					ids := randomTokens(rand.New(rand.NewPCG(1, 2)), m, within(device, 100, 20))
					q := m.NewSequence()
					require.NoError(t, m.Prefill(context.Background(), q, ids, NoRows, nil))
					bytes[kind] = m.CacheBytes()
					require.NoError(t, q.Close())
				}
				dim := int64(openConfig(t, name).HeadDim)
				require.Equal(t, bytes["auto"]*(dim+4), bytes["fp8"]*2*dim)
				require.Equal(t, bytes["auto"]*(dim/2+4), bytes["int4"]*2*dim)
				fp8, int4 := apart(seen["fp8"], seen["auto"]), apart(seen["int4"], seen["auto"])
				t.Logf("relative distance %.3f in fp8, %.3f in int4", fp8, int4)
				require.Positive(t, fp8)
				require.Greater(t, int4, fp8)
				require.Less(t, int4, 0.3)
				require.Less(t, fp8, 0.08)
			})
		}
	}
}

func openConfig(t *testing.T, name string) *Config {
	t.Helper()
	c, err := LoadConfig("testdata/" + name)
	require.NoError(t, err)
	return c
}

// apart is the root of the mean square of a difference, relative to that of want.
func apart(got, want []float32) float64 {
	difference, size := 0.0, 0.0
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		difference += d * d
		size += float64(w) * float64(w)
	}
	return math.Sqrt(difference / size)
}

func TestKVType(t *testing.T) {
	require.Equal(t, bindings.F32, KVType("auto", bindings.ComputeF32))
	require.Equal(t, bindings.BF16, KVType("auto", bindings.ComputeAuto))
	require.Equal(t, bindings.F8, KVType("fp8", bindings.ComputeF32))
	require.Equal(t, bindings.I4, KVType("int4", bindings.ComputeAuto))
	_, err := Open(context.Background(), "testdata/scout16", &Options{Device: "cpu", KVCache: "int8"})
	require.ErrorContains(t, err, `options: KVCache is "int8", want auto, fp8, int4`)
}
