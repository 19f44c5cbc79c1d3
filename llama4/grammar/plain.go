package grammar

import "slices"

// plainStep is an edge of the automaton of plain UTF-8 text, see
// Vocabulary.plain: in some state, any byte of a class leads to a state.
type plainStep struct{ class, to uint8 }

// States of the automaton: between characters, and within one by what must come.
const (
	whole = iota
	oneMore
	twoMore
	threeMore
	afterE0 // A0-BF, then one more
	afterED // 80-9F, then one more
	afterF0 // 90-BF, then two more
	afterF4 // 80-8F, then two more
	plainStates
)

type plainTable [plainStates][]plainStep

// plainClasses translates the automaton to the byte classes of a grammar.
func plainClasses(classes *[256]uint8) *plainTable {
	t := &plainTable{}
	add := func(from, lo, hi, to int) {
		for b := lo; b <= hi; b++ {
			s := plainStep{classes[b], uint8(to)}
			if n := len(t[from]); (n == 0 || t[from][n-1] != s) && (from != whole || b >= 0x80 || isPlain(rune(b))) {
				t[from] = append(t[from], s)
			}
		}
	}
	add(whole, 0x20, 0x7f, whole)
	add(whole, 0xc2, 0xdf, oneMore)
	add(whole, 0xe0, 0xe0, afterE0)
	add(whole, 0xe1, 0xec, twoMore)
	add(whole, 0xed, 0xed, afterED)
	add(whole, 0xee, 0xef, twoMore)
	add(whole, 0xf0, 0xf0, afterF0)
	add(whole, 0xf1, 0xf3, threeMore)
	add(whole, 0xf4, 0xf4, afterF4)
	add(oneMore, 0x80, 0xbf, whole)
	add(twoMore, 0x80, 0xbf, oneMore)
	add(threeMore, 0x80, 0xbf, twoMore)
	add(afterE0, 0xa0, 0xbf, oneMore)
	add(afterED, 0x80, 0x9f, oneMore)
	add(afterF0, 0x90, 0xbf, twoMore)
	add(afterF4, 0x80, 0x8f, twoMore)
	return t
}

// plainReach returns the largest n up to maxPlain for which every plain text of
// up to n characters may follow, provided that no plain text of n+1 characters
// may: 0 where some may and some may not. open says whether the frame can end
// within such a text.
func (w *world) plainReach(c *config) (n int, open bool) {
	level := []*config{c}
	for n < maxPlain {
		if len(level) == 1 && level[0].plain != nil {
			to := level[0].plain
			if to == w.none {
				return n, open
			}
			open = open || to.ends
			level[0] = to
			n++
			continue
		}
		next, all, ok := w.plainLevel(level)
		if w.err != nil || !ok {
			return 0, false
		}
		if len(level) == 1 && len(next) == 0 {
			level[0].plain = w.none
			continue
		}
		if len(level) == 1 && len(next) == 1 && all {
			level[0].plain = next[0]
			continue
		}
		if len(next) == 0 {
			return n, open
		}
		if !all {
			return 0, false
		}
		for _, c := range next {
			open = open || c.ends
		}
		n++
		level = next
	}
	return n, open
}

// maxPlainPairs is how ambiguous a text may be for plainReach to follow it.
const maxPlainPairs = 64

type plainPair struct {
	config *config
	state  uint8
}

// plainLevel returns where one plain character leads from any of level, and
// whether all of them lead on. It is not ok where there are too many ways.
func (w *world) plainLevel(level []*config) (next []*config, all, ok bool) {
	all = true
	var seen []plainPair
	for _, c := range level {
		seen = append(seen, plainPair{c, whole})
	}
	for i := 0; i < len(seen); i++ {
		at := seen[i]
		if i >= len(level) && at.state == whole {
			next = append(next, at.config)
			continue
		}
		for _, s := range w.g.plain[at.state] {
			c := w.step(at.config, s.class)
			if c.dead() {
				all = false
				continue
			}
			pair := plainPair{c, s.to}
			if !slices.Contains(seen[len(level):], pair) {
				seen = append(seen, pair)
			}
			if len(seen) > maxPlainPairs {
				return nil, false, false
			}
		}
	}
	return next, all, true
}
