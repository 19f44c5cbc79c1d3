package grammar

import (
	"math/rand/v2"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// naive is a matcher written from the meaning of expressions alone: it returns the
// places where a match of x in text, begun at one place, can end.
type naive struct {
	rules *ruleSet
	text  string
	known map[naiveKey]map[int]bool
}

type naiveKey struct {
	rule ref
	from int
}

func (n *naive) ends(x expr, from int) map[int]bool {
	out := map[int]bool{}
	switch x := x.(type) {
	case literal:
		if end := from + len(x); end <= len(n.text) && n.text[from:end] == string(x) {
			out[end] = true
		}
	case class:
		if r, size := utf8.DecodeRuneInString(n.text[from:]); size > 0 && (r != utf8.RuneError || size > 1) && x.has(r) {
			out[from+size] = true
		}
	case sequence:
		out[from] = true
		for _, e := range x {
			out = n.from(e, out)
		}
	case choice:
		for _, e := range x {
			for end := range n.ends(e, from) {
				out[end] = true
			}
		}
	case repeat:
		now := map[int]bool{from: true}
		for i := 0; (x.max < 0 || i <= x.max) && len(now) > 0 && i <= x.min+len(n.text)+1; i++ {
			if i >= x.min {
				for end := range now {
					out[end] = true
				}
			}
			now = n.from(x.x, now)
		}
	case ref:
		key := naiveKey{x, from}
		if known, ok := n.known[key]; ok {
			return known
		}
		out = n.ends(n.rules.exprs[x], from)
		n.known[key] = out
	}
	return out
}

func (n *naive) from(x expr, starts map[int]bool) map[int]bool {
	out := map[int]bool{}
	for from := range starts {
		for end := range n.ends(x, from) {
			out[end] = true
		}
	}
	return out
}

// TestCompleteIsNaive compares where a text may end, and that texts which are
// broken in one place are judged alike.
func TestCompleteIsNaive(t *testing.T) {
	v := demoVocabulary(t)
	for name, source := range gbnfs {
		t.Run(name, func(t *testing.T) {
			p := &gbnfParser{src: source, byName: map[string]ref{}, used: map[ref]int{}, defined: map[ref]int{}}
			require.NoError(t, p.parse())
			g, err := ParseGBNF(source)
			require.NoError(t, err)
			r := rand.New(rand.NewPCG(3, 0))
			for range 12 {
				text := randomPrefix(t, g, v, r)
				for end := range len(text) + 1 {
					checkNaive(t, g, v, p, text[:end])
				}
				if len(text) > 0 {
					i := r.IntN(len(text))
					checkNaive(t, g, v, p, text[:i]+text[i+1:])
				}
			}
		})
	}
}

func checkNaive(t *testing.T, g *Grammar, v *Vocabulary, p *gbnfParser, text string) {
	t.Helper()
	n := naive{&p.rules, text, map[naiveKey]map[int]bool{}}
	require.Equal(t, n.ends(p.byName["root"], 0)[len(text)], accepts(g, v, text), "%q", text)
}

func randomPrefix(t *testing.T, g *Grammar, v *Vocabulary, r *rand.Rand) string {
	t.Helper()
	m := g.NewMatcher(v)
	mask := make([]uint64, v.Words())
	text := ""
	for range 14 {
		if m.Allowed(mask); countMask(mask) == 0 {
			break
		}
		id := pick(r, mask)
		require.NoError(t, m.Accept(id))
		text += string(v.token(id))
	}
	return text
}
