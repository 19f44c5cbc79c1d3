package llama4

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLRU(t *testing.T) {
	var evicted []string
	c := newLRU[int](10, func(v string) { evicted = append(evicted, v) })
	c.add(1, "one", 4)
	c.add(2, "two", 4)
	_, ok := c.get(1)
	require.True(t, ok)
	c.add(3, "three", 4) // two was used least lately
	require.Equal(t, []string{"two"}, evicted)
	_, ok = c.get(2)
	require.False(t, ok)
	c.add(4, "too large", 11)
	require.Equal(t, []string{"two", "one", "three", "too large"}, evicted)
	require.Zero(t, c.bytes)
	c.add(5, "five", 10)
	c.clear()
	require.Equal(t, "five", evicted[4])
	require.Empty(t, c.entries)
}
