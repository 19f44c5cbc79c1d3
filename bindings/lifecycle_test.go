package bindings

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOpen(t *testing.T) {
	d, err := Open("cpu", &Options{Threads: 3, ISA: "baseline"})
	require.NoError(t, err)
	info, err := d.Info()
	require.NoError(t, err)
	require.Equal(t, "cpu", info.Name)
	require.Equal(t, "baseline", info.ISA)
	require.Equal(t, 3, info.Threads)
	require.True(t, info.HostVisible)
	require.False(t, info.BF16Dot)
	require.NotEmpty(t, info.Description)
	require.Positive(t, info.MemoryTotal)
	require.Positive(t, info.MemoryFree)
	require.LessOrEqual(t, info.MemoryFree, info.MemoryTotal)
	require.NoError(t, d.Close())

	d, err = Open("cpu", nil)
	require.NoError(t, err)
	info, err = d.Info()
	require.NoError(t, err)
	require.Positive(t, info.Threads)
	require.NoError(t, d.Close())
}

func TestOpenFails(t *testing.T) {
	tests := []struct {
		name    string
		device  string
		options Options
		want    Code
	}{
		{"unknown name", "tpu", Options{}, ErrNoDevice},
		{"empty name", "", Options{}, ErrNoDevice},
		{"zero byte", "cpu\x00x", Options{}, ErrInvalidArgument},
		{"bad index", "cuda:x", Options{}, ErrNoDevice},
		{"negative threads", "cpu", Options{Threads: -1}, ErrInvalidArgument},
		{"too many threads", "cpu", Options{Threads: 1 << 40}, ErrInvalidArgument},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Open(tt.device, &tt.options)
			require.ErrorIs(t, err, tt.want)
			require.Nil(t, d)
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "device_open", e.Op)
			require.NotEmpty(t, e.Message)
		})
	}
	d, err := Open("cpu", &Options{ISA: "abacus"})
	require.Error(t, err)
	require.Contains(t, err.Error(), "abacus")
	require.Nil(t, d)
}

func TestDeviceCloseRefused(t *testing.T) {
	d, err := Open("cpu", &Options{Threads: 1})
	require.NoError(t, err)
	b, err := d.NewBuffer(100)
	require.NoError(t, err)
	s, err := d.NewStream()
	require.NoError(t, err)
	e, err := d.NewEvent()
	require.NoError(t, err)

	err = d.Close()
	require.ErrorIs(t, err, ErrInvalidArgument)
	require.Contains(t, err.Error(), "1 buffer")
	require.EqualValues(t, 100, b.Bytes())
	require.Same(t, d, b.Device())

	require.NoError(t, b.Close())
	require.NoError(t, b.Close())
	require.ErrorIs(t, d.Close(), ErrInvalidArgument)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.ErrorIs(t, d.Close(), ErrInvalidArgument)
	require.NoError(t, e.Close())
	require.NoError(t, e.Close())
	require.NoError(t, d.Close())
	require.NoError(t, d.Close())
}

// What is closed gives an error, whatever is asked of it.
func TestUseAfterClose(t *testing.T) {
	d, s := openCPU(t)
	gone, err := d.NewTensor(F32, 1, 2)
	require.NoError(t, err)
	out := newTensor(t, d, F32, 1, 1)
	x := filled(t, s, []float32{1, 2}, 1, 2)
	weight := filled(t, s, []float32{1, 1}, 2)
	require.NoError(t, gone.Buffer.Close())

	requireInvalid := func(err error, op, field string) {
		t.Helper()
		require.ErrorIs(t, err, ErrInvalidArgument)
		var e *Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, op, e.Op)
		require.Contains(t, e.Message, field)
	}
	requireInvalid(s.SwiGLU(&SwiGLUArgs{GateUp: gone, Out: out}), "swiglu", "gate_up: buffer is closed")
	// A closed optional tensor is not an absent one.
	requireInvalid(s.RMSNorm(&RMSNormArgs{X: x, Add: gone, Weight: weight, Out: x}), "rms_norm", "add: buffer is closed")
	requireInvalid(Write(s, gone, []float32{1, 2}), "write", "closed")
	requireInvalid(Read(s, gone, make([]float32, 2)), "read", "closed")
	requireInvalid(s.Copy(x, gone), "copy", "src")
	requireInvalid(s.WriteBytes(gone.Buffer, 0, []byte{1}), "write", "closed")
	requireInvalid(s.ReadBytes(gone.Buffer, 0, []byte{1}), "read", "closed")
	_, err = View[float32](gone)
	requireInvalid(err, "view", "closed")
	require.Nil(t, gone.Buffer.Host())
	require.Zero(t, gone.Buffer.Address())

	e, err := d.NewEvent()
	require.NoError(t, err)
	require.NoError(t, e.Close())
	requireInvalid(e.Record(s), "event_record", "closed")
	requireInvalid(e.Wait(s), "event_wait", "closed")
	requireInvalid(e.Synchronize(), "event_synchronize", "closed")
	_, err = e.Elapsed(e)
	requireInvalid(err, "event_elapsed", "closed")

	s2, err := d.NewStream()
	require.NoError(t, err)
	require.NoError(t, s2.Close())
	requireInvalid(s2.Synchronize(), "stream_synchronize", "closed")
	requireInvalid(s2.SwiGLU(&SwiGLUArgs{GateUp: x, Out: out}), "swiglu", "stream is closed")
	requireInvalid(Write(s2, x, []float32{1, 2}), "write", "stream is closed")
	require.Zero(t, s2.Native())

	d2, err := Open("cpu", &Options{Threads: 1})
	require.NoError(t, err)
	require.NoError(t, d2.Close())
	_, err = d2.Info()
	requireInvalid(err, "device_get_info", "closed")
	_, err = d2.NewBuffer(1)
	requireInvalid(err, "buffer_create", "closed")
	_, err = d2.NewStream()
	requireInvalid(err, "stream_create", "closed")
	_, err = d2.NewEvent()
	requireInvalid(err, "event_create", "closed")
	_, err = d2.WrapHost([]byte{1})
	requireInvalid(err, "buffer_wrap", "closed")
	_, err = d2.WrapStream(0)
	requireInvalid(err, "stream_wrap", "closed")
}

