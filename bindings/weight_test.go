package bindings

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWeightRows(t *testing.T) {
	b := &Buffer{}
	w := Weight{
		Data: b.Tensor(I4, 3, 4, 33), Group: 16, Scale: b.Tensor(BF16, 3, 4, 3), Offset: b.Tensor(F32, 3, 4, 3),
		Activations: ActivationsPlain,
	}
	require.EqualValues(t, 3*4*17+3*4*3*2+3*4*3*4, w.Bytes())
	rows := w.Rows(1, 3)
	require.Equal(t, []int64{2, 4, 33}, rows.Data.Shape())
	require.Equal(t, []int64{2, 4, 3}, rows.Scale.Shape())
	require.Equal(t, []int64{2, 4, 3}, rows.Offset.Shape())
	require.EqualValues(t, 4*17, rows.Data.Offset)
	require.EqualValues(t, 4*3*2, rows.Scale.Offset)
	require.EqualValues(t, 4*3*4, rows.Offset.Offset)
	require.Equal(t, w.Group, rows.Group)

	plain := Weight{Data: b.Tensor(BF16, 3, 4)}
	require.EqualValues(t, 24, plain.Bytes())
	rows = plain.Rows(2, 3)
	require.NoError(t, rows.Data.Err())
	require.True(t, rows.Scale.Absent())
	require.NoError(t, rows.Scale.Err())
	require.True(t, rows.Offset.Absent())
	require.Error(t, w.Rows(0, 4).Scale.Err())
}
