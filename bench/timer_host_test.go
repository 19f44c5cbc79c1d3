//go:build !cuda

package bench

// newTimer returns the host's clock; with the build tag cuda, events of the GPU
// measure kernels on one.
func newTimer(r *rig) timer { return &hostTimer{rig: r} }
