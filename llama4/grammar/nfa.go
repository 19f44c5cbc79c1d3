package grammar

import (
	"fmt"
	"strings"
)

// Limits of one grammar. They keep a stranger's grammar from taking the machine;
// what people write stays far below.
const (
	maxNodes   = 1 << 18 // of all automata together, about 40 MB
	maxRepeat  = 100_000 // {m,n}
	maxNesting = 200     // of groups, and of schemas
	maxSource  = 1 << 20 // bytes of a grammar or schema

	// A repeated expression becomes a rule of its own where copies of it would
	// take more nodes than this.
	maxCopies = 2048
)

// An nfa is one automaton over bytes a rule. Its nodes are numbered through;
// besides bytes, edges may be calls of rules.
type nfa struct {
	nodes []nfaNode
	rules []nfaRule
}

type nfaNode struct {
	free  []int32 // edges without a byte
	bytes []byteEdge
	calls []callEdge
	final bool
}

type byteEdge struct {
	byteRange
	to int32
}

type callEdge struct{ rule, to int32 }

type nfaRule struct {
	name       string
	start, end int32
	nullable   bool
}

type nfaBuilder struct {
	nfa
	exprs    []expr // of the rules
	tooLarge bool
}

// compile makes the automata of the rules. The text starts with rule root.
func compile(set *ruleSet, root ref) (*Grammar, error) {
	b := nfaBuilder{}
	for i, name := range set.names {
		b.addRule(name, set.exprs[i])
	}
	for i := 0; i < len(b.rules) && !b.tooLarge; i++ { // repetitions add rules
		b.build(b.exprs[i], b.rules[i].start, b.rules[i].end)
		if b.tooLarge {
			return nil, fmt.Errorf("rule %q makes the grammar larger than %d nodes, shorten its repetitions or lists", b.rules[i].name, maxNodes)
		}
	}
	if !b.trim()[b.rules[root].start] {
		return nil, fmt.Errorf("rule %q matches no finite text", b.rules[root].name)
	}
	ends := b.reaching(false)
	for i := range b.rules {
		b.rules[i].nullable = ends[b.rules[i].start]
	}
	if err := b.checkLeftRecursion(); err != nil {
		return nil, err
	}
	g := &Grammar{nfa: b.nfa, root: int32(root)}
	g.classes, g.members = b.byteClasses()
	g.plain = plainClasses(&g.classes)
	return g, nil
}

func (b *nfaBuilder) addRule(name string, x expr) int32 {
	start, end := b.node(), b.node()
	b.nodes[end].final = true
	b.rules = append(b.rules, nfaRule{name: name, start: start, end: end})
	b.exprs = append(b.exprs, x)
	return int32(len(b.rules) - 1)
}

func (b *nfaBuilder) node() int32 {
	if len(b.nodes) >= maxNodes {
		b.tooLarge = true
		return 0
	}
	b.nodes = append(b.nodes, nfaNode{})
	return int32(len(b.nodes) - 1)
}

func (b *nfaBuilder) free(from, to int32) {
	b.nodes[from].free = append(b.nodes[from].free, to)
}

func (b *nfaBuilder) byteEdge(from, to int32, r byteRange) {
	b.nodes[from].bytes = append(b.nodes[from].bytes, byteEdge{r, to})
}

// build adds paths from one node to another that read x.
func (b *nfaBuilder) build(x expr, from, to int32) {
	if b.tooLarge {
		return
	}
	switch x := x.(type) {
	case literal:
		for i := range len(x) - 1 {
			next := b.node()
			b.byteEdge(from, next, byteRange{x[i], x[i]})
			from = next
		}
		if len(x) == 0 {
			b.free(from, to)
		} else {
			b.byteEdge(from, to, byteRange{x[len(x)-1], x[len(x)-1]})
		}
	case class:
		b.class(x, from, to)
	case sequence:
		for i, e := range x {
			if i == len(x)-1 {
				b.build(e, from, to)
				return
			}
			next := b.node()
			b.build(e, from, next)
			from = next
		}
		b.free(from, to)
	case choice:
		b.choice(x, from, to)
	case repeat:
		b.repeat(x, from, to)
	case ref:
		b.nodes[from].calls = append(b.nodes[from].calls, callEdge{int32(x), to})
	case *network:
		at := make([]int32, x.nodes)
		for i := range at {
			at[i] = b.node()
		}
		b.free(from, at[0])
		b.free(at[1], to)
		for _, e := range x.edges {
			b.build(e.x, at[e.from], at[e.to])
		}
	}
}

// choice shares the beginnings of literals: lists of words can be long.
func (b *nfaBuilder) choice(list choice, from, to int32) {
	type step struct {
		node int32
		b    byte
	}
	steps := map[step]int32{}
	for _, e := range list {
		text, ok := e.(literal)
		if !ok || len(text) == 0 {
			b.build(e, from, to)
			continue
		}
		at, last := from, len(text)-1
		for i := range last {
			next, ok := steps[step{at, text[i]}]
			if !ok {
				next = b.node()
				b.byteEdge(at, next, byteRange{text[i], text[i]})
				steps[step{at, text[i]}] = next
			}
			at = next
		}
		b.byteEdge(at, to, byteRange{text[last], text[last]})
	}
}

// class shares the ends of encodings: most characters end in any continuation
// byte.
func (b *nfaBuilder) class(c class, from, to int32) {
	tails := map[string]int32{"": to}
	c.byteRanges(func(seq []byteRange) {
		next := to
		key := ""
		for i := len(seq) - 1; i > 0; i-- {
			key = string([]byte{seq[i].lo, seq[i].hi}) + key
			node, ok := tails[key]
			if !ok {
				node = b.node()
				b.byteEdge(node, next, seq[i])
				tails[key] = node
			}
			next = node
		}
		b.byteEdge(from, next, seq[0])
	})
}

