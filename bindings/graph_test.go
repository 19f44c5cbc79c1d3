package bindings

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// openSIMT opens the emulated GPU, where it was built, and a stream.
func openSIMT(t testing.TB) (*Device, *Stream) {
	t.Helper()
	d := openSIMTDevice(t)
	s, err := d.NewStream()
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, d.Close())
	})
	return d, s
}

func openSIMTDevice(t testing.TB) *Device {
	t.Helper()
	names := os.Getenv("LLAMA4_TEST_DEVICES")
	if names != "" && !strings.Contains(names, "simt") {
		t.Skip("LLAMA4_TEST_DEVICES is without simt")
	}
	d, err := Open("simt", nil)
	if errors.Is(err, ErrNoDevice) && names == "" {
		t.Skip(err)
	}
	require.NoError(t, err)
	return d
}

func TestGraphsAreNotTheCPUs(t *testing.T) {
	d, s := openCPU(t)
	info, err := d.Info()
	require.NoError(t, err)
	require.True(t, info.CPU())
	require.False(t, info.Graphs)
	require.ErrorIs(t, s.BeginGraph(), ErrUnsupported)
	g, err := s.EndGraph()
	require.ErrorIs(t, err, ErrUnsupported)
	require.Nil(t, g)
}

// embedding is a step worth recording: a table and the row that is wanted.
func embedding(t *testing.T, s *Stream) EmbedArgs {
	return EmbedArgs{
		IDs:   filled(t, s, []int32{0}, 1),
		Table: filled(t, s, bf16s(1, 2, 3, 4), 2, 2),
		Out:   filled(t, s, []float32{-1, -1}, 1, 2),
	}
}

func record(t *testing.T, s *Stream, enqueue func() error) *Graph {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	require.NoError(t, s.BeginGraph())
	require.NoError(t, enqueue())
	g, err := s.EndGraph()
	require.NoError(t, err)
	return g
}

func TestGraph(t *testing.T) {
	d, s := openSIMT(t)
	info, err := d.Info()
	require.NoError(t, err)
	require.False(t, info.CPU())
	require.True(t, info.Graphs)
	a := embedding(t, s)
	again := newTensor(t, d, F32, 1, 2)
	g := record(t, s, func() error {
		return errors.Join(s.Embed(&a), s.Copy(again, a.Out))
	})
	read := func(x Tensor) []float32 {
		values, err := ReadFloat32s(s, x)
		require.NoError(t, err)
		return values
	}
	require.Equal(t, []float32{-1, -1}, read(a.Out), "recording runs nothing")
	for _, id := range []int32{1, 0, 1} {
		require.NoError(t, Write(s, a.IDs, []int32{id}))
		require.NoError(t, g.Launch(s))
		want := []float32{float32(2*id + 1), float32(2*id + 2)}
		require.Equal(t, want, read(again))
		require.Equal(t, want, read(a.Out))
	}
	// Another stream will do, too; and what is wrong in a buffer is found.
	other, err := d.NewStream()
	require.NoError(t, err)
	require.NoError(t, Write(s, a.IDs, []int32{2}))
	require.NoError(t, s.Synchronize())
	require.NoError(t, g.Launch(other))
	fault := errors.Join(other.Synchronize(), s.Synchronize())
	require.ErrorIs(t, fault, ErrInvalidArgument)
	require.ErrorContains(t, fault, "ids[0] is 2")
	require.NoError(t, g.Close())
	require.NoError(t, g.Close())
	require.NoError(t, other.Close())
}

// What cannot be recorded fails, and the stream works on.
func TestGraphMistakes(t *testing.T) {
	d, s := openSIMT(t)
	a := embedding(t, s)
	_, err := s.EndGraph()
	require.Error(t, err, "nothing was begun")
	event, err := d.NewEvent()
	require.NoError(t, err)
	defer func() { require.NoError(t, event.Close()) }()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for name, mistake := range map[string]func() error{
		"synchronize": s.Synchronize,
		"read":        func() error { return Read(s, a.Out, make([]float32, 2)) },
		"write":       func() error { return Write(s, a.Out, []float32{5, 5}) },
		"begin":       s.BeginGraph,
		"record":      func() error { return event.Record(s) },
		"wait":        func() error { return event.Wait(s) },
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, s.BeginGraph())
			require.NoError(t, s.Embed(&a))
			require.ErrorContains(t, mistake(), ": the stream is recording a graph: end it first")
			g, err := s.EndGraph()
			require.NoError(t, err)
			require.NoError(t, g.Close())
			require.NoError(t, s.Embed(&a))
			require.NoError(t, s.Synchronize())
		})
	}
}

func TestGraphLifetime(t *testing.T) {
	d := openSIMTDevice(t)
	s, err := d.NewStream()
	require.NoError(t, err)
	g := record(t, s, func() error { return nil })
	require.NoError(t, g.Launch(s))
	_, other := openSIMT(t)
	require.EqualError(t, g.Launch(other), "graph_launch: graph: is of another device")
	require.NoError(t, s.Synchronize())
	require.NoError(t, s.Close())
	require.ErrorContains(t, d.Close(), "1 graphs")
	require.NoError(t, g.Close())
	require.NoError(t, d.Close())
	require.EqualError(t, g.Launch(other), "graph_launch: graph: is closed")
}

func TestForgottenGraph(t *testing.T) {
	_, s := openSIMT(t)
	h := func() *handle { return record(t, s, func() error { return nil }).handle }()
	require.Eventually(t, func() bool {
		runtime.GC()
		return h.pointer() == nil
	}, 10*time.Second, time.Millisecond)
}
