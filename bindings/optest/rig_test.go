package optest

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"github.com/x448/float16"

	"github.com/llama4go/llama4go/bindings"
)

// mode is how an operation is asked to compute.
type mode struct {
	act     bindings.DType
	compute bindings.Compute
}

var modes = []mode{
	{bindings.F32, bindings.ComputeF32}, {bindings.F32, bindings.ComputeBF16},
	{bindings.BF16, bindings.ComputeF32}, {bindings.BF16, bindings.ComputeAuto},
}

var acts = []bindings.DType{bindings.F32, bindings.BF16}

func (m mode) String() string { return fmt.Sprintf("%v-%v", m.act, m.compute) }

// precision is what the mode means on a device.
func (m mode) precision(info bindings.Info) Precision {
	return Precision{
		Out:  m.act,
		BF16: m.compute == bindings.ComputeBF16 || m.compute == bindings.ComputeAuto && info.BF16Dot,
		Int8: m.compute != bindings.ComputeF32 && info.CPU(),
	}
}

// wideMode is a mode for operations whose results may be f32 beside bf16 activations.
type wideMode struct {
	mode
	out bindings.DType
}

// wideModes are modes with results like the activations, and those with wider ones.
func wideModes() []wideMode {
	var all []wideMode
	for _, m := range modes {
		all = append(all, wideMode{m, m.act})
		if m.act == bindings.BF16 {
			all = append(all, wideMode{m, bindings.F32})
		}
	}
	return all
}

func (m wideMode) String() string {
	if m.out == m.act {
		return m.mode.String()
	}
	return fmt.Sprintf("%v-out-%v", m.mode, m.out)
}

func (m wideMode) precision(info bindings.Info) Precision {
	p := m.mode.precision(info)
	p.Out = m.out
	return p
}

// rig places tensors on a device for one test. Each has its own buffer with
// poison around it: reading that gives NaN, and writing there is noticed, as is
// writing to what is only read.
type rig struct {
	*target
	t      *testing.T
	stream *bindings.Stream
	placed []*placed
}

type placed struct {
	name   string
	tensor bindings.Tensor
	before []byte // the whole buffer
	output bool
}

const guard = 64 // bytes of poison before and after a tensor

func newRig(t *testing.T, on *target) *rig {
	stream, err := on.device.NewStream()
	require.NoError(t, err)
	r := &rig{target: on, t: t, stream: stream}
	t.Cleanup(func() {
		for _, p := range r.placed {
			require.NoError(t, p.tensor.Buffer.Close())
		}
		require.NoError(t, stream.Close())
	})
	return r
}

// The poison around tensors: NaNs in every floating-point type. Outputs have
// another one, so that an overrun that copies an input's poison shows.
var inputPoison, outputPoison = []byte{0xff, 0xff}, []byte{0xc1, 0x7f}

// place makes a buffer of poison with data in its middle.
func (r *rig) place(name string, dtype bindings.DType, data []byte, output bool, shape []int64) bindings.Tensor {
	r.t.Helper()
	poison := inputPoison
	if output {
		poison = outputPoison
	}
	before := bytes.Repeat(poison, (len(data)+1)/2+guard)[:len(data)+2*guard]
	copy(before[guard:], data)
	buffer, err := r.device.NewBuffer(int64(len(before)))
	require.NoError(r.t, err)
	tensor := buffer.Tensor(dtype, shape...)
	tensor.Offset = guard
	require.NoError(r.t, tensor.Err())
	require.EqualValues(r.t, len(data), tensor.Bytes(), "%s: shape %v", name, shape)
	require.NoError(r.t, r.stream.WriteBytes(buffer, 0, before))
	r.placed = append(r.placed, &placed{name: name, tensor: tensor, before: before, output: output})
	return tensor
}

// put places an input.
func put[T bindings.Element](r *rig, name string, dtype bindings.DType, values []T, shape ...int64) bindings.Tensor {
	r.t.Helper()
	return r.place(name, dtype, raw(values), false, shape)
}

// raw views a slice as bytes.
func raw[T bindings.Element](values []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(zero)))
}

// floats places numbers, rounded to a type; pass it what the type holds.
func (r *rig) floats(name string, dtype bindings.DType, values []float64, shape ...int64) bindings.Tensor {
	r.t.Helper()
	return r.place(name, dtype, encode(dtype, values), false, shape)
}

// inout places numbers that the operation updates.
func (r *rig) inout(name string, dtype bindings.DType, values []float64, shape ...int64) bindings.Tensor {
	r.t.Helper()
	return r.place(name, dtype, encode(dtype, values), true, shape)
}

