package bench

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/x448/float16"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/bindings/optest"
)

// openDevice opens the device of LLAMA4_DEVICE, the CPU without it.
var openDevice = sync.OnceValues(func() (*bindings.Device, error) {
	return bindings.Open(cmp.Or(os.Getenv("LLAMA4_DEVICE"), "cpu"), nil)
})

// rig is a device with a stream and the tensors of one benchmark.
type rig struct {
	b      testing.TB
	device *bindings.Device
	info   bindings.Info
	act    bindings.DType // of activations
	stream *bindings.Stream
	rng    *rand.Rand
	made   int // operands so far
}

func newRig(b testing.TB) *rig {
	b.Helper()
	d, err := openDevice()
	require.NoError(b, err)
	info, err := d.Info()
	require.NoError(b, err)
	s, err := d.NewStream()
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	r := &rig{b: b, device: d, info: info, act: bindings.BF16, stream: s, rng: rand.New(rand.NewPCG(1, 1))}
	if info.CPU() {
		r.act = bindings.F32
	}
	return r
}

// precision is what a result in out is rounded by, with ComputeAuto.
func (r *rig) precision(out bindings.DType) optest.Precision {
	return optest.Precision{Out: out, BF16: r.info.BF16Dot, Int8: r.info.CPU()}
}

// period is after how many numbers an operand repeats itself: a prime, so that no
// two rows of a matrix are the same.
const period = 1<<20 - 3

// noise are numbers of a normal distribution that bf16 holds.
var noise = sync.OnceValue(func() []float32 {
	rng := rand.New(rand.NewPCG(2, 3))
	out := make([]float32, period)
	for i := range out {
		out[i] = bindings.BF16FromFloat32(float32(rng.NormFloat64())).Float32()
	}
	return out
})

// operand is a tensor with known contents.
type operand struct {
	bindings.Tensor
	scale float64
	shift int64
}

// at returns element i.
func (o operand) at(i int64) float64 {
	return float64(noise()[(i+o.shift)%period]) * o.scale
}

// slice returns n elements from element i on.
func (o operand) slice(i, n int64) []float64 {
	out := make([]float64, n)
	for j := range out {
		out[j] = o.at(i + int64(j))
	}
	return out
}

// tooLarge ends a benchmark whose operands the device has no memory for.
type tooLarge struct{ error }

// empty makes a tensor whose contents do not matter.
func (r *rig) empty(dtype bindings.DType, shape ...int) bindings.Tensor {
	r.b.Helper()
	bytes, wide := int64(1), make([]int64, len(shape))
	for i, n := range shape {
		wide[i] = int64(n)
		if i == len(shape)-1 {
			bytes *= dtype.RowBytes(wide[i])
		} else {
			bytes *= wide[i]
		}
	}
	buffer, err := r.device.NewBuffer(bytes)
	if errors.Is(err, bindings.ErrOutOfMemory) {
		panic(tooLarge{err})
	}
	require.NoError(r.b, err)
	r.b.Cleanup(func() { require.NoError(r.b, buffer.Close()) })
	return buffer.Tensor(dtype, wide...)
}

// random makes a tensor of F32, BF16 or F16 with noise of a scale that is a power of
// two. The device copies the first period until the tensor is full.
func (r *rig) random(dtype bindings.DType, scale float64, shape ...int) operand {
	r.b.Helper()
	r.made++
	o := operand{Tensor: r.empty(dtype, shape...), scale: scale, shift: int64(r.made) * 7919}
	flat := o.Reshape(o.Elements())
	done := min(o.Elements(), period)
	first := make([]float32, done)
	for i := range first {
		first[i] = float32(o.at(int64(i)))
	}
	switch dtype {
	case bindings.F32:
		require.NoError(r.b, bindings.Write(r.stream, flat.Rows(0, done), first))
	case bindings.BF16:
		require.NoError(r.b, bindings.Write(r.stream, flat.Rows(0, done), converted(first, bindings.BF16FromFloat32)))
	default:
		require.NoError(r.b, bindings.Write(r.stream, flat.Rows(0, done), converted(first, float16.Fromfloat32)))
	}
	for done < o.Elements() {
		n := min(done, o.Elements()-done)
		require.NoError(r.b, r.stream.Copy(flat.Rows(done, done+n), flat.Rows(0, n)))
		done += n
	}
	return o
}

