package tokenizer

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// bytesOf views s as bytes, which must not be written to.
func bytesOf(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

const (
	golden = 0x9E3779B97F4A7C15 // 2^64 / golden ratio
	mixer  = 0xD6E8FEB86659FD93
)

// A pieceTable finds the token that is exactly a piece of text: open addressing
// with linear probing, at most half full.
type pieceTable struct {
	slots  []pieceSlot
	shift  uint8
	maxLen int
	tokens []string // by id, to compare pieces longer than a key
}

// A pieceSlot holds a piece of up to 8 bytes in its key, and the hash of a
// longer one. A length of 0 marks an empty slot.
type pieceSlot struct {
	key uint64
	id  int32
	len uint32
}

func newPieceTable(tokens []string) pieceTable {
	order := max(4, bits.Len(uint(2*len(tokens))))
	return pieceTable{slots: make([]pieceSlot, 1<<order), shift: uint8(64 - order), tokens: tokens}
}

// pieceKey returns the key of b[i:j], which is not empty. It reads past j if
// the text goes on, since one load is faster than a loop.
func pieceKey(b []byte, i, j int) uint64 {
	n := j - i
	if n > 8 {
		return longKey(b[i:j])
	}
	if len(b)-i >= 8 {
		return binary.LittleEndian.Uint64(b[i:]) & (^uint64(0) >> (64 - 8*uint(n)))
	}
	k := uint64(0)
	for x := j - 1; x >= i; x-- {
		k = k<<8 | uint64(b[x])
	}
	return k
}

func longKey(p []byte) uint64 {
	h := uint64(len(p)) * mixer
	q := p
	for ; len(q) > 8; q = q[8:] {
		h = fold(h ^ binary.LittleEndian.Uint64(q))
	}
	return fold(h ^ binary.LittleEndian.Uint64(p[len(p)-8:]))
}

func fold(x uint64) uint64 {
	hi, lo := bits.Mul64(x^golden, mixer)
	return hi ^ lo
}

// get returns the token b[i:j], or -1.
func (t *pieceTable) get(b []byte, i, j int) int32 {
	n := j - i
	if n > t.maxLen {
		return -1
	}
	key := pieceKey(b, i, j)
	mask := uint(len(t.slots) - 1)
	for h := uint((key ^ uint64(n)) * golden >> t.shift); ; h++ {
		s := &t.slots[h&mask]
		if s.key == key && s.len == uint32(n) {
			if n <= 8 || t.tokens[s.id] == string(b[i:j]) {
				return s.id
			}
		}
		if s.len == 0 {
			return -1
		}
	}
}

// put enters token id; the caller has seen that it is not there.
func (t *pieceTable) put(id int32) {
	b := bytesOf(t.tokens[id])
	n := len(b)
	key := pieceKey(b, 0, n)
	mask := uint(len(t.slots) - 1)
	h := uint((key ^ uint64(n)) * golden >> t.shift)
	for ; t.slots[h&mask].len != 0; h++ {
	}
	t.slots[h&mask] = pieceSlot{key: key, id: id, len: uint32(n)}
	t.maxLen = max(t.maxLen, n)
}

const (
	idBits   = 21 // of a token id in a key of pairTable
	rankBits = 64 - 2*idBits
	maxIDs   = 1 << idBits
	noRank   = 1<<rankBits - 1 // no such merge; ranks are lower
)

// A pairTable gives the rank of a merge of two tokens: low ranks are merged
// first. A slot packs left id, right id and rank; open addressing as above.
type pairTable struct {
	slots []uint64
	shift uint8
}

const emptyPair = ^uint64(0)

func newPairTable(n int) pairTable {
	order := max(4, bits.Len(uint(2*n)))
	t := pairTable{slots: make([]uint64, 1<<order), shift: uint8(64 - order)}
	for i := range t.slots {
		t.slots[i] = emptyPair
	}
	return t
}

// find returns the slot that holds the pair or would.
func (t *pairTable) find(left, right int32) (slot uint, key uint64) {
	key = uint64(left)<<idBits | uint64(right)
	mask := uint(len(t.slots) - 1)
	h := uint(key * golden >> t.shift)
	for {
		s := t.slots[h&mask]
		if s == emptyPair || s>>rankBits == key {
			return h & mask, key
		}
		h++
	}
}

func (t *pairTable) get(left, right int32) uint32 {
	h, _ := t.find(left, right)
	return uint32(t.slots[h] & noRank) // noRank if empty
}

// put sets the rank of a pair; a later rank replaces an earlier one.
func (t *pairTable) put(left, right int32, rank uint32) {
	h, key := t.find(left, right)
	t.slots[h] = key<<rankBits | uint64(rank)
}
