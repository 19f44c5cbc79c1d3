package grammar

import (
	"encoding/binary"
	"slices"
)

// stack returns the set of stacks with these entries, sorted by state.
func (w *world) stack(entries []entry, ends bool) *stacks {
	key := w.entriesKey(w.key[:0], entries, ends)
	w.key = key
	if s, ok := w.stacks[string(key)]; ok {
		return s
	}
	s := &stacks{id: w.id(), entries: slices.Clone(entries), ends: ends, depth: depthOf(entries) + 1}
	w.stacks[string(key)] = s
	w.held += 150 + 2*len(key) + 16*len(entries)
	return s
}

func (w *world) entriesKey(key []byte, entries []entry, ends bool) []byte {
	key = append(key, 0)
	if ends {
		key[len(key)-1] = 1
	}
	for _, e := range entries {
		key = binary.LittleEndian.AppendUint32(key, e.state.id)
		key = binary.LittleEndian.AppendUint32(key, e.below.id)
	}
	return key
}

func depthOf(entries []entry) int {
	depth := 0
	for _, e := range entries {
		depth = max(depth, e.below.depth)
	}
	return depth
}

// union returns the stacks of a and of b.
func (w *world) union(a, b *stacks) *stacks {
	if a == b || !w.spend(1) {
		return a
	}
	if a.id > b.id {
		a, b = b, a
	}
	pair := [2]*stacks{a, b}
	if s, ok := w.unions[pair]; ok {
		return s
	}
	entries := make([]entry, 0, len(a.entries)+len(b.entries))
	i, j := 0, 0
	for i < len(a.entries) && j < len(b.entries) {
		x, y := a.entries[i], b.entries[j]
		switch {
		case x.state.id < y.state.id:
			entries = append(entries, x)
			i++
		case x.state.id > y.state.id:
			entries = append(entries, y)
			j++
		default:
			entries = append(entries, entry{x.state, w.union(x.below, y.below)})
			i, j = i+1, j+1
		}
	}
	entries = append(append(entries, a.entries[i:]...), b.entries[j:]...)
	s := w.stack(entries, a.ends || b.ends)
	w.unions[pair] = s
	w.held += 80
	return s
}

// expand returns the configuration of some frames.
func (w *world) expand(frames []entry, ends bool) *config {
	x := expansion{w: w, found: w.found[:0], ends: ends}
	for _, e := range frames {
		x.add(e)
	}
	x.run(false)
	slices.SortFunc(x.found, byState)
	roots := slices.Clone(x.found)
	x.run(true)
	w.found = x.found
	entries := keep(x.found, func(e entry) bool { return e.state.moves })
	slices.SortFunc(entries, byState)
	return w.config(entries, roots, x.ends)
}

func byState(a, b entry) int { return int(a.state.id) - int(b.state.id) }

// expansion does the calls and ends of rules that need no byte.
type expansion struct {
	w     *world
	found []entry
	todo  []int // indices of found
	ends  bool
}

func (x *expansion) add(e entry) {
	for i := range x.found {
		if x.found[i].state == e.state {
			if below := x.w.union(x.found[i].below, e.below); below != x.found[i].below {
				x.found[i].below = below
				x.todo = append(x.todo, i)
			}
			return
		}
	}
	x.found = append(x.found, e)
	x.todo = append(x.todo, len(x.found)-1)
}

// run ends rules, and with calls it calls them, too.
func (x *expansion) run(calls bool) {
	if calls {
		x.todo = x.todo[:0]
		for i := range x.found {
			x.todo = append(x.todo, i)
		}
	}
	for len(x.todo) > 0 {
		i := x.todo[len(x.todo)-1]
		x.todo = x.todo[:len(x.todo)-1]
		e := x.found[i]
		if !x.w.spend(1 + len(x.found)/4) {
			return
		}
		if e.state.ends {
			x.ends = x.ends || e.below.ends
			for _, below := range e.below.entries {
				x.add(below)
			}
		}
		if calls {
			for _, c := range x.w.callsOf(e.state) {
				x.add(entry{c.start, x.w.push(c.ret, e.below)})
			}
		}
	}
}

// push puts a frame on stacks, unless it had nothing left to do: then a rule that
// calls itself at its end needs no stack.
func (w *world) push(ret *state, below *stacks) *stacks {
	if ret.only {
		return below
	}
	return w.stack([]entry{{ret, below}}, false)
}

func (w *world) config(entries, roots []entry, ends bool) *config {
	w.key = w.entriesKey(w.key[:0], entries, ends)
	if c, ok := w.configs[string(w.key)]; ok {
		return c
	}
	c := &config{id: w.id(), entries: slices.Clone(entries), roots: roots, ends: ends, depth: depthOf(entries)}
	w.configs[string(w.key)] = c
	w.held += 200 + 2*len(w.key) + 32*len(entries)
	return c
}

// step returns where a byte of a class leads.
func (w *world) step(c *config, class uint8) *config {
	if c.next == nil {
		c.next = make([]*config, len(w.g.members))
		w.table()
	}
	if to := c.next[class]; to != nil {
		return to
	}
	frames := w.frames[:0]
	for _, e := range c.entries {
		if s := w.after(e.state, class); s != nil {
			frames = append(frames, entry{s, e.below})
		}
	}
	w.frames = frames
	var to *config
	switch len(frames) {
	case 0:
		to = w.none
	case 1:
		to = w.single(frames[0])
	default:
		to = w.expand(frames, false)
	}
	w.spend(1 + len(c.entries))
	c.next[class] = to
	return to
}

// single is expand for one frame, which is the most frequent case.
func (w *world) single(e entry) *config {
	c, ok := w.singles[e]
	if !ok {
		c = w.expand([]entry{e}, false)
		w.singles[e] = c
		w.held += 60
	}
	return c
}

// topOf returns the configuration of stacks with nothing above them.
func (w *world) topOf(s *stacks) *config {
	if s.top == nil {
		s.top = w.expand(s.entries, s.ends)
	}
	return s.top
}

// adopt returns the configuration of another world of the same grammar.
func (w *world) adopt(c *config) *config {
	known := map[*stacks]*stacks{}
	return w.expand(w.adoptEntries(c.roots, known), c.ends)
}

func (w *world) adoptEntries(entries []entry, known map[*stacks]*stacks) []entry {
	var out []entry
	for _, e := range entries {
		below, ok := known[e.below]
		if !ok {
			sub := w.adoptEntries(e.below.entries, known)
			slices.SortFunc(sub, byState)
			below = w.stack(sub, e.below.ends)
			known[e.below] = below
		}
		out = append(out, entry{w.state(e.state.nodes), below})
	}
	return out
}