func (b *nfaBuilder) repeat(r repeat, from, to int32) {
	x, times := r.x, max(r.min, r.max)
	if _, called := x.(ref); !called && times > 1 && size(x) > maxCopies/times {
		x = ref(b.addRule("repetition", x))
	}
	for range r.min {
		next := b.node()
		b.build(x, from, next)
		from = next
	}
	if r.max < 0 {
		loop, back := b.node(), b.node()
		b.free(from, loop)
		b.free(loop, to)
		b.build(x, loop, back)
		b.free(back, loop)
		return
	}
	for range r.max - r.min {
		if b.tooLarge {
			return
		}
		b.free(from, to)
		next := b.node()
		b.build(x, from, next)
		from = next
	}
	b.free(from, to)
}

// reaching says of each node whether the end of its rule can be reached from it:
// by any text, or by the empty one alone.
func (b *nfaBuilder) reaching(anyText bool) []bool {
	type waiting struct{ node, rule int32 }
	back := make([][]waiting, len(b.nodes)) // rule -1: no call
	for i, n := range b.nodes {
		for _, to := range n.free {
			back[to] = append(back[to], waiting{int32(i), -1})
		}
		for _, e := range n.bytes {
			if anyText {
				back[e.to] = append(back[e.to], waiting{int32(i), -1})
			}
		}
		for _, e := range n.calls {
			back[e.to] = append(back[e.to], waiting{int32(i), e.rule})
		}
	}
	reached := make([]bool, len(b.nodes))
	callers := make([][]int32, len(b.rules))
	starts := make(map[int32]int32, len(b.rules))
	var todo []int32
	for i, r := range b.rules {
		starts[r.start] = int32(i)
		todo = append(todo, r.end)
	}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if reached[n] {
			continue
		}
		reached[n] = true
		for _, w := range back[n] {
			if w.rule < 0 || reached[b.rules[w.rule].start] {
				todo = append(todo, w.node)
			} else {
				callers[w.rule] = append(callers[w.rule], w.node)
			}
		}
		if rule, ok := starts[n]; ok {
			todo = append(todo, callers[rule]...)
		}
	}
	return reached
}

// trim removes edges after which the text could never end, and returns what is
// left. So wherever an edge leads, there is a way to finish.
func (b *nfaBuilder) trim() []bool {
	alive := b.reaching(true)
	for i := range b.nodes {
		n := &b.nodes[i]
		n.free = keep(n.free, func(to int32) bool { return alive[to] })
		n.bytes = keep(n.bytes, func(e byteEdge) bool { return alive[e.to] })
		n.calls = keep(n.calls, func(e callEdge) bool { return alive[e.to] && alive[b.rules[e.rule].start] })
	}
	return alive
}

func keep[T any](s []T, ok func(T) bool) []T {
	out := s[:0]
	for _, x := range s {
		if ok(x) {
			out = append(out, x)
		}
	}
	return out
}

// checkLeftRecursion refuses rules that can call themselves before any byte: they
// would push frames for ever.
func (b *nfaBuilder) checkLeftRecursion() error {
	const fresh, open, done = 0, 1, 2
	state := make([]byte, len(b.rules))
	seen := make([]int32, len(b.nodes)) // the rule that saw the node last, plus 1
	var path []int32
	var visit func(rule int32) error
	visit = func(rule int32) error {
		state[rule] = open
		path = append(path, rule)
		for _, callee := range b.firstCalls(rule, seen) {
			switch state[callee] {
			case open:
				return b.leftRecursion(append(path, callee))
			case fresh:
				if err := visit(callee); err != nil {
					return err
				}
			}
		}
		path = path[:len(path)-1]
		state[rule] = done
		return nil
	}
	for i := range b.rules {
		if state[i] == fresh {
			if err := visit(int32(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *nfaBuilder) leftRecursion(path []int32) error {
	last := path[len(path)-1]
	var names []string
	for i := len(path) - 2; ; i-- {
		names = append([]string{b.rules[path[i]].name}, names...)
		if path[i] == last {
			break
		}
	}
	names = append(names, b.rules[last].name)
	return fmt.Errorf("rule %q is left-recursive, it can begin with itself (%s): write it as a repetition",
		b.rules[last].name, strings.Join(names, " > "))
}

// firstCalls returns the rules that rule can call before any byte.
func (b *nfaBuilder) firstCalls(rule int32, seen []int32) []int32 {
	var calls []int32
	todo := []int32{b.rules[rule].start}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[n] == rule+1 {
			continue
		}
		seen[n] = rule + 1
		todo = append(todo, b.nodes[n].free...)
		for _, e := range b.nodes[n].calls {
			calls = append(calls, e.rule)
			if b.rules[e.rule].nullable {
				todo = append(todo, e.to)
			}
		}
	}
	return calls
}

// byteClasses numbers bytes so that those which no edge tells apart have one
// number, and returns a byte of each.
func (b *nfaBuilder) byteClasses() (classes [256]uint8, members []byte) {
	var starts [257]bool
	starts[0] = true
	for _, n := range b.nodes {
		for _, e := range n.bytes {
			starts[e.lo], starts[int(e.hi)+1] = true, true
		}
	}
	for i := range 256 {
		if starts[i] {
			members = append(members, byte(i))
		}
		classes[i] = uint8(len(members) - 1)
	}
	return classes, members
}
