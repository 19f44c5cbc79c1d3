// Package cuinterop lets a program use GPU memory and streams of
// gorgonia.org/cu, the CUDA driver API for Go, with package bindings and the
// other way round. Nothing is copied: [WrapBuffer] makes a buffer over memory of
// cu, [WrapStream] a stream over a stream of cu, and [DevicePtr] and [Stream]
// lead back. Work that both put on one stream runs in order, without waiting on
// the host.
//
// [PrimaryContext] gives the CUDA context that the kernels of libllama4 run in.
// Memory, streams and events must be made in it: call cu in [Context.Do], or hand
// [Context.Ctx] to programs that expect a *cu.Ctx. A context of cu.NewContext is
// another one. [Timer] measures work on the GPU.
//
// # Building
//
// The package is empty without the build tag cuda, because cu must not be linked
// into programs for machines without a GPU: it ends the process when CUDA does
// not start. The script setup.sh in this folder fetches CUDA's header and makes an
// archive of trampolines to the driver's library, with which programs are
// built, and start, on any machine; cu's functions then return errors where
// there is no driver, and [CheckDriver] says what is missing:
//
//	eval "$(bindings/cuinterop/setup.sh build/cuinterop)"
//	go build -tags cuda ./yourprogram
//
// With a CUDA 11 or 12 toolkit and a driver at hand, -tags cuda is enough.
//
// # Ownership
//
// What was wrapped stays its owner's, who keeps it until the wrapper is closed
// and frees it afterwards. The results of DevicePtr and Stream are valid until
// the buffer or the stream is closed and must not be freed or destroyed.
package cuinterop
