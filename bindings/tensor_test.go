package bindings

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTensorShape(t *testing.T) {
	b := &Buffer{}
	x := b.Tensor(BF16, 2, 3, 5)
	require.NoError(t, x.Err())
	require.Equal(t, 3, x.Rank())
	require.Equal(t, []int64{2, 3, 5}, x.Shape())
	require.EqualValues(t, 5, x.Dim(2))
	require.Zero(t, x.Dim(3))
	require.Zero(t, x.Dim(-1))
	require.EqualValues(t, 30, x.Elements())
	require.EqualValues(t, 60, x.Bytes())
	require.Equal(t, "bf16 [2 3 5]", x.String())
	require.True(t, Tensor{}.Absent())
	require.Equal(t, "absent", Tensor{}.String())
	require.Zero(t, Tensor{}.Elements())
}

func TestTensorSlices(t *testing.T) {
	b := &Buffer{}
	x := b.Tensor(F32, 4, 3, 5)
	x.Offset = 256

	rows := x.Rows(1, 3)
	require.NoError(t, rows.Err())
	require.Equal(t, []int64{2, 3, 5}, rows.Shape())
	require.EqualValues(t, 256+1*15*4, rows.Offset)
	require.Equal(t, []int64{0, 3, 5}, x.Rows(4, 4).Shape())

	row := x.At(2, 1)
	require.NoError(t, row.Err())
	require.Equal(t, []int64{5}, row.Shape())
	require.EqualValues(t, 256+(2*15+1*5)*4, row.Offset)

	one := x.At(3, 2, 4)
	require.Equal(t, []int64{1}, one.Shape())
	require.EqualValues(t, 256+59*4, one.Offset)
	require.Equal(t, x, x.At())

	flat := x.Reshape(12, 5)
	require.NoError(t, flat.Err())
	require.Equal(t, []int64{12, 5}, flat.Shape())
	require.Equal(t, x.Offset, flat.Offset)
}

// Rows of I4 begin at bytes of their own.
func TestTensorOfHalfBytes(t *testing.T) {
	b := &Buffer{}
	x := b.Tensor(I4, 4, 3, 5)
	x.Offset = 256
	require.NoError(t, x.Err())
	require.EqualValues(t, 60, x.Elements())
	require.EqualValues(t, 4*3*3, x.Bytes())
	require.Equal(t, "i4 [4 3 5]", x.String())

	rows := x.Rows(1, 3)
	require.EqualValues(t, 256+1*3*3, rows.Offset)
	require.EqualValues(t, 2*3*3, rows.Bytes())
	row := x.At(2, 1)
	require.EqualValues(t, 256+(2*3+1)*3, row.Offset)
	require.EqualValues(t, 3, row.Bytes())
	require.EqualError(t, x.At(2, 1, 4).Err(), "an index into i4, which share bytes")
	require.EqualError(t, row.Rows(1, 2).Err(), "rows of i4, which share bytes")
	require.EqualError(t, row.At(1).Err(), "an index into i4, which share bytes")
}

func TestTensorErrors(t *testing.T) {
	b := &Buffer{}
	x := b.Tensor(F32, 4, 3)
	tests := []struct {
		name string
		in   Tensor
		want string
	}{
		{"no dimensions", b.Tensor(F32), "0 dimensions, want 1 to 4"},
		{"five dimensions", b.Tensor(F32, 1, 1, 1, 1, 1), "5 dimensions, want 1 to 4"},
		{"negative", b.Tensor(F32, 2, -1), "impossible shape [2 -1]"},
		{"overflow", b.Tensor(F32, 1<<31, 1<<31), "impossible shape [2147483648 2147483648]"},
		{"overflow of half bytes", b.Tensor(I4, 1<<33, 1<<31), "impossible shape [8589934592 2147483648]"},
		{"an impossible row", b.Tensor(I4, 0, 1<<60), "impossible shape [0 1152921504606846976]"},
		{"rows past the end", x.Rows(2, 5), "rows [2, 5) of 4"},
		{"rows backwards", x.Rows(3, 2), "rows [3, 2) of 4"},
		{"negative rows", x.Rows(-1, 2), "rows [-1, 2) of 4"},
		{"rows of nothing", Tensor{}.Rows(0, 0), "rows [0, 0) of 0"},
		{"index past the end", x.At(1, 3), "index 3 of dimension 1, which has 3"},
		{"too many indices", x.At(1, 1, 1), "3 indices into 2 dimensions"},
		{"reshape to more", x.Reshape(13), "12 elements as shape [13]"},
		{"the first mistake stays", x.Rows(2, 5).Rows(0, 1).At(9).Reshape(1), "rows [2, 5) of 4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.EqualError(t, tt.in.Err(), tt.want)
			require.Zero(t, tt.in.Elements())
		})
	}
}

// A slice of any tensor stays inside it.
func TestTensorSlicesStayInside(t *testing.T) {
	b := &Buffer{}
	rapid.Check(t, func(t *rapid.T) {
		shape := rapid.SliceOfN(rapid.Int64Range(1, 6), 1, MaxRank).Draw(t, "shape")
		x := b.Tensor(rapid.SampledFrom([]DType{F32, BF16, F8, I4}).Draw(t, "dtype"), shape...)
		from := rapid.Int64Range(-2, 8).Draw(t, "from")
		to := rapid.Int64Range(-2, 8).Draw(t, "to")
		for _, part := range []Tensor{x.Rows(from, to), x.At(from), x.At(from, to)} {
			if part.Err() == nil {
				require.GreaterOrEqual(t, part.Offset, int64(0))
				require.LessOrEqual(t, part.Offset+part.Bytes(), x.Bytes())
			}
		}
	})
}

func TestTensorAllocatesNothing(t *testing.T) {
	b := &Buffer{}
	var sum int64
	require.Zero(t, testing.AllocsPerRun(100, func() {
		x := b.Tensor(F32, 4, 3, 5).Rows(1, 3).At(1).Reshape(15)
		sum += x.Bytes()
	}))
	require.Positive(t, sum)
}

func TestProduct(t *testing.T) {
	_, ok := product([]int64{math.MaxInt64, 2})
	require.False(t, ok)
	n, ok := product([]int64{0, math.MaxInt64})
	require.True(t, ok)
	require.Zero(t, n)
}