// Nil objects and arguments are mistakes too, and closing nil is none.
func TestNil(t *testing.T) {
	_, s := openCPU(t)
	var (
		noDevice *Device
		noStream *Stream
		noBuffer *Buffer
		noEvent  *Event
		noGraph  *Graph
	)
	require.NoError(t, noDevice.Close())
	require.NoError(t, noStream.Close())
	require.NoError(t, noBuffer.Close())
	require.NoError(t, noEvent.Close())
	require.NoError(t, noGraph.Close())
	require.NoError(t, (&Buffer{}).Close())
	require.Nil(t, (&Buffer{}).Host())
	_, err := noDevice.NewStream()
	require.ErrorIs(t, err, ErrInvalidArgument)
	require.ErrorIs(t, noStream.Synchronize(), ErrInvalidArgument)
	require.ErrorIs(t, noEvent.Record(s), ErrInvalidArgument)
	require.ErrorIs(t, noEvent.Synchronize(), ErrInvalidArgument)
	require.ErrorIs(t, noGraph.Launch(s), ErrInvalidArgument)
	require.ErrorIs(t, noStream.BeginGraph(), ErrInvalidArgument)
	_, err = noStream.EndGraph()
	require.ErrorIs(t, err, ErrInvalidArgument)
	require.ErrorIs(t, noStream.Embed(&EmbedArgs{}), ErrInvalidArgument)
	for name, err := range map[string]error{
		"embed": s.Embed(nil), "rms_norm": s.RMSNorm(nil), "qkv_epilogue": s.QKVEpilogue(nil),
		"attention": s.Attention(nil), "matmul": s.Matmul(nil), "router": s.Router(nil),
		"grouped_matmul": s.GroupedMatmul(nil), "swiglu": s.SwiGLU(nil), "logits": s.Logits(nil),
		"layer_norm": s.LayerNorm(nil), "unfold": s.Unfold(nil), "pixel_shuffle": s.PixelShuffle(nil),
		"log_softmax": s.LogSoftmax(nil), "top_k": s.TopK(nil), "sample": s.Sample(nil),
	} {
		require.EqualError(t, err, name+": args: is nil")
	}
}

func TestOtherDevice(t *testing.T) {
	d, s := openCPU(t)
	d2, s2 := openCPU(t)
	x := newTensor(t, d, F32, 1, 2)
	out := newTensor(t, d2, F32, 1, 1)
	err := s2.SwiGLU(&SwiGLUArgs{GateUp: x, Out: out})
	require.EqualError(t, err, "swiglu: gate_up: buffer of another device")
	e, err := d2.NewEvent()
	require.NoError(t, err)
	require.EqualError(t, e.Record(s), "event_record: event: is of another device")
	require.NoError(t, e.Record(s2))
	require.NoError(t, e.Close())
}

func TestEvents(t *testing.T) {
	d, s := openCPU(t)
	start, err := d.NewEvent()
	require.NoError(t, err)
	end, err := d.NewEvent()
	require.NoError(t, err)
	require.NoError(t, start.Record(s))
	require.NoError(t, end.Record(s))
	require.NoError(t, start.Wait(s))
	require.NoError(t, end.Synchronize())
	require.NoError(t, s.Synchronize())
	elapsed, err := end.Elapsed(start)
	require.NoError(t, err)
	require.GreaterOrEqual(t, elapsed, time.Duration(0))
	require.NoError(t, start.Close())
	require.NoError(t, end.Close())
}

// Objects that nobody closed are destroyed once unreachable, and the device after
// all of them: its own close would be refused before.
func TestForgotten(t *testing.T) {
	var handles []*handle
	var device *deviceHandle
	func() {
		d, err := Open("cpu", &Options{Threads: 1})
		require.NoError(t, err)
		device = d.handle
		for range 3 {
			b, err := d.NewBuffer(64)
			require.NoError(t, err)
			handles = append(handles, b.handle)
		}
		host, err := d.WrapHost(make([]byte, 64))
		require.NoError(t, err)
		s, err := d.NewStream()
		require.NoError(t, err)
		e, err := d.NewEvent()
		require.NoError(t, err)
		handles = append(handles, host.handle, s.handle, e.handle)
	}()
	closed := func() bool {
		device.mu.Lock()
		defer device.mu.Unlock()
		return device.object == nil
	}
	released := func() bool {
		for _, h := range handles {
			if h.pointer() != nil {
				return false
			}
		}
		return true
	}
	require.Eventually(t, func() bool {
		runtime.GC()
		return released()
	}, 10*time.Second, time.Millisecond)
	handles = nil // they kept the device
	require.Eventually(t, func() bool {
		runtime.GC()
		return closed()
	}, 10*time.Second, time.Millisecond)
}

// A tensor keeps its buffer, and a buffer its device, as long as they are used.
func TestTensorKeepsBuffer(t *testing.T) {
	d, s := openCPU(t)
	x, err := d.NewTensor(F32, 1, 2)
	require.NoError(t, err)
	require.NoError(t, Write(s, x, []float32{3, 4}))
	for range 5 {
		runtime.GC()
	}
	got, err := ReadFloat32s(s, x)
	require.NoError(t, err)
	require.Equal(t, []float32{3, 4}, got)
	require.NoError(t, x.Buffer.Close())
}
