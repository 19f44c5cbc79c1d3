package discover_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/llama4go/llama4go/bindings/discover"
)

func gpu(index int, free, total uint64) discover.GPU {
	return discover.GPU{
		Index: index, Name: "RTX", UUID: "GPU-" + string(rune('a'+index)),
		Memory: &discover.Memory{Total: total, Free: free, Used: total - free},
	}
}

func TestFitsIn(t *testing.T) {
	split := gpu(4, 70*gib, 80*gib)
	split.MIG = true
	split.Instances = []discover.Instance{
		{Name: "RTX MIG", UUID: "MIG-a", Memory: &discover.Memory{Total: 40 * gib, Free: 15 * gib}},
		{Name: "RTX MIG", UUID: "MIG-b"},
	}
	machine := []discover.GPU{
		gpu(0, 20*gib, 24*gib), gpu(1, 60*gib, 80*gib), gpu(2, 20*gib, 24*gib), {Index: 3, Name: "shares memory"}, split,
	}
	tests := []struct {
		bytes uint64
		want  []string
	}{
		{0, []string{"GPU-b", "GPU-a", "GPU-c", "MIG-a"}},
		{15 * gib, []string{"GPU-b", "GPU-a", "GPU-c", "MIG-a"}},
		{15*gib + 1, []string{"GPU-b", "GPU-a", "GPU-c"}},
		{20 * gib, []string{"GPU-b", "GPU-a", "GPU-c"}},
		{20*gib + 1, []string{"GPU-b"}},
		{60 * gib, []string{"GPU-b"}},
	}
	for _, test := range tests {
		places, err := discover.FitsIn(machine, test.bytes)
		require.NoError(t, err)
		var got []string
		for _, p := range places {
			got = append(got, p.UUID)
		}
		require.Equal(t, test.want, got, "%d bytes", test.bytes)
	}
	places, err := discover.FitsIn(machine, 0)
	require.NoError(t, err)
	require.Equal(t, 4, places[3].GPU)
	require.Equal(t, "RTX MIG", places[3].Name)
	require.EqualValues(t, 40*gib, places[3].Total)
}

func TestFitsNowhere(t *testing.T) {
	split := gpu(0, 70*gib, 80*gib)
	split.MIG = true
	split.Instances = []discover.Instance{{Name: "H100 MIG", UUID: "MIG-a", Memory: &discover.Memory{Total: 40 * gib, Free: 15 * gib}}}
	tests := []struct {
		name  string
		gpus  []discover.GPU
		bytes uint64
		want  string
	}{
		{"none is that large", []discover.GPU{gpu(0, 22*gib+gib/2, 24*gib), gpu(1, 11*gib, 12*gib)}, 61*gib + gib/5,
			"no GPU has enough free memory: needs 61.2 GiB, the largest free is 22.5 GiB on GPU 0 (RTX, 24.0 GiB in all): " +
				"none here is that large, even empty: use a shorter context, quantized weights or the CPU"},
		{"in use", []discover.GPU{gpu(0, 22*gib, 24*gib), gpu(1, 10*gib, 80*gib)}, 61 * gib,
			"no GPU has enough free memory: needs 61.0 GiB, the largest free is 22.0 GiB on GPU 0 (RTX, 24.0 GiB in all): " +
				"GPU 1 could hold it if the 70.0 GiB in use there were freed"},
		{"instance", []discover.GPU{split}, 16 * gib,
			"no GPU has enough free memory: needs 16.0 GiB, the largest free is 15.0 GiB on a MIG instance of GPU 0 (H100 MIG, 40.0 GiB in all): " +
				"a MIG instance of GPU 0 could hold it if the 25.0 GiB in use there were freed"},
		{"nearly", []discover.GPU{gpu(0, 20*gib, 24*gib)}, 20*gib + 20<<20,
			"no GPU has enough free memory: needs 20.02 GiB, the largest free is 20.00 GiB on GPU 0 (RTX, 24.0 GiB in all): " +
				"GPU 0 could hold it if the 4.0 GiB in use there were freed"},
		{"by a byte", []discover.GPU{gpu(0, 1000, 24*gib)}, 1001,
			"no GPU has enough free memory: needs 1001 bytes, the largest free is 1000 bytes on GPU 0 (RTX, 24.0 GiB in all): " +
				"GPU 0 could hold it if the 24.0 GiB in use there were freed"},
		{"no GPU", nil, gib, "no GPU has enough free memory: needs 1.0 GiB, and there is no GPU"},
		{"unknown", []discover.GPU{{Name: "shares memory"}}, gib,
			"no GPU has enough free memory: needs 1.0 GiB, and no GPU here tells how much is free"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			places, err := discover.FitsIn(test.gpus, test.bytes)
			require.Empty(t, places)
			require.ErrorIs(t, err, discover.ErrNoFit)
			require.EqualError(t, err, test.want)
		})
	}
}

// Whatever the machine: exactly the places with room, in falling order, or an
// error when there is none.
func TestFitsInProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		free := rapid.SliceOfN(rapid.Uint64Range(0, 9), 0, 8).Draw(t, "free")
		bytes := rapid.Uint64Range(0, 10).Draw(t, "bytes")
		var gpus []discover.GPU
		room := 0
		for i, f := range free {
			gpus = append(gpus, gpu(i, f, 10))
			if f >= bytes {
				room++
			}
		}
		places, err := discover.FitsIn(gpus, bytes)
		require.Equal(t, room == 0, err != nil)
		require.Len(t, places, room)
		for i, p := range places {
			require.Equal(t, free[p.GPU], p.Free)
			require.GreaterOrEqual(t, p.Free, bytes)
			if i > 0 {
				before := places[i-1]
				require.True(t, before.Free > p.Free || before.Free == p.Free && before.GPU < p.GPU)
			}
		}
	})
}
