package grammar

import (
	"encoding/binary"
	"errors"
	"slices"
)

// A world is what a grammar has been worked out to so far: for one vocabulary,
// lazily, and thrown away as a whole when it has grown large. Everything in it is
// unique by its contents, so that comparing pointers compares contents and
// results can be noted where they belong.
//
// The rules' automata are made deterministic one by one; a call of a rule counts
// as a letter. A frame is a state of such an automaton, and a text that is not
// finished is a stack of frames: where the innermost rule is, and below it where
// its callers go on. There may be several such stacks at once. They are kept as a
// tree that shares what can be shared, so that ambiguous grammars stay small.
type world struct {
	g *Grammar
	v *Vocabulary

	states  map[string]*state
	stacks  map[string]*stacks
	configs map[string]*config
	unions  map[[2]*stacks]*stacks
	singles map[entry]*config // of expand
	ids     uint32
	bottom  *stacks // of the text itself: nothing below, the text may end
	none    *config // where no text leads on

	held int   // bytes, about
	work int   // of the running call
	err  error // of the running call

	found  []entry // of expand
	frames []entry // of step
	key    []byte
	seen   []uint32 // of closure: the round in which a node was seen
	round  uint32
	walk   walk
}

const (
	maxHeld = 24 << 20 // of a world
	maxWork = 1 << 19  // of one call, in small steps: a fraction of a second, 100 MB
	// maxDepth is how deeply rules may be within each other in a text.
	maxDepth = 4096
)

var errWork = errors.New("the grammar is too ambiguous: a token has too many readings to follow them all")

// state is a state of the automaton of a rule.
type state struct {
	id    uint32
	nodes []int32 // of the nfa, those with edges or at the end of the rule
	next  []*state
	ends  bool // the rule may end here
	only  bool // and cannot go on
	moves bool // there are edges with bytes
	calls []call
	known bool // calls is filled in

	alone *config      // this frame on the bottom
	masks [2]*frameSet // without and with exits
}

type call struct{ start, ret *state }

// stacks is a set of stacks.
type stacks struct {
	id      uint32
	entries []entry // by rising state
	ends    bool    // one of the stacks is empty: the text may end
	depth   int
	top     *config // what these stacks are once nothing is above them
}

type entry struct {
	state *state
	below *stacks
}

// config is where a text can be: a set of stacks with all calls and ends of rules
// before the next byte done.
type config struct {
	id      uint32
	entries []entry // frames that take a byte
	roots   []entry // the frames before calls were done: the same texts
	ends    bool    // the text may end
	depth   int
	next    []*config // by class of bytes
	set     *tokenSet // nil until it is asked for the second time
	seen    bool

	// plain is where every plain character leads, if it is one place: w.none if
	// there is no such character; nil where that is not known.
	plain *config
}

func (c *config) dead() bool { return len(c.entries) == 0 && !c.ends }

func newWorld(g *Grammar, v *Vocabulary) *world {
	w := &world{
		g: g, v: v,
		states:  map[string]*state{},
		stacks:  map[string]*stacks{},
		configs: map[string]*config{},
		unions:  map[[2]*stacks]*stacks{},
		singles: map[entry]*config{},
		seen:    make([]uint32, len(g.nfa.nodes)),
	}
	w.bottom = w.stack(nil, true)
	w.none = w.config(nil, nil, false)
	w.walk.init(v)
	w.held = 0
	return w
}

func (w *world) id() uint32 {
	w.ids++
	return w.ids
}

// spend counts n small steps and reports whether there are any left. After an
// error the world is not used again, so what it holds may be wrong.
func (w *world) spend(n int) bool {
	w.work += n
	if w.work > maxWork {
		w.err = errWork
	}
	return w.err == nil
}

// table counts a table with an entry for each class of bytes.
func (w *world) table() {
	w.held += 8 * len(w.g.members)
	w.work += len(w.g.members) / 16
}

// start returns the first configuration of a text.
func (w *world) start() *config {
	first := w.closure([]int32{w.g.nfa.rules[w.g.root].start})
	return w.expand([]entry{{first, w.bottom}}, false)
}

// closure returns the state of the nodes that can be reached from some without a
// byte.
func (w *world) closure(from []int32) *state {
	w.round++
	var nodes []int32
	todo := slices.Clone(from)
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if w.seen[n] == w.round {
			continue
		}
		w.seen[n] = w.round
		node := &w.g.nfa.nodes[n]
		if node.final || len(node.bytes) > 0 || len(node.calls) > 0 {
			nodes = append(nodes, n)
		}
		todo = append(todo, node.free...)
		for _, c := range node.calls {
			if w.g.nfa.rules[c.rule].nullable {
				todo = append(todo, c.to)
			}
		}
		if !w.spend(1) {
			break
		}
	}
	slices.Sort(nodes)
	return w.state(nodes)
}

func (w *world) state(nodes []int32) *state {
	w.key = w.key[:0]
	for _, n := range nodes {
		w.key = binary.LittleEndian.AppendUint32(w.key, uint32(n))
	}
	if s, ok := w.states[string(w.key)]; ok {
		return s
	}
	s := &state{id: w.id(), nodes: nodes, only: true}
	w.states[string(w.key)] = s
	w.held += 300 + 8*len(nodes)
	for _, n := range nodes {
		node := &w.g.nfa.nodes[n]
		s.ends = s.ends || node.final
		s.moves = s.moves || len(node.bytes) > 0
		s.only = s.only && len(node.bytes) == 0 && len(node.calls) == 0
	}
	s.only = s.only && s.ends
	return s
}

// callsOf returns the calls of a state, those of the same rule joined into one.
func (w *world) callsOf(s *state) []call {
	if s.known {
		return s.calls
	}
	s.known = true
	var edges []callEdge
	for _, n := range s.nodes {
		edges = append(edges, w.g.nfa.nodes[n].calls...)
	}
	slices.SortFunc(edges, func(a, b callEdge) int { return int(a.rule - b.rule) })
	for i := 0; i < len(edges); {
		rule := edges[i].rule
		var to []int32
		for ; i < len(edges) && edges[i].rule == rule; i++ {
			to = append(to, edges[i].to)
		}
		start := w.closure([]int32{w.g.nfa.rules[rule].start})
		s.calls = append(s.calls, call{start, w.closure(to)})
	}
	return s.calls
}

// after returns the state that a byte of a class leads to, nil for none.
func (w *world) after(s *state, class uint8) *state {
	if s.next == nil {
		s.next = make([]*state, len(w.g.members))
		w.table()
	}
	if t := s.next[class]; t != nil {
		if len(t.nodes) == 0 {
			return nil
		}
		return t
	}
	b := w.g.members[class]
	var to []int32
	for _, n := range s.nodes {
		edges := w.g.nfa.nodes[n].bytes
		w.work += len(edges) / 8
		for _, e := range edges {
			if e.lo <= b && b <= e.hi {
				to = append(to, e.to)
			}
		}
	}
	w.work += len(s.nodes) / 8
	t := w.closure(to)
	s.next[class] = t
	if len(t.nodes) == 0 {
		return nil
	}
	return t
}
