package bindings

import (
	"math"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"github.com/x448/float16"
)

func TestWriteRead(t *testing.T) {
	_, s := openCPU(t)
	t.Run("f32", func(t *testing.T) { roundTrip(t, s, []float32{1, -2, 0.5}) })
	t.Run("i32", func(t *testing.T) { roundTrip(t, s, []int32{1, -2, math.MaxInt32}) })
	t.Run("bf16", func(t *testing.T) { roundTrip(t, s, bf16s(1, -2, 0.5)) })
	t.Run("f16", func(t *testing.T) {
		roundTrip(t, s, []float16.Float16{float16.Fromfloat32(1), float16.Fromfloat32(-2), float16.Inf(1)})
	})
}

func roundTrip[T Element](t *testing.T, s *Stream, values []T) {
	x := newTensor(t, s.Device(), dtypeOf[T](), 5)
	part := x.Rows(1, 4)
	require.NoError(t, Write(s, part, values))
	got := make([]T, len(values))
	require.NoError(t, Read(s, part, got))
	require.Equal(t, values, got)
	view, err := View[T](part)
	require.NoError(t, err)
	require.Equal(t, values, view)
}

func TestReadFloat32s(t *testing.T) {
	_, s := openCPU(t)
	want := []float32{1, -2, 0.5}
	half := make([]float16.Float16, len(want))
	for i, v := range want {
		half[i] = float16.Fromfloat32(v)
	}
	for _, x := range []Tensor{
		filled(t, s, want, 3), filled(t, s, bf16s(want...), 3, 1), filled(t, s, half, 1, 3),
	} {
		got, err := ReadFloat32s(s, x)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := ReadFloat32s(s, filled(t, s, []int32{1}, 1))
	require.EqualError(t, err, "read: tensor is i32, want a floating-point type")
}

func TestCopy(t *testing.T) {
	d, s := openCPU(t)
	src := filled(t, s, []float32{1, 2, 3, 4}, 4)
	dst := newTensor(t, d, F32, 2, 1)
	require.NoError(t, s.Copy(dst, src.Rows(1, 3)))
	got, err := ReadFloat32s(s, dst)
	require.NoError(t, err)
	require.Equal(t, []float32{2, 3}, got)
	require.NoError(t, s.Copy(dst.Rows(1, 1), src.Rows(0, 0)))

	require.ErrorIs(t, s.Copy(dst, src), ErrInvalidArgument)                         // size
	require.ErrorIs(t, s.Copy(newTensor(t, d, I32, 4), src), ErrInvalidArgument)     // type
	require.ErrorIs(t, s.Copy(src.Rows(0, 2), src.Rows(1, 3)), ErrInvalidArgument)   // overlap
	require.ErrorIs(t, s.Copy(Tensor{}, src), ErrInvalidArgument)                    // absent
	require.ErrorIs(t, s.Copy(dst, src.Rows(3, 5)), ErrInvalidArgument)              // bad slice
	require.ErrorIs(t, s.Copy(src.Buffer.Tensor(F32, 5), src), ErrInvalidArgument)   // bounds
	require.NoError(t, s.Copy(src.Rows(0, 1), src.Rows(1, 2)))                       // beside
	require.ErrorIs(t, (*Stream)(nil).Copy(dst, src.Rows(0, 2)), ErrInvalidArgument) // no stream
}

func TestWriteReadMistakes(t *testing.T) {
	d, s := openCPU(t)
	x := newTensor(t, d, F32, 4)
	values := make([]float32, 4)
	outside := x
	outside.Offset = 4
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"too few", Write(s, x, values[:3]), "slice of 3 f32, want the elements of f32 [4]"},
		{"none", Read(s, x, []float32(nil)), "slice of 0 f32, want the elements of f32 [4]"},
		{"another type", Write(s, x, make([]int32, 4)), "slice of 4 i32, want the elements of f32 [4]"},
		{"absent", Write(s, Tensor{}, values), "tensor: absent"},
		{"bad slice", Read(s, x.Rows(0, 9), values), "tensor: rows [0, 9) of 4"},
		{"outside, write", Write(s, outside, values), "buffer"},
		{"outside, read", Read(s, outside, values), "buffer"},
		{"bytes outside", s.WriteBytes(x.Buffer, -1, make([]byte, 4)), "buffer"},
		{"no buffer", s.ReadBytes(nil, 0, make([]byte, 4)), "buffer: no buffer"},
		{"offset overflow", s.ReadBytes(x.Buffer, math.MaxInt64, make([]byte, 4)), "buffer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.ErrorIs(t, tt.err, ErrInvalidArgument)
			require.Contains(t, tt.err.Error(), tt.want)
		})
	}
	require.NoError(t, Write(s, x.Rows(2, 2), []float32{}))
}

