// Package bindings calls libllama4, the C library of llama4go: devices, memory,
// streams and the operations that a Llama 4 model is made of.
//
// The package is thin. An operation is one method of [Stream] that takes one
// struct of tensors; it has the name that the C function, the kernels and the
// tests have. Package llama4 builds models out of them; use this package when
// you want the operations themselves.
//
// # The library
//
// Nothing is linked: the first call loads the library, so a program builds with
// a C compiler alone and runs with or without a GPU. It is looked for in
//
//  1. $LLAMA4_LIB, a file or a folder; when it is set, nowhere else,
//  2. the folder of the executable,
//  3. ../lib from there,
//  4. build/lib of this module's source, found by walking up from the working
//     directory and from the executable,
//  5. the system's path.
//
// A library that is missing is [ErrLibraryNotFound], one that was built from
// another version of llama4.h is [ErrLibraryVersion]; the error lists every
// place that was looked at. [Library] tells which one is in use.
//
// The library opens that of a GPU, libllama4_cuda, or of the emulated one,
// libllama4_simt, when [Open] is asked for such a device. It looks in the folder
// $LLAMA4_BACKENDS, beside itself and in the system's path.
//
// # A first program
//
//	dev, err := bindings.Open("cpu", nil)
//	if err != nil {
//		return err
//	}
//	defer func() { _ = dev.Close() }()
//	stream, err := dev.NewStream()
//	...
//	defer func() { _ = stream.Close() }()
//	x, err := dev.NewTensor(bindings.F32, 1, 2) // gate 1, up 2
//	...
//	defer func() { _ = x.Buffer.Close() }()
//	err = bindings.Write(stream, x, []float32{1, 2})
//	err = stream.SwiGLU(&bindings.SwiGLUArgs{GateUp: x, Out: out})
//	err = bindings.Read(stream, out, result)
//
// # Tensors
//
// A [Tensor] is a value: a buffer, a byte offset, a [DType] and a shape of at
// most four dimensions, dense and row-major. Making one or slicing one
// ([Tensor.Rows], [Tensor.At], [Tensor.Reshape]) allocates nothing and cannot
// fail by itself; a slice outside its tensor is remembered ([Tensor.Err]) and
// reported by the operation that is handed the tensor. The zero Tensor is absent, as
// optional fields may be.
//
// The documentation of the arguments uses these letters: T tokens of the batch,
// B sequences, H hidden size, Hq and Hkv query and KV heads, D head dimension,
// E experts, F expert intermediate size, V vocabulary, P pages. act is the type
// of activations, F32 or BF16, the same throughout a call.
//
// # Order
//
// Operations on one stream run in the order of the calls. On the CPU they have
// run when the call returns; on a GPU they may still be running, and an error of
// theirs may come from a later call on the stream: that a token id or a page number
// in a buffer is wrong is found there. [Read] and [Stream.Synchronize] wait.
// Objects may be used from several goroutines, but calls from several goroutines on
// one stream have no order among themselves.
//
// Where [Info] says Graphs, work can be recorded and run again with one call:
// [Stream.BeginGraph], [Stream.EndGraph] and [Graph.Launch].
//
// # Lifetimes
//
// Close is the contract: buffers, streams, events and graphs are closed before their
// device, whose Close refuses while any of them is open. Closing twice is
// harmless, and using what is closed is an error. Closing what another goroutine
// is using at the time is a mistake that the package does not catch. What is
// forgotten is released after the garbage collector has found it, children
// before their device.
//
// # Errors
//
// A nil error is success. Else it is an [*Error] with the operation, a [Code] and
// a line that names the argument, and errors.Is finds the code:
//
//	if errors.Is(err, bindings.ErrOutOfMemory) { ... }
package bindings
