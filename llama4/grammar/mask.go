package grammar

// tokenSet is a set of tokens: those of a mask, which may be shared, and some
// more.
type tokenSet struct {
	mask []uint64
	ids  []int32
}

// newTokenSet keeps neither of its arguments but base.
func newTokenSet(base []uint64, ids []int32, words int) *tokenSet {
	if len(ids) <= 2*words {
		return &tokenSet{base, append([]int32(nil), ids...)}
	}
	s := &tokenSet{mask: make([]uint64, words)}
	copy(s.mask, base)
	addIDs(s.mask, ids)
	return s
}

func (s *tokenSet) addTo(mask []uint64) {
	if s.mask != nil {
		orMask(mask, s.mask)
	}
	addIDs(mask, s.ids)
}

func addIDs(mask []uint64, ids []int32) {
	for _, id := range ids {
		mask[uint32(id)/64] |= 1 << (uint32(id) % 64)
	}
}

func (s *tokenSet) bytes() int { return 64 + 4*len(s.ids) + 8*len(s.mask) }

// frameSet is what the vocabulary looks like from a frame, whatever is below it.
// Most of a mask is in here, and it is worked out once.
type frameSet struct {
	tokens *tokenSet // that fit the frame, or reach its end with their last byte
	exits  []exit    // where the frame can end within tokens
}

// exit is a node of a trie at which a frame can end. The tokens below it have to
// be read on by the frames below.
type exit struct {
	trie *trie
	node int32
}

// walk follows tokens through configurations.
type walk struct {
	path  []*config // by depth in the trie
	found []int32   // tokens that fit
	exits []exit
}

func (k *walk) init(v *Vocabulary) {
	k.path = make([]*config, max(v.all.depth, v.odd.depth)+1)
}

// below finds the tokens below a node that fit when they are read on from c. With
// exits it also finds where c's bottom frame can end.
func (w *world) below(t *trie, at int32, c *config, exits bool) {
	if len(c.entries) == 0 {
		return
	}
	classes, path := &w.g.classes, w.walk.path
	nodes := t.nodes[:t.nodes[at].skip]
	base := nodes[at].depth
	path[0] = c
	for i := at + 1; int(i) < len(nodes); {
		n := &nodes[i]
		from, class := path[n.depth-base-1], classes[n.b]
		var to *config
		if from.next != nil {
			to = from.next[class]
		}
		if to == nil {
			to = w.step(from, class)
			if w.err != nil {
				return
			}
		}
		if to == w.none {
			i = n.skip
			continue
		}
		if n.token >= 0 {
			w.walk.found = append(w.walk.found, n.token)
			if len(t.same) > 0 {
				w.walk.found = append(w.walk.found, t.same[n.token]...)
			}
		}
		if exits && to.ends && n.skip > i+1 {
			w.walk.exits = append(w.walk.exits, exit{t, i})
		}
		if len(to.entries) == 0 {
			i = n.skip
			continue
		}
		path[n.depth-base] = to
		i++
	}
}

// frame returns the frameSet of a state, with exits or without.
func (w *world) frame(s *state, exits bool) *frameSet {
	kind := 0
	if exits {
		kind = 1
	}
	if s.masks[kind] != nil {
		return s.masks[kind]
	}
	if s.alone == nil {
		s.alone = w.expand([]entry{{s, w.bottom}}, false)
	}
	w.walk.found, w.walk.exits = w.walk.found[:0], w.walk.exits[:0]
	var base []uint64
	// An exit within a plain token matters only where the frame itself refuses it.
	if n, open := w.plainReach(s.alone); n == maxPlain || n > 0 && (!open || !exits) {
		base = w.v.plain[n]
		w.below(&w.v.odd, 0, s.alone, exits)
	} else {
		w.below(&w.v.all, 0, s.alone, exits)
	}
	f := &frameSet{
		tokens: newTokenSet(base, w.walk.found, w.v.Words()),
		exits:  append([]exit(nil), w.walk.exits...),
	}
	w.held += f.tokens.bytes() + 16*len(f.exits)
	s.masks[kind] = f
	return f
}

// allowed writes the mask of the tokens that may follow c.
func (w *world) allowed(c *config, mask []uint64) {
	clear(mask)
	if c.set != nil {
		c.set.addTo(mask)
		return
	}
	for _, root := range c.roots {
		if root.state.only {
			continue
		}
		exits := len(root.below.entries) > 0
		f := w.frame(root.state, exits)
		f.tokens.addTo(mask)
		if len(f.exits) == 0 {
			continue
		}
		top := w.topOf(root.below)
		w.walk.found = w.walk.found[:0]
		for _, x := range f.exits {
			w.below(x.trie, x.node, top, false)
		}
		addIDs(mask, w.walk.found)
	}
	// Many places are seen once: only what is asked for again is kept.
	if c.seen && w.err == nil {
		c.set = &tokenSet{mask: append([]uint64(nil), mask...)}
		w.held += c.set.bytes()
	}
	c.seen = true
}
