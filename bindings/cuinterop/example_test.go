//go:build cuda

package cuinterop_test

import (
	"fmt"
	"log"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/bindings/cuinterop"
)

// One stream for both: gorgonia.org/cu copies to and from memory that it
// allocated, and libllama4 computes in that memory in between. The host waits
// once, at the end.
func Example() {
	ctx, err := cuinterop.PrimaryContext(0)
	if err != nil {
		log.Fatal(err) // it says what is missing
	}
	defer func() { _ = ctx.Close() }()
	device, err := bindings.Open("cuda:0", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = device.Close() }()

	gateUp := []bindings.BFloat16{bindings.BF16FromFloat32(1), bindings.BF16FromFloat32(2)}
	result := []bindings.BFloat16{0}
	err = ctx.Do(func() error { return swiglu(device, gateUp, result) })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result[0].Float32()) // silu(1) * 2 = 1.4621, in bf16 1.4609375
}

func swiglu(device *bindings.Device, gateUp, result []bindings.BFloat16) error {
	inBytes, outBytes := int64(2*len(gateUp)), int64(2*len(result))
	native, err := cu.MakeStream(cu.NonBlocking)
	if err != nil {
		return err
	}
	defer func() { _ = native.Destroy() }()
	in, err := cu.MemAlloc(inBytes)
	if err != nil {
		return err
	}
	defer func() { _ = cu.MemFree(in) }()
	out, err := cu.MemAlloc(outBytes)
	if err != nil {
		return err
	}
	defer func() { _ = cu.MemFree(out) }()

	stream, err := cuinterop.WrapStream(device, native)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	x, err := cuinterop.WrapBuffer(device, in, inBytes)
	if err != nil {
		return err
	}
	defer func() { _ = x.Close() }()
	y, err := cuinterop.WrapBuffer(device, out, outBytes)
	if err != nil {
		return err
	}
	defer func() { _ = y.Close() }()

	// Go memory is pageable: CUDA is done with it when the calls return.
	if err := cu.MemcpyHtoDAsync(in, unsafe.Pointer(&gateUp[0]), inBytes, native); err != nil {
		return err
	}
	err = stream.SwiGLU(&bindings.SwiGLUArgs{
		GateUp: x.Tensor(bindings.BF16, 1, int64(len(gateUp))),
		Out:    y.Tensor(bindings.BF16, 1, int64(len(result))),
	})
	if err != nil {
		return err
	}
	if err := cu.MemcpyDtoHAsync(unsafe.Pointer(&result[0]), out, outBytes, native); err != nil {
		return err
	}
	return native.Synchronize()
}

// Time what a GPU does, without waiting for it in between.
func ExampleContext_NewTimer() {
	ctx, err := cuinterop.PrimaryContext(0)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = ctx.Close() }()
	timer, err := ctx.NewTimer()
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = timer.Close() }()
	if err := timer.Start(cu.NoStream); err != nil {
		log.Fatal(err)
	}
	// Put work on the stream here.
	if err := timer.Stop(cu.NoStream); err != nil {
		log.Fatal(err)
	}
	elapsed, err := timer.Elapsed()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(elapsed)
}
