package tokenizer

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPieceTable(t *testing.T) {
	var tokens []string
	for n := 1; n < 40; n++ {
		tokens = append(tokens, strings.Repeat("\x00", n), strings.Repeat("x", n), strings.Repeat("xy", n)+"z")
	}
	table := newPieceTable(tokens)
	table.shift = 63 // everything in one chain, so that only the comparison tells pieces apart
	for id := range tokens {
		b := bytesOf(tokens[id])
		require.Equal(t, int32(-1), table.get(b, 0, len(b)), "%q", b)
		table.put(int32(id))
	}
	for id, s := range tokens {
		// The key is the same at the end of a text and within it.
		for _, around := range []string{"", "tail", "a longer tail"} {
			b := []byte("head" + s + around)
			require.Equal(t, int32(id), table.get(b, 4, 4+len(s)), "%q", b)
		}
	}
	require.Equal(t, int32(-1), table.get([]byte(strings.Repeat("x", 100)), 0, 100))
}

// A piece can be made that has the key of a token of 16 bytes.
func TestPieceTableComparesLongPieces(t *testing.T) {
	token, twin := []byte("16 bytes, a word"), []byte("another.        ")
	table := newPieceTable([]string{string(token)})
	table.put(0)

	load := binary.LittleEndian.Uint64
	h := uint64(len(token))
	h *= mixer
	second := load(token[8:]) ^ fold(h^load(token)) ^ fold(h^load(twin))
	binary.LittleEndian.PutUint64(twin[8:], second)
	require.Equal(t, pieceKey(token, 0, 16), pieceKey(twin, 0, 16))
	require.Equal(t, int32(0), table.get(token, 0, 16))
	require.Equal(t, int32(-1), table.get(twin, 0, 16))
}

func TestPairTable(t *testing.T) {
	table := newPairTable(60)
	table.shift = 63
	pairs := [][2]int32{{0, 0}, {0, 1}, {1, 0}, {maxIDs - 1, maxIDs - 1}, {maxIDs - 1, 0}, {0, maxIDs - 1}, {5, 7}}
	for i, p := range pairs {
		require.Equal(t, uint32(noRank), table.get(p[0], p[1]))
		table.put(p[0], p[1], uint32(i))
	}
	table.put(5, 7, noRank-1)
	for i, p := range pairs[:6] {
		require.Equal(t, uint32(i), table.get(p[0], p[1]))
	}
	require.Equal(t, uint32(noRank-1), table.get(5, 7))
}
