package bindings_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/llama4go/llama4go/bindings"
)

// open opens the CPU with a stream, and returns what closes them.
func open() (*bindings.Device, *bindings.Stream, func()) {
	device, err := bindings.Open("cpu", nil)
	if err != nil {
		log.Fatal(err)
	}
	stream, err := device.NewStream()
	if err != nil {
		log.Fatal(err)
	}
	return device, stream, func() {
		if err := errors.Join(stream.Close(), device.Close()); err != nil {
			log.Fatal(err)
		}
	}
}

// tensor makes a tensor with values.
func tensor[T bindings.Element](s *bindings.Stream, dtype bindings.DType, values []T, shape ...int64) bindings.Tensor {
	t, err := s.Device().NewTensor(dtype, shape...)
	if err == nil {
		err = bindings.Write(s, t, values)
	}
	if err != nil {
		log.Fatal(err)
	}
	return t
}

func free(tensors ...bindings.Tensor) {
	for _, t := range tensors {
		if err := t.Buffer.Close(); err != nil {
			log.Fatal(err)
		}
	}
}

// Two weights, stacked into one output: the first as a linear layer stores it,
// the second as fused experts do.
func ExampleStream_Matmul() {
	_, stream, done := open()
	defer done()
	bf16 := func(values ...float32) (out []bindings.BFloat16) {
		for _, v := range values {
			out = append(out, bindings.BF16FromFloat32(v))
		}
		return out
	}
	x := tensor(stream, bindings.F32, []float32{1, 2, 3}, 1, 3)
	nk := tensor(stream, bindings.BF16, bf16(1, 0, 0, 0, 1, 0), 2, 3)
	kn := tensor(stream, bindings.BF16, bf16(1, 1, 1), 3, 1)
	out := tensor(stream, bindings.F32, make([]float32, 3), 1, 3)
	defer free(x, nk, kn, out)

	err := stream.Matmul(&bindings.MatmulArgs{
		X:       x,
		Weights: []bindings.Weight{{Data: nk}, {Data: kn, Layout: bindings.LayoutKN}},
		Out:     out,
	})
	if err != nil {
		log.Fatal(err)
	}
	values, err := bindings.ReadFloat32s(stream, out)
	fmt.Println(values, err)
	// Output: [1 2 6] <nil>
}

// Decoding with a chunk of 2 positions: the token at position 3 sees positions 2
// and 3, which have equal keys, so it gets the mean of their values.
func ExampleStream_Attention() {
	_, stream, done := open()
	defer done()
	q := tensor(stream, bindings.F32, []float32{1, 0}, 1, 1, 2)
	// Two pages of two positions: page 1 holds positions 0 and 1, page 0 the rest.
	k := tensor(stream, bindings.F32, []float32{1, 1, 1, 1, 9, 9, 9, 9}, 2, 1, 2, 2)
	v := tensor(stream, bindings.F32, []float32{2, 0, 4, 8, 9, 9, 9, 9}, 2, 1, 2, 2)
	pages := tensor(stream, bindings.I32, []int32{1, 0}, 1, 2)
	start := tensor(stream, bindings.I32, []int32{0, 1}, 2)
	past := tensor(stream, bindings.I32, []int32{3}, 1)
	out := tensor(stream, bindings.F32, make([]float32, 2), 1, 1, 2)
	defer free(q, k, v, pages, start, past, out)

	err := stream.Attention(&bindings.AttentionArgs{
		Scale: 1, Chunk: 2, Q: q, Out: out,
		Batch: bindings.Batch{
			Sequences: 1, Tokens: 1, MaxNew: 1, MaxContext: 4, SeqStart: start, Past: past,
		},
		KV: bindings.KV{K: k, V: v, PageTable: pages},
	})
	if err != nil {
		log.Fatal(err)
	}
	values, err := bindings.ReadFloat32s(stream, out)
	fmt.Println(values, err)
	// Output: [3 4] <nil>
}

// Errors carry the operation, a code and the argument at fault.
func ExampleError() {
	_, err := bindings.Open("abacus", nil)
	fmt.Println(errors.Is(err, bindings.ErrNoDevice))

	_, stream, done := open()
	defer done()
	err = stream.SwiGLU(&bindings.SwiGLUArgs{})
	var e *bindings.Error
	fmt.Println(errors.Is(err, bindings.ErrInvalidArgument), errors.As(err, &e), e.Op)
	fmt.Println(err)
	// Output:
	// true
	// true true swiglu
	// swiglu: gate_up is absent
}
