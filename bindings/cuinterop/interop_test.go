//go:build cuda

package cuinterop_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/cu"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/bindings/cuinterop"
)

func open(t *testing.T, name string) *bindings.Device {
	t.Helper()
	d, err := bindings.Open(name, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func TestBufferThereAndBack(t *testing.T) {
	again(t, simulated, func(t *testing.T) {
		for _, name := range []string{"cuda", "cuda:0"} {
			d := open(t, name)
			for _, p := range []cu.DevicePtr{0x7f0000000100, 0xffff_ffff_ffff_ff00} {
				b, err := cuinterop.WrapBuffer(d, p, 1<<40)
				require.NoError(t, err)
				require.Equal(t, p, cuinterop.DevicePtr(b))
				require.EqualValues(t, 1<<40, b.Bytes())
				require.NoError(t, b.Close())
				require.Zero(t, cuinterop.DevicePtr(b))
			}
		}
	})
}

func TestStreamThereAndBack(t *testing.T) {
	again(t, simulated, func(t *testing.T) {
		d := open(t, "cuda:0")
		ctx, err := cuinterop.PrimaryContext(0)
		require.NoError(t, err)
		defer func() { require.NoError(t, ctx.Close()) }()
		var made cu.Stream
		require.NoError(t, ctx.Do(func() (err error) {
			made, err = cu.MakeStream(cu.NonBlocking)
			return err
		}))
		for _, want := range []cu.Stream{made, cu.NoStream} {
			s, err := cuinterop.WrapStream(d, want)
			require.NoError(t, err)
			require.Equal(t, want, cuinterop.Stream(s))
			require.NoError(t, s.Close())
			require.Equal(t, cu.NoStream, cuinterop.Stream(s))
		}
	})
}

// The special streams of CUDA are the handles 1 and 2, which would stop a program
// if Go took them for pointers: it checks those when a stack grows.
func TestSpecialStreams(t *testing.T) {
	again(t, simulated, func(t *testing.T) {
		d := open(t, "cuda:0")
		for handle := range uintptr(3) {
			s, err := d.WrapStream(handle)
			require.NoError(t, err)
			stream := cuinterop.Stream(s)
			grow(1 << 16)
			back, err := cuinterop.WrapStream(d, stream)
			require.NoError(t, err)
			require.Equal(t, handle, back.Native())
			require.NoError(t, back.Close())
			require.NoError(t, s.Close())
		}
	})
}

//go:noinline
func grow(depth int) byte {
	var frame [64]byte
	if depth > 0 {
		frame[depth%64] = grow(depth - 1)
	}
	return frame[0]
}

func TestOtherDevicesAreRefused(t *testing.T) {
	again(t, simulated, func(t *testing.T) {
		for _, name := range []string{"cpu", "simt", "cudart"} {
			d := open(t, name)
			_, err := cuinterop.WrapBuffer(d, 0x7f0000000100, 16)
			require.ErrorIs(t, err, bindings.ErrUnsupported)
			require.ErrorContains(t, err, `"`+name+`" is not a CUDA device`)
			_, err = cuinterop.WrapStream(d, cu.NoStream)
			require.ErrorIs(t, err, bindings.ErrUnsupported)
		}
		_, err := cuinterop.WrapBuffer(nil, 0x7f0000000100, 16)
		require.ErrorIs(t, err, bindings.ErrInvalidArgument)
		_, err = cuinterop.WrapStream(nil, cu.NoStream)
		require.ErrorIs(t, err, bindings.ErrInvalidArgument)
	})
}
