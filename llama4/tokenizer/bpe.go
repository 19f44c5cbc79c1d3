package tokenizer

import (
	"slices"
	"sync"
)

// A merger turns a piece of text into tokens by byte pair encoding: it starts
// with one token a byte and, as long as there is one, makes the adjacent pair
// of lowest rank into one token, the leftmost of equals first.
type merger struct {
	bytes [256]int32      // the token of each byte
	first [1 << 16]uint32 // rank of each pair of bytes, noRank if there is none
	pairs pairTable
	made  []int32 // by rank: the token that the merge makes
	pool  sync.Pool
}

// shortPiece is the most bytes for which scanning for the lowest rank beats a
// heap: measured, with the real vocabulary, between 30 (Chinese) and 90 (Latin).
const shortPiece = 48

// A merge is a pair of tokens and its rank.
type merge struct {
	left, right int32
	rank        uint32
}

func newMerger(bytes [256]int32) *merger {
	m := &merger{bytes: bytes}
	m.pool.New = func() any { return new(scratch) }
	return m
}

// setMerges enters the merges, of which a later one replaces an earlier one of
// the same pair, and for each rank the token that it makes.
func (m *merger) setMerges(merges []merge, made []int32) {
	m.made = made
	m.pairs = newPairTable(len(merges))
	for _, x := range merges {
		m.pairs.put(x.left, x.right, x.rank)
	}
	for a, left := range m.bytes {
		for b, right := range m.bytes {
			m.first[a<<8|b] = m.pairs.get(left, right)
		}
	}
}

// A workspace is what merging a short piece works in. It lives on the stack of
// whoever encodes a text.
type workspace struct {
	ids   [shortPiece]int32
	ranks [shortPiece]uint32
}

// merge appends the tokens of p, which is not empty.
func (m *merger) merge(dst []int32, p []byte, w *workspace) []int32 {
	if len(p) > shortPiece {
		return m.mergeLong(dst, p)
	}
	ids, ranks := w.ids[:len(p)], w.ranks[:len(p)]
	low, at := uint32(noRank), 0
	for i, c := range p {
		ids[i] = m.bytes[c]
		ranks[i] = noRank
		if i > 0 {
			r := m.first[int(p[i-1])<<8|int(c)]
			ranks[i-1] = r
			if r < low {
				low, at = r, i-1
			}
		}
	}
	for low != noRank {
		ids[at] = m.made[low]
		copy(ids[at+1:], ids[at+2:])
		copy(ranks[at+1:], ranks[at+2:])
		ids, ranks = ids[:len(ids)-1], ranks[:len(ids)-1]
		ranks[at] = noRank
		if at+1 < len(ids) {
			ranks[at] = m.pairs.get(ids[at], ids[at+1])
		}
		if at > 0 {
			ranks[at-1] = m.pairs.get(ids[at-1], ids[at])
		}
		low = noRank
		for i, r := range ranks {
			if r < low {
				low, at = r, i
			}
		}
	}
	return append(dst, ids...)
}

// scratch is what mergeLong works in.
type scratch struct {
	nodes []node
	heap  pairHeap
}

// A node is a token in a list of tokens. A node that was merged into its left
// neighbour keeps the rank noRank.
type node struct {
	id         int32
	prev, next int32
	rank       uint32 // of the pair with the next node
}

// maxLong bounds what mergeLong takes at once, so that positions fit a node.
// A piece beyond it, of a gigabyte without a break, is cut there.
const maxLong = 1 << 30

// keepScratch is the most nodes that stay allocated between long pieces.
const keepScratch = 1 << 16

func (m *merger) mergeLong(dst []int32, p []byte) []int32 {
	for len(p) > maxLong {
		dst = m.mergeLong(dst, p[:maxLong])
		p = p[maxLong:]
	}
	s := m.pool.Get().(*scratch)
	s.load(m, p)
	for len(s.heap) > 0 {
		rank, at := s.heap.pop()
		n := &s.nodes[at]
		if n.rank != rank {
			continue // that pair is gone
		}
		gone := &s.nodes[n.next]
		gone.rank = noRank
		n.id = m.made[rank]
		n.next = gone.next
		if n.next >= 0 {
			s.nodes[n.next].prev = at
		}
		s.rate(m, at)
		if n.prev >= 0 {
			s.rate(m, n.prev)
		}
	}
	for at := int32(0); at >= 0; at = s.nodes[at].next {
		dst = append(dst, s.nodes[at].id)
	}
	if cap(s.nodes) <= keepScratch {
		m.pool.Put(s)
	}
	return dst
}

func (s *scratch) load(m *merger, p []byte) {
	s.nodes, s.heap = slices.Grow(s.nodes[:0], len(p)), slices.Grow(s.heap[:0], 2*len(p))
	for i, c := range p {
		n := node{id: m.bytes[c], prev: int32(i) - 1, next: int32(i) + 1, rank: noRank}
		if i+1 < len(p) {
			n.rank = m.first[int(c)<<8|int(p[i+1])]
		} else {
			n.next = -1
		}
		s.nodes = append(s.nodes, n)
		if n.rank != noRank {
			s.heap = append(s.heap, heapItem(n.rank, int32(i)))
		}
	}
	s.heap.init()
}

// rate looks up the rank of the pair that starts at node at, and queues it.
func (s *scratch) rate(m *merger, at int32) {
	n := &s.nodes[at]
	n.rank = noRank
	if n.next < 0 {
		return
	}
	n.rank = m.pairs.get(n.id, s.nodes[n.next].id)
	if n.rank != noRank {
		s.heap.push(heapItem(n.rank, at))
	}
}

// A pairHeap is a 4-ary heap of ranks and, below them, positions, so that the
// least item is the leftmost pair of lowest rank.
type pairHeap []uint64

func heapItem(rank uint32, at int32) uint64 { return uint64(rank)<<32 | uint64(uint32(at)) }

func (h pairHeap) init() {
	for i := (len(h)+2)/4 - 1; i >= 0; i-- {
		h.down(i)
	}
}

func (h *pairHeap) push(x uint64) {
	s := append(*h, x)
	*h = s
	i := len(s) - 1
	for i > 0 {
		up := (i - 1) / 4
		if s[up] <= x {
			break
		}
		s[i] = s[up]
		i = up
	}
	s[i] = x
}

func (h *pairHeap) pop() (rank uint32, at int32) {
	s := *h
	x := s[0]
	s[0] = s[len(s)-1]
	s = s[:len(s)-1]
	*h = s
	if len(s) > 1 {
		s.down(0)
	}
	return uint32(x >> 32), int32(uint32(x))
}

func (h pairHeap) down(i int) {
	x := h[i]
	for {
		child := 4*i + 1
		if child >= len(h) {
			break
		}
		least := child
		for k := child + 1; k < len(h) && k < child+4; k++ {
			if h[k] < h[least] {
				least = k
			}
		}
		if h[least] >= x {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = x
}
