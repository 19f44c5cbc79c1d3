package grammar

import (
	"slices"
	"unicode/utf8"
)

// An expr is a part of a grammar: a regular expression over characters whose
// leaves may also be rules. Values are never changed, so they may be shared.
type expr interface{}

type (
	literal  string      // these bytes, valid UTF-8
	class    []runeRange // one character; sorted, apart, without surrogates
	sequence []expr      // one after the other; an empty one is the empty text
	choice   []expr      // any of them; an empty one matches nothing
	ref      int         // the rule of that number

	repeat struct {
		x        expr
		min, max int // max < 0: without end
	}

	// network is an automaton whose edges are expressions. It starts at node 0
	// and ends at node 1.
	network struct {
		nodes int
		edges []netEdge
	}
	netEdge struct {
		from, to int
		x        expr
	}
)

var empty = sequence{}

func optional(x expr) expr { return repeat{x, 0, 1} }

func (n *network) node() int {
	n.nodes++
	return n.nodes - 1
}

func (n *network) edge(from, to int, x expr) {
	n.edges = append(n.edges, netEdge{from, to, x})
}

func newNetwork() *network { return &network{nodes: 2} }

// ruleSet is what both languages are translated to.
type ruleSet struct {
	names []string
	exprs []expr
}

func (s *ruleSet) add(name string, x expr) ref {
	s.names = append(s.names, name)
	s.exprs = append(s.exprs, x)
	return ref(len(s.exprs) - 1)
}

type runeRange struct{ lo, hi rune }

const (
	surrogateMin = 0xd800
	surrogateMax = 0xdfff
)

var anyRune = newClass(runeRange{0, utf8.MaxRune})

// newClass brings ranges into the order that class promises.
func newClass(ranges ...runeRange) class {
	var cut []runeRange
	for _, r := range ranges {
		if r.lo < surrogateMin {
			cut = append(cut, runeRange{r.lo, min(r.hi, surrogateMin-1)})
		}
		if r.hi > surrogateMax {
			cut = append(cut, runeRange{max(r.lo, surrogateMax+1), r.hi})
		}
	}
	slices.SortFunc(cut, func(a, b runeRange) int { return int(a.lo - b.lo) })
	var c class
	for _, r := range cut {
		if n := len(c); n > 0 && r.lo <= c[n-1].hi+1 {
			c[n-1].hi = max(c[n-1].hi, r.hi)
		} else if r.lo <= r.hi {
			c = append(c, r)
		}
	}
	return c
}

func chars(s string) class {
	var ranges []runeRange
	for _, r := range s {
		ranges = append(ranges, runeRange{r, r})
	}
	return newClass(ranges...)
}

func (c class) negate() class {
	var out []runeRange
	next := rune(0)
	for _, r := range c {
		if next < r.lo {
			out = append(out, runeRange{next, r.lo - 1})
		}
		next = r.hi + 1
	}
	if next <= utf8.MaxRune {
		out = append(out, runeRange{next, utf8.MaxRune})
	}
	return newClass(out...)
}

func (c class) minus(d class) class {
	return newClass(append(c.negate(), d...)...).negate()
}

func (c class) and(d class) class { return c.minus(d.negate()) }

func (c class) has(r rune) bool {
	return slices.ContainsFunc(c, func(x runeRange) bool { return x.lo <= r && r <= x.hi })
}

// maxSize is where the size of an expression stops being counted.
const maxSize = 1 << 30

// size estimates how many nodes of an automaton x takes.
func size(x expr) int {
	n := 0
	switch x := x.(type) {
	case literal:
		n = len(x)
	case class:
		n = 1 + 3*len(x)
	case sequence:
		for _, e := range x {
			n = min(n+size(e), maxSize)
		}
	case choice:
		n = 1
		for _, e := range x {
			n = min(n+size(e), maxSize)
		}
	case repeat:
		n = size(x.x) + 2
		if times := max(x.min, x.max, 1); n > maxSize/times {
			return maxSize
		} else {
			n *= times
		}
	case ref:
		n = 1
	case *network:
		n = x.nodes
		for _, e := range x.edges {
			n = min(n+size(e.x), maxSize)
		}
	}
	return n
}
