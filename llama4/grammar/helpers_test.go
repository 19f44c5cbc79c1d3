package grammar

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/demo"
	"github.com/llama4go/llama4go/llama4/tokenizer"
)

func vocabularyOf(t *tokenizer.Tokenizer) *Vocabulary {
	return NewVocabulary(t.VocabSize(), func(id int32) ([]byte, bool) {
		b, _ := t.Bytes(id)
		return b, !t.IsSpecial(id)
	})
}

var demoOnce = sync.OnceValues(func() (*Vocabulary, error) {
	t, err := tokenizer.OpenFS(demo.FS())
	if err != nil {
		return nil, err
	}
	return vocabularyOf(t), nil
})

func demoVocabulary(tb testing.TB) *Vocabulary {
	tb.Helper()
	v, err := demoOnce()
	require.NoError(tb, err)
	return v
}

var realOnce = sync.OnceValues(func() (*tokenizer.Tokenizer, error) {
	path := os.Getenv("LLAMA4_TOKENIZER_MODEL")
	if path == "" {
		path = filepath.Join("..", "..", "build", "tokenizer", "tokenizer.model")
	}
	return tokenizer.Open(path)
})

func realTokenizer(tb testing.TB) *tokenizer.Tokenizer {
	tb.Helper()
	t, err := realOnce()
	if errors.Is(err, fs.ErrNotExist) {
		tb.Skip("there is no real vocabulary: run `make fetch-tokenizer` or set LLAMA4_TOKENIZER_MODEL")
	}
	require.NoError(tb, err)
	return t
}

var realVocabularyOnce = sync.OnceValue(func() *Vocabulary {
	t, _ := realOnce()
	return vocabularyOf(t)
})

func realVocabulary(tb testing.TB) *Vocabulary {
	tb.Helper()
	realTokenizer(tb)
	return realVocabularyOnce()
}

func has(mask []uint64, id int32) bool { return mask[id/64]>>(id%64)&1 != 0 }

// bruteForce computes the mask token by token. g must not be the grammar under
// test, so that nothing of what that remembers is used.
func bruteForce(tb testing.TB, g *Grammar, v *Vocabulary, text []byte, ids []int32) map[int32]bool {
	tb.Helper()
	g.last = nil
	m := g.NewMatcher(v)
	require.NoError(tb, m.AcceptBytes(text))
	allowed := map[int32]bool{}
	for _, id := range ids {
		allowed[id] = m.Clone().Accept(id) == nil
	}
	return allowed
}

func allIDs(v *Vocabulary) []int32 {
	ids := make([]int32, v.Size())
	for i := range ids {
		ids[i] = int32(i)
	}
	return ids
}

func sampleIDs(r *rand.Rand, v *Vocabulary, n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(r.IntN(v.Size()))
	}
	return ids
}

// pick returns a random token of the mask, -1 if there is none.
func pick(r *rand.Rand, mask []uint64) int32 {
	n := countMask(mask)
	if n == 0 {
		return -1
	}
	k := r.IntN(n)
	for i, w := range mask {
		if c := countMask(mask[i : i+1]); k >= c {
			k -= c
			continue
		}
		for b := range 64 {
			if w>>b&1 != 0 {
				if k == 0 {
					return int32(i*64 + b)
				}
				k--
			}
		}
	}
	return -1
}
