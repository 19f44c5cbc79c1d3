package bindings

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// openCPU opens a CPU device and a stream for a test and closes them after it.
func openCPU(t testing.TB) (*Device, *Stream) {
	t.Helper()
	d, err := Open("cpu", &Options{Threads: 2})
	require.NoError(t, err)
	s, err := d.NewStream()
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, d.Close())
	})
	return d, s
}

// newTensor allocates a tensor and closes it after the test.
func newTensor(t testing.TB, d *Device, dtype DType, shape ...int64) Tensor {
	t.Helper()
	x, err := d.NewTensor(dtype, shape...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, x.Buffer.Close()) })
	return x
}

// filled is a newTensor with values.
func filled[T Element](t testing.TB, s *Stream, values []T, shape ...int64) Tensor {
	t.Helper()
	x := newTensor(t, s.Device(), dtypeOf[T](), shape...)
	require.NoError(t, Write(s, x, values))
	return x
}

// bf16s rounds values to BFloat16.
func bf16s(values ...float32) []BFloat16 {
	out := make([]BFloat16, len(values))
	for i, v := range values {
		out[i] = BF16FromFloat32(v)
	}
	return out
}
