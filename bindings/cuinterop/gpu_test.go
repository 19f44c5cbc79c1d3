//go:build cuda

package cuinterop_test

import (
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"gorgonia.org/cu"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/bindings/cuinterop"
)

// On a GPU: cu copies to the device, libllama4 computes, cu copies back, all on one
// stream and in the memory that cu allocated.
func TestSharedStreamOnGPU(t *testing.T) {
	if n, err := cu.NumDevices(); err != nil || n == 0 {
		t.Skipf("no GPU: cu.NumDevices() is %d, %v; %v", n, err, cuinterop.CheckDriver())
	}
	d, err := bindings.Open("cuda:0", nil)
	if err != nil {
		t.Skip("no CUDA backend: ", err)
	}
	require.NoError(t, d.Close())
	shareStream(t)
}

// The same with a simulated driver and a simulated libllama4.
func TestSharedStream(t *testing.T) {
	again(t, simulated, shareStream)
}

func shareStream(t *testing.T) {
	d, err := bindings.Open("cuda:0", nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	ctx, err := cuinterop.PrimaryContext(0)
	require.NoError(t, err)
	defer func() { require.NoError(t, ctx.Close()) }()
	timer, err := ctx.NewTimer()
	require.NoError(t, err)
	defer func() { require.NoError(t, timer.Close()) }()
	require.NoError(t, ctx.Do(func() error {
		computeOnSharedStream(t, d, timer)
		return nil
	}))
	elapsed, err := timer.Elapsed()
	require.NoError(t, err)
	require.Positive(t, elapsed)
	t.Log("copies and operation took ", elapsed)
}

func computeOnSharedStream(t *testing.T, d *bindings.Device, timer *cuinterop.Timer) {
	const rows, width = 64, 256
	in, out := make([]float32, rows*2*width), make([]float32, rows*width)
	for i := range in {
		in[i] = float32(i%97)/16 - 3
	}
	native, err := cu.MakeStream(cu.NonBlocking)
	require.NoError(t, err)
	defer func() { require.NoError(t, native.Destroy()) }()
	stream, err := cuinterop.WrapStream(d, native)
	require.NoError(t, err)
	defer func() { require.NoError(t, stream.Close()) }()
	require.Equal(t, native, cuinterop.Stream(stream))

	from, free := allocate(t, d, int64(4*len(in)))
	defer free()
	to, free := allocate(t, d, int64(4*len(out)))
	defer free()
	require.NoError(t, timer.Start(native))
	require.NoError(t, cu.MemcpyHtoDAsync(cuinterop.DevicePtr(from), unsafe.Pointer(&in[0]), int64(4*len(in)), native))
	require.NoError(t, stream.SwiGLU(&bindings.SwiGLUArgs{
		GateUp: from.Tensor(bindings.F32, rows, 2*width), Out: to.Tensor(bindings.F32, rows, width),
	}))
	require.NoError(t, cu.MemcpyDtoHAsync(unsafe.Pointer(&out[0]), cuinterop.DevicePtr(to), int64(4*len(out)), native))
	require.NoError(t, timer.Stop(native))
	require.NoError(t, native.Synchronize())

	for i, got := range out {
		row, column := i/width, i%width
		gate, up := float64(in[row*2*width+column]), float64(in[row*2*width+width+column])
		want := gate / (1 + math.Exp(-gate)) * up
		// A few operations in fp32, of 6e-8 each, with a fast exponential.
		require.InDelta(t, want, got, 1e-5*(1+math.Abs(want)), "row %d, column %d", row, column)
	}
}

// allocate allocates with cu and wraps. Call free in the same context.
func allocate(t *testing.T, d *bindings.Device, bytes int64) (b *bindings.Buffer, free func()) {
	p, err := cu.MemAlloc(bytes)
	require.NoError(t, err)
	b, err = cuinterop.WrapBuffer(d, p, bytes)
	require.NoError(t, err)
	require.Equal(t, p, cuinterop.DevicePtr(b))
	return b, func() {
		require.NoError(t, b.Close())
		require.NoError(t, cu.MemFree(p))
	}
}
