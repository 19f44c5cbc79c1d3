//go:build cuda

package cuinterop_test

import (
	"io"
	"math"
	"os"
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
	needGPU(t)
	shareStream(t)
}

// The same with a simulated driver and a simulated libllama4.
func TestSharedStream(t *testing.T) {
	again(t, simulated, shareStream)
}

// The example does what it says, and cannot be run as one everywhere.
func TestExampleOnGPU(t *testing.T) {
	needGPU(t)
	runExample(t)
}

func TestExample(t *testing.T) {
	again(t, simulated, runExample)
}

func runExample(t *testing.T) {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	before := os.Stdout
	os.Stdout = write
	Example()
	os.Stdout = before
	require.NoError(t, write.Close())
	printed, err := io.ReadAll(read)
	require.NoError(t, err)
	require.Equal(t, "1.4609375\n", string(printed))
}

func needGPU(t *testing.T) {
	t.Helper()
	if n, err := cu.NumDevices(); err != nil || n == 0 {
		t.Skipf("no GPU: cu.NumDevices() is %d, %v; %v", n, err, cuinterop.CheckDriver())
	}
	d, err := bindings.Open("cuda:0", nil)
	if err != nil {
		t.Skip("no CUDA backend: ", err)
	}
	require.NoError(t, d.Close())
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
	in, out := make([]bindings.BFloat16, rows*2*width), make([]bindings.BFloat16, rows*width)
	for i := range in {
		in[i] = bindings.BF16FromFloat32(float32(i%97)/16 - 3)
	}
	native, err := cu.MakeStream(cu.NonBlocking)
	require.NoError(t, err)
	defer func() { require.NoError(t, native.Destroy()) }()
	stream, err := cuinterop.WrapStream(d, native)
	require.NoError(t, err)
	defer func() { require.NoError(t, stream.Close()) }()
	require.Equal(t, native, cuinterop.Stream(stream))

	from, free := allocate(t, d, int64(2*len(in)))
	defer free()
	to, free := allocate(t, d, int64(2*len(out)))
	defer free()
	require.NoError(t, timer.Start(native))
	require.NoError(t, cu.MemcpyHtoDAsync(cuinterop.DevicePtr(from), unsafe.Pointer(&in[0]), int64(2*len(in)), native))
	require.NoError(t, stream.SwiGLU(&bindings.SwiGLUArgs{
		GateUp: from.Tensor(bindings.BF16, rows, 2*width), Out: to.Tensor(bindings.BF16, rows, width),
	}))
	require.NoError(t, cu.MemcpyDtoHAsync(unsafe.Pointer(&out[0]), cuinterop.DevicePtr(to), int64(2*len(out)), native))
	require.NoError(t, timer.Stop(native))
	require.NoError(t, native.Synchronize())

	for i, got := range out {
		row, column := i/width, i%width
		gate, up := float64(in[row*2*width+column].Float32()), float64(in[row*2*width+width+column].Float32())
		want := gate / (1 + math.Exp(-gate)) * up
		// The rounding to bf16, 2^-8 at most, above what a few operations in fp32 add.
		require.InDelta(t, want, got.Float32(), 1.01/256*math.Abs(want), "row %d, column %d", row, column)
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
