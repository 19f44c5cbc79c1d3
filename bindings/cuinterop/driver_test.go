//go:build cuda

package cuinterop_test

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"gorgonia.org/cu"

	"github.com/llama4go/llama4go/bindings/cuinterop"
)

// Without a driver the process lives, and everything is an error.
func TestNoDriver(t *testing.T) {
	again(t, broken, func(t *testing.T) {
		n, err := cu.NumDevices()
		require.Zero(t, n)
		require.Equal(t, cu.NoDevice, err)
		require.Equal(t, -1, cu.Version())
		_, err = cu.MemAlloc(1)
		require.Equal(t, cu.NoDevice, err)

		err = cuinterop.CheckDriver()
		require.ErrorIs(t, err, cuinterop.ErrNoCUDA)
		require.ErrorContains(t, err, "libcuda.so.1")
		require.ErrorContains(t, err, "install driver R580")
		require.NotContains(t, err.Error(), "\n")
		_, err = cuinterop.PrimaryContext(0)
		require.ErrorIs(t, err, cuinterop.ErrNoCUDA)
	})
}

// A driver that does not start: its own status comes back from every call.
func TestDriverThatDoesNotStart(t *testing.T) {
	again(t, simulated, func(t *testing.T) {
		_, err := cu.NumDevices()
		require.Equal(t, cu.SystemDriverMismatch, err)
		_, err = cu.GetDevice(0)
		require.Equal(t, cu.SystemDriverMismatch, err)
		err = cuinterop.CheckDriver()
		require.ErrorIs(t, err, cuinterop.ErrNoCUDA)
		require.ErrorIs(t, err, cu.SystemDriverMismatch)
	}, "FAKE_CUDA_INIT=803")
}

func TestDriverWithoutGPU(t *testing.T) {
	again(t, simulated, func(t *testing.T) {
		err := cuinterop.CheckDriver()
		require.ErrorIs(t, err, cuinterop.ErrNoCUDA)
		require.ErrorContains(t, err, "sees no GPU")
	}, "FAKE_CUDA_DEVICES=0")
}

func TestCallsReachTheDriver(t *testing.T) {
	again(t, simulated, func(t *testing.T) {
		require.NoError(t, cuinterop.CheckDriver())
		require.Equal(t, 13000, cu.Version())
		module, err := cu.LoadData("image")
		require.NoError(t, err)
		f, err := module.Function("f")
		require.NoError(t, err)
		out := make([]uint64, 10)
		var pin runtime.Pinner
		pin.Pin(&out[0])
		defer pin.Unpin()
		address := uintptr(unsafe.Pointer(&out[0]))
		require.NoError(t, f.Launch(1, 2, 3, 4, 5, 6, 7, cu.NoStream, []unsafe.Pointer{unsafe.Pointer(&address)}))
		require.Equal(t, []uint64{1, 1, 2, 3, 4, 5, 6, 7, 0, 0}, out)
	})
}

// A driver that lacks a function is an error of the call, not the process's end.
func TestFunctionThatTheDriverLacks(t *testing.T) {
	again(t, simulated, func(t *testing.T) {
		require.Equal(t, cu.SharedObjectSymbolNotFound, cu.Synchronize())
	})
}
