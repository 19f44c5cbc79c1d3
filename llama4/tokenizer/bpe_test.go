package tokenizer

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// slowMerge is byte pair encoding as its definition says.
func slowMerge(m *merger, p []byte) []int32 {
	var ids []int32
	for _, c := range p {
		ids = append(ids, m.bytes[c])
	}
	for {
		low, at := uint32(noRank), 0
		for i := range len(ids) - 1 {
			if r := m.pairs.get(ids[i], ids[i+1]); r < low {
				low, at = r, i
			}
		}
		if low == noRank {
			return ids
		}
		ids = append(append(ids[:at:at], m.made[low]), ids[at+2:]...)
	}
}

// randomRanks makes a vocabulary over few letters, so that merges overlap.
func randomRanks(r *rand.Rand) *Tokenizer {
	tokens := make([]string, 256)
	for i := range tokens {
		tokens[i] = string([]byte{byte(i)})
	}
	seen := map[string]bool{}
	pool := []string{"a", "b", "c"}[:1+r.IntN(3)]
	for range r.IntN(30) {
		s := pool[r.IntN(len(pool))] + pool[r.IntN(len(pool))]
		if !seen[s] && len(s) < 20 {
			seen[s] = true
			pool = append(pool, s)
			tokens = append(tokens, s)
		}
	}
	var file bytes.Buffer
	for i, s := range tokens {
		_, _ = fmt.Fprintln(&file, base64Of(s), i)
	}
	t, err := ParseTiktoken(file.Bytes())
	if err != nil {
		panic(err)
	}
	return t
}

func TestMergesEqualDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 80 {
		tok := randomRanks(r)
		m := tok.merger
		if r.IntN(2) == 0 { // ranks of their own for each pair, as in tokenizer.json
			converted, err := ParseJSON(convert(t, tok))
			require.NoError(t, err)
			m = converted.merger
		}
		for range 60 {
			p := make([]byte, 1+r.IntN(2*shortPiece))
			for i := range p {
				p[i] = "aaabbc"[r.IntN(6)]
			}
			want := slowMerge(m, p)
			var w workspace
			require.Equal(t, want, m.merge(nil, p, &w), "%s", p)
			require.Equal(t, want, m.mergeLong(nil, p), "%s", p)
		}
	}
}

// With a merge or a scan that is quadratic, the first of these would take an hour.
func TestLongPieces(t *testing.T) {
	tok := demo(t)
	for _, text := range []string{
		strings.Repeat("a", 1<<20), strings.Repeat("the", 1<<16), strings.Repeat(" ", 1<<17), strings.Repeat("\n ", 1<<17) + "x",
		strings.Repeat("ªA", 1<<16), strings.Repeat("\u0301", 1<<16), strings.Repeat("<|", 1<<16), strings.Repeat("\xf0\x9f", 1<<16),
	} {
		require.Equal(t, text, joined(tok, tok.Encode(text)))
		require.Equal(t, text, joined(tok, tok.EncodeSpecial(text)))
	}
}

// joined returns the bytes of ids.
func joined(t *Tokenizer, ids []int32) string {
	var sb strings.Builder
	for _, id := range ids {
		b, ok := t.Bytes(id)
		if !ok {
			panic(fmt.Sprintf("id %d is outside the vocabulary", id))
		}
		_, _ = sb.Write(b)
	}
	return sb.String()
}

func TestPairHeapSorts(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for n := range 40 {
		var h pairHeap
		for i := range n / 2 {
			h = append(h, heapItem(r.Uint32N(9), int32(i)))
		}
		h.init()
		for i := n / 2; i < n; i++ {
			h.push(heapItem(r.Uint32N(9), int32(i)))
		}
		last := uint64(0)
		for range n {
			item := heapItem(h.pop())
			require.GreaterOrEqual(t, item, last)
			last = item
		}
		require.Empty(t, h)
	}
}