func encode(dtype bindings.DType, values []float64) []byte {
	switch dtype {
	case bindings.BF16:
		out := make([]bindings.BFloat16, len(values))
		for i, v := range values {
			out[i] = bindings.BF16FromFloat32(float32(v))
		}
		return raw(out)
	case bindings.F16:
		out := make([]float16.Float16, len(values))
		for i, v := range values {
			out[i] = float16.Fromfloat32(float32(v))
		}
		return raw(out)
	}
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(v)
	}
	return raw(out)
}

func (r *rig) ints(name string, values []int32, shape ...int64) bindings.Tensor {
	r.t.Helper()
	return put(r, name, bindings.I32, values, shape...)
}

// out places an output, full of poison.
func (r *rig) out(name string, dtype bindings.DType, shape ...int64) bindings.Tensor {
	r.t.Helper()
	n := bytesOf(dtype, shape)
	return r.place(name, dtype, bytes.Repeat(outputPoison, int(n+1)/2)[:n], true, shape)
}

// bytesOf returns the size of a tensor.
func bytesOf(dtype bindings.DType, shape []int64) int64 {
	return new(bindings.Buffer).Tensor(dtype, shape...).Bytes()
}

// weight places a matrix, or a stack of them.
func (r *rig) weight(name string, parts ...Matrix) bindings.Weight {
	r.t.Helper()
	if parts[0].Quantized != nil {
		return r.quantizedWeight(name, parts)
	}
	var all []float64
	for _, m := range parts {
		all = append(all, m.Data...)
	}
	shape := []int64{int64(parts[0].N), int64(parts[0].K)}
	if parts[0].Layout == bindings.LayoutKN {
		shape[0], shape[1] = shape[1], shape[0]
	}
	if len(parts) > 1 {
		shape = append([]int64{int64(len(parts))}, shape...)
	}
	return bindings.Weight{Data: r.floats(name, bindings.BF16, all, shape...), Layout: parts[0].Layout}
}

// ran checks that a call worked. A GPU may refuse activations or a cache in fp32,
// and attention in fp32, which is what f32 says the call had: then the test is
// skipped there. Nothing else may be refused.
func (r *rig) ran(err error, f32 bool) {
	r.t.Helper()
	if r.refused(err, f32) {
		r.t.Skip(err)
	}
	require.NoError(r.t, err)
}

func (r *rig) refused(err error, f32 bool) bool {
	return f32 && !r.info.CPU() && errors.Is(err, bindings.ErrUnsupported)
}

// read returns an output as float32.
func (r *rig) read(tensor bindings.Tensor) []float32 {
	r.t.Helper()
	values, err := bindings.ReadFloat32s(r.stream, tensor)
	require.NoError(r.t, err)
	return values
}

func (r *rig) readInts(tensor bindings.Tensor) []int32 {
	r.t.Helper()
	values := make([]int32, tensor.Elements())
	require.NoError(r.t, bindings.Read(r.stream, tensor, values))
	return values
}

// bytes returns an output as it is.
func (r *rig) bytes(tensor bindings.Tensor) []byte {
	r.t.Helper()
	out := make([]byte, tensor.Bytes())
	require.NoError(r.t, r.stream.ReadBytes(tensor.Buffer, tensor.Offset, out))
	return out
}

// verify checks that nothing was written but outputs.
func (r *rig) verify() {
	r.t.Helper()
	for _, p := range r.placed {
		after := make([]byte, len(p.before))
		require.NoError(r.t, r.stream.ReadBytes(p.tensor.Buffer, 0, after))
		end := len(after) - guard
		if p.output {
			copy(after[guard:end], p.before[guard:end])
		}
		if !bytes.Equal(p.before, after) {
			at := 0
			for p.before[at] == after[at] {
				at++
			}
			r.t.Fatalf("%s: byte %d of %d was written", p.name, at-guard, end-guard)
		}
	}
}

// random draws n numbers that a type holds.
func random(rng *rand.Rand, dtype bindings.DType, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = Round(rng.NormFloat64(), dtype)
	}
	return out
}

// matrix draws a weight matrix, scaled so that outputs are of the size of inputs.
func matrix(rng *rand.Rand, n, k int, layout bindings.Layout) Matrix {
	m := Matrix{Data: make([]float64, n*k), N: n, K: k, Layout: layout}
	for i := range m.Data {
		m.Data[i] = Round(rng.NormFloat64()/math.Sqrt(float64(k)), bindings.BF16)
	}
	return m
}

func newRand(name string) *rand.Rand {
	var seed uint64 = 14695981039346656037 // FNV-1a, so that each case has its own numbers
	for i := range len(name) {
		seed = (seed ^ uint64(name[i])) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, 4))
}

// widen returns float32s as float64s.
func widen(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}
