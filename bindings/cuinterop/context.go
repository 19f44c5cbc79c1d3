//go:build cuda

package cuinterop

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"gorgonia.org/cu"
)

// Context is the primary context of a GPU, the one that libllama4 works in.
// Its methods may be called from several goroutines.
type Context struct {
	device  cu.Device
	context cu.CUContext

	mu     sync.Mutex
	closed bool
	ctx    *cu.Ctx       // nil until Ctx is called
	stop   chan struct{} // ends the goroutine of ctx when closed
	done   chan struct{} // closed by that goroutine
}

// PrimaryContext retains the primary context of GPU device, counted as CUDA
// counts: 1 for the device "cuda:1". Close releases it.
func PrimaryContext(device int) (*Context, error) {
	if err := CheckDriver(); err != nil {
		return nil, err
	}
	d, err := cu.GetDevice(device)
	if err != nil {
		return nil, fmt.Errorf("cuinterop: GPU %d: %w", device, err)
	}
	context, err := d.RetainPrimaryCtx()
	if err != nil {
		return nil, fmt.Errorf("cuinterop: retaining the primary context of GPU %d: %w", device, err)
	}
	return &Context{device: d, context: context, stop: make(chan struct{}), done: make(chan struct{})}, nil
}

// Device returns the GPU that the context is of.
func (c *Context) Device() cu.Device { return c.device }

// CUContext returns the context for functions of cu that take one. It is valid
// until Close; do not destroy it.
func (c *Context) CUContext() cu.CUContext { return c.context }

// Do calls f with the context current in the thread that f runs in, as the
// package-level functions of cu need it. Goroutines that f starts do not have it.
// Do may be called within f.
func (c *Context) Do(f func() error) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cu.PushCurrentCtx(c.context); err != nil {
		return fmt.Errorf("cuinterop: making the context current: %w", err)
	}
	defer func() {
		if _, popErr := cu.PopCurrentCtx(); popErr != nil {
			err = errors.Join(err, fmt.Errorf("cuinterop: restoring the context before: %w", popErr))
		}
	}()
	return f()
}

// Ctx returns the context as a *cu.Ctx, the same at every call, whose methods run
// one after the other in a thread of their own until Close. Do not call its Run
// or its Close, which would destroy the context under everybody's feet.
func (c *Context) Ctx() (*cu.Ctx, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errors.New("cuinterop: the context is closed")
	}
	if c.ctx != nil {
		return c.ctx, nil
	}
	ctx := cu.CtxFromCUContext(c.device, c.context, cu.SchedAuto)
	// cu's finalizer destroys the context, which a primary one does not survive.
	runtime.SetFinalizer(ctx, nil)
	ready := make(chan error)
	go c.serve(ctx, ready)
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("cuinterop: making the context current: %w", err)
	}
	c.ctx = ctx
	return ctx, nil
}

// serve does what ctx.Run does and ends when the context is closed, for which
// ctx.Run would need ctx.Close.
func (c *Context) serve(ctx *cu.Ctx, ready chan<- error) {
	// Never unlocked: the thread, with the context current in it, ends with the
	// goroutine.
	runtime.LockOSThread()
	if err := cu.SetCurrentContext(c.context); err != nil {
		ready <- err
		return
	}
	defer close(c.done)
	close(ready)
	work, answers := ctx.Work(), ctx.ErrChan()
	for {
		select {
		case f, ok := <-work:
			if !ok {
				return
			}
			answers <- f()
		case <-c.stop:
			return
		}
	}
}

// Close releases the context, which lives on while libllama4 or anybody else
// retains it. What was made in it through cu should have been destroyed, and its
// Ctx must not be in use. Closing again is no error.
func (c *Context) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	if c.ctx != nil {
		close(c.stop)
		<-c.done
	}
	if err := c.device.ReleasePrimaryCtx(); err != nil {
		return fmt.Errorf("cuinterop: releasing the primary context: %w", err)
	}
	return nil
}
