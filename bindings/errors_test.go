package bindings

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestError(t *testing.T) {
	err := fmt.Errorf("layer 3: %w", &Error{Op: "matmul", Code: ErrOutOfMemory, Message: "x needs 5 GB"})
	require.EqualError(t, err, "layer 3: matmul: x needs 5 GB")
	require.ErrorIs(t, err, ErrOutOfMemory)
	require.NotErrorIs(t, err, ErrInvalidArgument)
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "matmul", e.Op)

	require.EqualError(t, &Error{Op: "read", Code: ErrDeviceLost}, "read: device lost")
	require.EqualError(t, Code(42), "code 42")
}
