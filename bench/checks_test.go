package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// The operands are what the checks take them for: noise that repeats itself, of
// the operand's scale.
func TestOperands(t *testing.T) {
	r := newRig(t)
	for _, dtype := range []bindings.DType{bindings.F32, bindings.BF16} {
		o := r.random(dtype, 1.0/64, 7, period/2)
		got, err := bindings.ReadFloat32s(r.stream, o.Tensor)
		require.NoError(t, err)
		for i, g := range got {
			if float64(g) != o.at(int64(i)) {
				require.Equal(t, o.at(int64(i)), float64(g), "%v, element %d", dtype, i)
			}
		}
	}
}

// otherOperands keeps the right results of one rig from being found, in memory that
// is used again, by the next.
var otherOperands = func() func() int {
	n := 0
	return func() int { n += 100; return n }
}()

// Every operation has a job whose check fails before the operation has run and
// passes after it.
func TestChecks(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range emulatedPlan.shapes() {
		seen[s.operation] = true
		t.Run(s.name(), func(t *testing.T) {
			r := newRig(t)
			r.made = otherOperands()
			j := builders[s.operation](r, s)
			require.Positive(t, j.bytes)
			require.Error(t, j.check(), "nothing has run")
			require.NoError(t, j.run())
			require.NoError(t, j.check())
		})
	}
	require.Len(t, seen, len(builders))
}

func TestShapes(t *testing.T) {
	names := map[string]shape{}
	for _, s := range gpuPlan.shapes() {
		require.NotContains(t, names, s.name())
		names[s.name()] = s
	}
	// One that both models have, one of each, and the ends of the ranges.
	require.Equal(t, dims{"tokens": 1, "m": 1, "n": 7168, "k": 5120}, names["Matmul/qkv/tp=1/tokens=1"].dims)
	require.Equal(t, dims{"tokens": 16384, "m": 16384, "n": 896, "k": 5120}, names["Matmul/qkv/tp=8/tokens=16384"].dims)
	require.Equal(t, dims{"tokens": 64, "m": 64, "n": 16384, "k": 5120}, names["Matmul/dense_gate_up/maverick/tp=2/tokens=64"].dims)
	require.Equal(t, dims{"tokens": 64, "experts": 16, "n": 4096, "k": 5120}, names["GroupedMatmul/gate_up/scout/tp=4/tokens=64"].dims)
	require.Equal(t, 128, names["GroupedMatmul/down/maverick/tp=1/tokens=1"].dims["experts"])
	require.Equal(t, 5, names["Attention/decode/tp=8/sequences=1/new=1/context=8192"].dims["heads"])
	require.Equal(t, 25256, names["Logits/tp=8/rows=1"].dims["n"])
	require.Contains(t, names, "Router/maverick/tokens=16384")
	require.Equal(t, dims{"tiles": 17, "m": 9809, "n": 5632, "k": 1408, "bias": 1, "gelu": 1}, names["Matmul/vision_fc1/tiles=17"].dims)
	require.Equal(t, 88, names["Attention/vision/sequences=17/new=577/context=577"].dims["dim"])
	require.Contains(t, names, "PixelShuffle/tiles=5/rows=577")

	few := gpuPlan.short().shapes()
	require.Less(t, len(few), len(names)/4)
	for _, s := range few {
		require.Contains(t, names, s.name())
	}
}

func TestPairs(t *testing.T) {
	require.EqualValues(t, 2*(5+6), dims{"sequences": 2, "new": 2, "context": 6}.pairs())
	chunked := dims{"sequences": 1, "new": 3, "context": 9, "chunk": 8} // positions 6, 7, 8
	require.EqualValues(t, 7+8+1, chunked.pairs())
	require.EqualValues(t, 2*3*9, dims{"sequences": 2, "new": 3, "context": 9, "bidirectional": 1}.pairs())
	require.Equal(t, 9, chunked.keys())
	require.Equal(t, 1, dims{"sequences": 1, "new": 1, "context": 9, "chunk": 8}.keys())
}

func TestSpread(t *testing.T) {
	us := func(n ...int) *spread {
		var samples []time.Duration
		for _, u := range n {
			samples = append(samples, time.Duration(u)*time.Microsecond)
		}
		return newSpread(samples)
	}
	require.Equal(t, &spread{Samples: 1, Min: 7, Q1: 7, Median: 7, Q3: 7, Max: 7}, us(7))
	require.Equal(t, &spread{Samples: 5, Min: 1, Q1: 2, Median: 3, Q3: 4, Max: 9}, us(4, 9, 2, 1, 3))
	require.Equal(t, &spread{Samples: 2, Min: 1, Q1: 1.5, Median: 2, Q3: 2.5, Max: 3}, us(3, 1))
	require.Equal(t, "3 (1..9)", us(4, 9, 2, 1, 3).String())
}
