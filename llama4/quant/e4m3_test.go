package quant

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/safetensors"
)

func TestE4M3Codes(t *testing.T) {
	for code := range 256 {
		b := byte(code)
		other := safetensors.Tensor{DType: safetensors.F8_E4M3, Data: []byte{b}}.Float32s(nil)[0]
		v := FromE4M3(b)
		require.Equal(t, math.Float32bits(other)&^0x7fffff, math.Float32bits(v)&^0x7fffff, "%#x", b)
		if b&0x7f == 0x7f {
			require.True(t, math.IsNaN(float64(v)))
			require.Equal(t, byte(0x7f), E4M3(v)&0x7f)
			continue
		}
		require.Equal(t, other, v)
		require.Equal(t, b, E4M3(v))
	}
}

// Between two neighbours the nearer is chosen, in the middle the even one.
func TestE4M3Rounds(t *testing.T) {
	for code := range byte(0x7e) {
		low, high := FromE4M3(code), FromE4M3(code+1)
		middle := (low + high) / 2 // exact
		require.Equal(t, code+code&1, E4M3(middle), "%v", middle)
		require.Equal(t, code, E4M3(math.Nextafter32(middle, 0)))
		require.Equal(t, code+1, E4M3(math.Nextafter32(middle, 1000)))
		require.Equal(t, 0x80|(code+code&1), E4M3(-middle))
	}
	for _, big := range []float32{448, 464, 1e10, float32(math.Inf(1))} {
		require.Equal(t, byte(0x7e), E4M3(big))
		require.Equal(t, byte(0xfe), E4M3(-big))
	}
	require.Equal(t, byte(0x80), E4M3(float32(math.Copysign(0, -1))))
	require.Equal(t, byte(0), E4M3(math.SmallestNonzeroFloat32))
}
