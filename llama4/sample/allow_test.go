package sample

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAllow(t *testing.T) {
	s, err := New(Default(), 130)
	require.NoError(t, err)
	logits := make([]float32, 130)
	for i := range logits {
		logits[i] = float32(i)
	}
	next := func() int32 {
		id, err := s.Next(logits)
		require.NoError(t, err)
		return id
	}
	require.EqualValues(t, 129, next())
	s.Allow([]uint64{1<<3 | 1<<63, 1})
	require.False(t, s.Plain())
	require.EqualValues(t, 64, next())
	s.Allow([]uint64{1<<3 | 1<<63})
	require.EqualValues(t, 63, next())
	s.Allow([]uint64{0, 0, 2})
	require.EqualValues(t, 129, next())
	s.Allow([]uint64{})
	_, err = s.Next(logits)
	require.ErrorContains(t, err, "no token to choose")
	logits[7] = float32(math.NaN()) // a broken model is told even where the token is not allowed
	s.Allow([]uint64{1})
	_, err = s.Next(logits)
	require.ErrorContains(t, err, "token 7 is NaN")
	logits[7] = 7
	s.Allow(nil)
	require.EqualValues(t, 129, next())
	require.True(t, s.Plain())
	require.EqualValues(t, 129, logits[129], "the logits stay as they are")
}
