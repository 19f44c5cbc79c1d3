//go:build cuda

package cuinterop_test

import (
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/cu"

	"github.com/llama4go/llama4go/bindings/cuinterop"
)

// uses returns how often the primary context is retained; the simulated driver
// counts.
func uses(t *testing.T) int {
	t.Helper()
	_, n, err := cu.Device(0).PrimaryCtxState()
	require.NoError(t, err)
	return n
}

func current(t *testing.T) cu.CUContext {
	t.Helper()
	c, err := cu.CurrentContext()
	assert.NoError(t, err)
	return c
}

func TestDo(t *testing.T) {
	again(t, simulated, func(t *testing.T) {
		ctx, err := cuinterop.PrimaryContext(0)
		require.NoError(t, err)
		require.Equal(t, cu.Device(0), ctx.Device())
		require.Equal(t, 1, uses(t))
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				assert.NoError(t, ctx.Do(func() error {
					assert.Equal(t, ctx.CUContext(), current(t))
					assert.NoError(t, ctx.Do(func() error { return nil }))
					assert.Equal(t, ctx.CUContext(), current(t))
					return nil
				}))
				assert.Equal(t, cu.CUContext{}, current(t))
			})
		}
		group.Wait()
		failed := errors.New("failed")
		require.Equal(t, failed, ctx.Do(func() error { return failed }))
		require.Panics(t, func() { _ = ctx.Do(func() error { panic("panics") }) })
		require.Equal(t, cu.CUContext{}, current(t))
		require.NoError(t, ctx.Close())
		require.NoError(t, ctx.Close())
		require.Zero(t, uses(t))
	})
}

// A *cu.Ctx of the primary context works, and neither the garbage collector nor
// Close destroys the context: the simulated driver ends the process if they do.
func TestCtx(t *testing.T) {
	again(t, simulated, func(t *testing.T) {
		useCtx(t)
		for range 3 {
			runtime.GC()
			time.Sleep(time.Millisecond) // finalizers run in a goroutine of their own
		}
	})
}

func useCtx(t *testing.T) {
	ctx, err := cuinterop.PrimaryContext(0)
	require.NoError(t, err)
	c, err := ctx.Ctx()
	require.NoError(t, err)
	same, err := ctx.Ctx()
	require.NoError(t, err)
	require.Same(t, c, same)
	var inside cu.CUContext
	require.NoError(t, c.Do(func() (err error) {
		inside, err = cu.CurrentContext()
		return err
	}))
	require.Equal(t, ctx.CUContext(), inside)
	p, err := c.MemAlloc(64)
	require.NoError(t, err)
	require.NotZero(t, p)
	c.MemFree(p)
	require.NoError(t, c.Error())
	require.NoError(t, ctx.Close())
	require.Zero(t, uses(t))
	_, err = ctx.Ctx()
	require.ErrorContains(t, err, "closed")
}

func TestNoSuchGPU(t *testing.T) {
	again(t, simulated, func(t *testing.T) {
		_, err := cuinterop.PrimaryContext(7)
		require.ErrorIs(t, err, cu.InvalidDevice)
		require.ErrorContains(t, err, "GPU 7")
	})
}

func TestTimer(t *testing.T) {
	again(t, simulated, func(t *testing.T) {
		ctx, err := cuinterop.PrimaryContext(0)
		require.NoError(t, err)
		timer, err := ctx.NewTimer()
		require.NoError(t, err)
		_, err = timer.Elapsed()
		require.ErrorIs(t, err, cu.InvalidHandle)
		for range 2 {
			require.NoError(t, timer.Start(cu.NoStream))
			require.NoError(t, timer.Stop(cu.NoStream))
			elapsed, err := timer.Elapsed()
			require.NoError(t, err)
			require.Equal(t, 250*time.Microsecond, elapsed) // the simulated clock
		}
		var stream cu.Stream
		require.NoError(t, ctx.Do(func() (err error) {
			stream, err = cu.MakeStream(cu.DefaultStream)
			return err
		}))
		require.NoError(t, timer.Stop(stream))
		elapsed, err := timer.Elapsed()
		require.NoError(t, err)
		require.Equal(t, 1750*time.Microsecond, elapsed)
		require.NoError(t, timer.Close())
		require.NoError(t, timer.Close())
		require.NoError(t, ctx.Close())
	})
}