func TestNewTensorFails(t *testing.T) {
	d, _ := openCPU(t)
	for _, shape := range [][]int64{{}, {0}, {-1}, {1, 1, 1, 1, 1}, {math.MaxInt64, 2}} {
		_, err := d.NewTensor(F32, shape...)
		require.ErrorIs(t, err, ErrInvalidArgument, "%v", shape)
	}
	_, err := d.NewTensor(DType(0), 1)
	require.ErrorIs(t, err, ErrInvalidArgument)
	_, err = d.NewBuffer(-1)
	require.ErrorIs(t, err, ErrInvalidArgument)
	// More than any machine has.
	_, err = d.NewBuffer(1 << 60)
	require.ErrorIs(t, err, ErrOutOfMemory)
	_, err = d.NewBuffer(math.MaxInt64)
	require.ErrorIs(t, err, ErrOutOfMemory)
}

func TestWrapHost(t *testing.T) {
	d, s := openCPU(t)
	memory := make([]float32, 4)
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&memory[0])), 16)
	b, err := d.WrapHost(bytes)
	require.NoError(t, err)
	require.Equal(t, uintptr(unsafe.Pointer(&memory[0])), b.Address())
	x := b.Tensor(F32, 4)
	require.NoError(t, Write(s, x, []float32{1, 2, 3, 4}))
	require.Equal(t, []float32{1, 2, 3, 4}, memory)
	memory[0] = 9
	runtime.GC()
	got, err := ReadFloat32s(s, x)
	require.NoError(t, err)
	require.Equal(t, []float32{9, 2, 3, 4}, got)
	require.NoError(t, b.Close())
	require.Equal(t, []float32{9, 2, 3, 4}, memory)

	// Memory that Go does not manage: text of the program.
	b, err = d.WrapHost(unsafe.Slice(unsafe.StringData(modulePath), len(modulePath)))
	require.NoError(t, err)
	read := make([]byte, 6)
	require.NoError(t, s.ReadBytes(b, 0, read))
	require.Equal(t, "github", string(read))
	require.NoError(t, b.Close())

	_, err = d.WrapHost(nil)
	require.ErrorIs(t, err, ErrInvalidArgument)
	_, err = d.WrapAddress(0, 4)
	require.ErrorIs(t, err, ErrInvalidArgument)
}

func TestWrapAddress(t *testing.T) {
	d, s := openCPU(t)
	x := filled(t, s, []float32{1, 2, 3, 4}, 4)
	b, err := d.WrapAddress(x.Buffer.Address()+8, 8)
	require.NoError(t, err)
	got, err := ReadFloat32s(s, b.Tensor(F32, 2))
	require.NoError(t, err)
	require.Equal(t, []float32{3, 4}, got)
	require.NoError(t, b.Close())
	require.Zero(t, s.Native())
}

func TestHostAndView(t *testing.T) {
	d, s := openCPU(t)
	x := newTensor(t, d, F32, 2, 2)
	host := x.Buffer.Host()
	require.Len(t, host, 16)
	require.Zero(t, x.Buffer.Address()%256)
	view, err := View[float32](x.Rows(1, 2))
	require.NoError(t, err)
	copy(view, []float32{5, 6})
	got, err := ReadFloat32s(s, x.At(1))
	require.NoError(t, err)
	require.Equal(t, []float32{5, 6}, got)

	crooked := x
	crooked.Offset = 2
	for _, bad := range []Tensor{{}, x.Rows(0, 3), x.Buffer.Tensor(I32, 1), x.Buffer.Tensor(F32, 5), crooked.Rows(0, 1)} {
		_, err = View[float32](bad)
		require.ErrorIs(t, err, ErrInvalidArgument)
	}
	empty, err := View[float32](x.Rows(2, 2))
	require.NoError(t, err)
	require.Empty(t, empty)
}
