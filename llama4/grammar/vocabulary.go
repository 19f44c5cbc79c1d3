package grammar

import (
	"bytes"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// A Vocabulary holds the bytes of all tokens as a trie. It does not change and
// may be shared by any number of grammars and goroutines.
type Vocabulary struct {
	size   int
	text   []byte   // of all tokens, one after the other
	starts []uint32 // of each id in text; one more at the end
	all    trie

	// Most tokens are plain: whole characters, without quote, backslash and
	// control characters. Where a grammar lets every plain text of so many
	// characters pass, plain[n] is the mask of all plain tokens of at most n
	// characters, and only the others, in odd, are left to look at. Plain tokens
	// longer than maxPlain are in odd, too.
	plain [maxPlain + 1][]uint64
	odd   trie
}

const maxPlain = 16

// trie is in preorder, so that a walk reads memory from front to back.
type trie struct {
	nodes []trieNode // nodes[0] is the root
	same  map[int32][]int32
	depth int // of the deepest node
}

type trieNode struct {
	skip  int32 // the next node that is not below this one
	token int32 // -1 for none; trie.same has more of the same bytes
	depth uint16
	b     byte
}

// maxTokenLen is the number of bytes beyond which a token is never allowed.
const maxTokenLen = 1 << 12

// NewVocabulary builds a vocabulary of ids 0 to size-1. bytes returns the bytes
// of an id and whether it is text: special tokens, for which it returns false,
// are never allowed by a grammar, and neither are tokens without any bytes. The
// vocabulary of Llama 4 takes 8 MB and a tenth of a second.
func NewVocabulary(size int, bytes func(id int32) ([]byte, bool)) *Vocabulary {
	size = max(size, 0)
	v := &Vocabulary{size: size, starts: make([]uint32, 1, size+1)}
	for n := range v.plain {
		v.plain[n] = make([]uint64, v.Words())
	}
	var all, odd []int32
	for id := range int32(size) {
		if b, ok := bytes(id); ok && len(b) <= maxTokenLen {
			v.text = append(v.text, b...)
		}
		v.starts = append(v.starts, uint32(len(v.text)))
		b := v.token(id)
		if len(b) == 0 {
			continue
		}
		all = append(all, id)
		if n := plainLen(b); n > 0 && n <= maxPlain {
			v.plain[n][id/64] |= 1 << (id % 64)
		} else {
			odd = append(odd, id)
		}
	}
	for n := 1; n < len(v.plain); n++ {
		orMask(v.plain[n], v.plain[n-1])
	}
	v.all, v.odd = v.newTrie(all), v.newTrie(odd)
	return v
}

// Size returns the number of ids.
func (v *Vocabulary) Size() int { return v.size }

// Words returns the length of a mask: one bit an id, id i in bit i%64 of word
// i/64.
func (v *Vocabulary) Words() int { return (v.size + 63) / 64 }

// token returns the bytes of an id, none for one that is not text.
func (v *Vocabulary) token(id int32) []byte {
	return v.text[v.starts[id]:v.starts[id+1]]
}

// plainLen returns the number of characters of b, or -1 where b is not plain.
func plainLen(b []byte) int {
	n := 0
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if !isPlain(r) || r == utf8.RuneError && size == 1 {
			return -1
		}
		b = b[size:]
		n++
	}
	return n
}

func isPlain(r rune) bool { return r >= 0x20 && r != '"' && r != '\\' && r != 0x7f }

// newTrie sorts ids by their bytes.
func (v *Vocabulary) newTrie(ids []int32) trie {
	keys := make([]sortKey, len(ids))
	total := 1
	for i, id := range ids {
		b := v.token(id)
		keys[i] = sortKey{id: id}
		for j := range 8 {
			keys[i].head <<= 8
			if j < len(b) {
				keys[i].head |= uint64(b[j])
			}
		}
	}
	slices.SortFunc(keys, func(a, b sortKey) int {
		switch {
		case a.head < b.head:
			return -1
		case a.head > b.head:
			return 1
		}
		if c := bytes.Compare(v.token(a.id), v.token(b.id)); c != 0 {
			return c
		}
		return int(a.id - b.id)
	})
	var last []byte
	for _, k := range keys {
		b := v.token(k.id)
		total += len(b) - commonPrefix(last, b)
		last = b
	}
	t := trie{nodes: make([]trieNode, 1, total), same: map[int32][]int32{}}
	t.nodes[0].token = -1
	v.fill(&t, keys)
	return t
}

// sortKey is a token with its first eight bytes, which settle most comparisons.
type sortKey struct {
	head uint64
	id   int32
}

func (v *Vocabulary) fill(t *trie, keys []sortKey) {
	open := []int32{0} // the nodes from the root to the last one
	var last []byte
	leave := func(depth int) {
		for len(open) > depth+1 {
			t.nodes[open[len(open)-1]].skip = int32(len(t.nodes))
			open = open[:len(open)-1]
		}
	}
	for _, k := range keys {
		b := v.token(k.id)
		leave(commonPrefix(last, b))
		for depth := len(open); depth <= len(b); depth++ {
			open = append(open, int32(len(t.nodes)))
			t.nodes = append(t.nodes, trieNode{token: -1, depth: uint16(depth), b: b[depth-1]})
		}
		node := &t.nodes[open[len(b)]]
		if node.token < 0 {
			node.token = k.id
		} else {
			t.same[node.token] = append(t.same[node.token], k.id)
		}
		last = b
		t.depth = max(t.depth, len(b))
	}
	leave(0)
	t.nodes[0].skip = int32(len(t.nodes))
}

func commonPrefix(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func orMask(dst, src []uint64) {
	dst = dst[:len(src)]
	for i, w := range src {
		dst[i] |= w
	}
}

func countMask(mask []uint64) int {
	n := 0
	for _, w := range mask {
		n += bits.OnesCount64(w)
	}
	return n
}
