package bench

import (
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// The sizes of Scout.
const (
	hidden  = 5120
	heads   = 40
	kvHeads = 8
	headDim = 128
	expertF = 8192
	vocab   = 202048
	chunk   = 8192
)

// rig is a device with a stream and the tensors of one benchmark.
type rig struct {
	b      *testing.B
	device *bindings.Device
	stream *bindings.Stream
	random *rand.Rand
}

func newRig(b *testing.B) *rig {
	b.Helper()
	name := os.Getenv("LLAMA4_DEVICE")
	if name == "" {
		name = "cpu"
	}
	d, err := bindings.Open(name, nil)
	require.NoError(b, err)
	s, err := d.NewStream()
	require.NoError(b, err)
	r := &rig{b: b, device: d, stream: s, random: rand.New(rand.NewPCG(1, 1))}
	b.Cleanup(func() {
		require.NoError(b, s.Close())
		require.NoError(b, d.Close())
	})
	return r
}

// empty makes a tensor whose contents do not matter.
func (r *rig) empty(dtype bindings.DType, shape ...int64) bindings.Tensor {
	bytes := dtype.Size()
	for _, n := range shape {
		bytes *= n
	}
	buffer, err := r.device.NewBuffer(bytes)
	require.NoError(r.b, err)
	r.b.Cleanup(func() { require.NoError(r.b, buffer.Close()) })
	return buffer.Tensor(dtype, shape...)
}

// normal makes a tensor of F32 or BF16 with small random numbers, repeated every
// megabyte so that setting up large ones does not take long.
func (r *rig) normal(dtype bindings.DType, shape ...int64) bindings.Tensor {
	t := r.empty(dtype, shape...)
	const block = 1 << 19
	flat := t.Reshape(t.Elements())
	f32, bf16 := make([]float32, block), make([]bindings.BFloat16, block)
	for i := range f32 {
		f32[i] = float32(r.random.NormFloat64()) * 0.02
		bf16[i] = bindings.BF16FromFloat32(f32[i])
	}
	for at := int64(0); at < t.Elements(); at += block {
		n := min(block, t.Elements()-at)
		var err error
		if dtype == bindings.F32 {
			err = bindings.Write(r.stream, flat.Rows(at, at+n), f32[:n])
		} else {
			err = bindings.Write(r.stream, flat.Rows(at, at+n), bf16[:n])
		}
		require.NoError(r.b, err)
	}
	return t
}

func (r *rig) int32s(values ...int32) bindings.Tensor {
	t := r.empty(bindings.I32, int64(len(values)))
	require.NoError(r.b, bindings.Write(r.stream, t, values))
	return t
}

// measure times run, which does flops operations and must move bytes.
func (r *rig) measure(flops, bytes float64, run func() error) {
	r.b.Helper()
	require.NoError(r.b, run())
	require.NoError(r.b, r.stream.Synchronize())
	t := newTimer(r)
	require.NoError(r.b, t.start())
	for r.b.Loop() {
		if err := run(); err != nil {
			r.b.Fatal(err)
		}
	}
	require.NoError(r.b, t.stop())
	elapsed, err := t.elapsed()
	require.NoError(r.b, err)
	seconds := elapsed.Seconds() / float64(r.b.N)
	if flops > 0 {
		r.b.ReportMetric(flops/seconds/1e9, "GFLOP/s")
	}
	r.b.ReportMetric(bytes/seconds/1e9, "GB/s")
}