func converted[T any](values []float32, convert func(float32) T) []T {
	out := make([]T, len(values))
	for i, f := range values {
		out[i] = convert(f)
	}
	return out
}

// write makes a tensor of these numbers.
func write[T bindings.Element](r *rig, dtype bindings.DType, values []T, shape ...int) bindings.Tensor {
	r.b.Helper()
	t := r.empty(dtype, shape...)
	require.NoError(r.b, bindings.Write(r.stream, t, values))
	return t
}

func (r *rig) int32s(values ...int32) bindings.Tensor {
	r.b.Helper()
	return write(r, bindings.I32, values, len(values))
}

// row reads row i of a tensor.
func (r *rig) row(t bindings.Tensor, i int64) []float32 {
	r.b.Helper()
	flat := t.Reshape(t.Dim(0), t.Elements()/t.Dim(0))
	values, err := bindings.ReadFloat32s(r.stream, flat.Rows(i, i+1))
	require.NoError(r.b, err)
	return values
}

// job is an operation, ready to be called again and again.
type job struct {
	flops float64 // a call; 0: it only moves
	bytes float64 // that must move in a call
	run   func() error
	check func() error // holds the results of the first call against the reference
}

// flushBytes is the size of the copy before each sample, which reads as much as it
// writes: more than the last-level cache of any device of its kind.
func flushBytes(info bindings.Info) int {
	switch {
	case emulated(info):
		return 0
	case info.CPU():
		return 64 << 20
	}
	return 256 << 20
}

// measure checks j and samples its time.
func (r *rig) measure(b *testing.B, j job) []time.Duration {
	r.b.Helper()
	flush := func() error { return nil }
	if n := flushBytes(r.info); n > 0 {
		from, to := r.empty(bindings.I32, n/4), r.empty(bindings.I32, n/4)
		flush = func() error { return r.stream.Copy(to, from) }
	}
	start, end := r.event(), r.event()
	require.NoError(r.b, j.run())
	require.NoError(r.b, r.stream.Synchronize())
	require.NoError(r.b, j.check(), "compared with the float64 reference")

	var samples []time.Duration
	sample := func() {
		err := errors.Join(flush(), start.Record(r.stream), j.run(), end.Record(r.stream))
		if err == nil {
			var elapsed time.Duration
			elapsed, err = end.Elapsed(start)
			samples = append(samples, elapsed)
		}
		if err != nil {
			r.b.Fatal(err)
		}
	}
	for range warmUps(r.info) {
		sample()
	}
	samples = nil
	for b.Loop() {
		sample()
	}
	// The last calls may have found wrong values in device memory.
	require.NoError(r.b, r.stream.Synchronize())
	return samples
}

// warmUps is how many samples are thrown away: GPUs raise their clocks under load.
func warmUps(info bindings.Info) int {
	if info.CPU() || emulated(info) {
		return 0
	}
	return 5
}

func (r *rig) event() *bindings.Event {
	r.b.Helper()
	e, err := r.device.NewEvent()
	require.NoError(r.b, err)
	r.b.Cleanup(func() { require.NoError(r.b, e.Close()) })
	return e
}

// benchmark measures one shape and reports it.
func benchmark(b *testing.B, s shape) {
	res := newResult(s)
	defer func() {
		v := recover()
		err, large := v.(tooLarge)
		switch {
		case large:
			res.Skipped = err.Error()
			record(res)
			b.Skip(err)
		case v != nil:
			panic(v)
		case b.Failed():
			res.Failed = "see the output of BenchmarkKernels/" + res.Name
		}
		record(res)
	}()
	r := newRig(b)
	j := builders[s.operation](r, s)
	samples := r.measure(b, j)
	res.fill(j, samples, peaks[r.info.Description])
	b.ReportMetric(res.US.Median*1e3, "ns/op")
	if emulated(r.info) {
		return
	}
	if j.flops > 0 {
		b.ReportMetric(res.TFLOPs*1e3, "GFLOP/s")
	}
	b.ReportMetric(res.GBs, "GB/s")
}
