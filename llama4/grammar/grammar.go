package grammar

import (
	"fmt"
	"sync"
)

// A Grammar is a set of texts. It may be used by any number of goroutines. What
// it learns about a vocabulary it keeps, up to 24 MB, for all its matchers.
type Grammar struct {
	nfa     nfa
	root    int32
	classes [256]uint8 // of bytes
	members []byte     // one byte of each class
	plain   *plainTable

	mu   sync.Mutex // guards last and all of the world in use
	last *world
}

// NewMatcher returns a matcher at the start of a text.
func (g *Grammar) NewMatcher(v *Vocabulary) *Matcher {
	m := &Matcher{g: g, v: v}
	m.Reset()
	return m
}

// A Matcher follows one text, token by token. It is small; it is not safe for
// concurrent use, but matchers of the same grammar are.
type Matcher struct {
	g   *Grammar
	v   *Vocabulary
	in  *world
	at  *config // of world in; nil at the start
	err error
}

// Reset goes back to the start of a text.
func (m *Matcher) Reset() { m.in, m.at, m.err = nil, nil, nil }

// Clone returns a matcher at the same place, for a text that goes on another way.
func (m *Matcher) Clone() *Matcher {
	c := *m
	return &c
}

// Err returns why Allowed allowed nothing, where the grammar is so ambiguous that
// a token has too many readings to follow them all. Every call fails from then on.
func (m *Matcher) Err() error { return m.err }

// Allowed sets the bits of the tokens that may come next and clears all others:
// bit id%64 of word id/64. The mask has [Vocabulary.Words] words. After each of
// these tokens the text can be finished. complete says whether it may end here,
// too; where no bit is set, it must.
func (m *Matcher) Allowed(mask []uint64) (complete bool) {
	m.g.mu.Lock()
	defer m.g.mu.Unlock()
	clear(mask)
	w := m.enter()
	if w == nil {
		return false
	}
	out := mask
	if len(mask) != m.v.Words() {
		out = make([]uint64, m.v.Words())
	}
	complete = m.at.ends
	w.allowed(m.at, out)
	if m.leave(w) != nil {
		clear(mask)
		return false
	}
	if len(mask) != len(out) {
		copy(mask, out)
	}
	return complete
}

// Accept moves on by a token. It returns an error for a token that Allowed does
// not allow here, and the matcher stays where it was.
func (m *Matcher) Accept(id int32) error {
	if id < 0 || int(id) >= m.v.size {
		return fmt.Errorf("token %d is outside the vocabulary of %d tokens", id, m.v.size)
	}
	text := m.v.token(id)
	if len(text) == 0 {
		return fmt.Errorf("token %d is not text, no grammar allows it", id)
	}
	if err := m.AcceptBytes(text); err != nil {
		return fmt.Errorf("token %d: %w", id, err)
	}
	return nil
}

// AcceptBytes moves on by some bytes, which need not be those of a token.
func (m *Matcher) AcceptBytes(text []byte) error {
	m.g.mu.Lock()
	defer m.g.mu.Unlock()
	w := m.enter()
	if w == nil {
		return m.err
	}
	c := m.at
	for i, b := range text {
		to := w.step(c, m.g.classes[b])
		if w.err != nil {
			return m.leave(w)
		}
		if to == w.none {
			return fmt.Errorf("the grammar does not allow %q here, from byte %d on", text, i)
		}
		if to.depth > maxDepth {
			return fmt.Errorf("the text nests more than %d rules of the grammar, from %q on", maxDepth, text[i:])
		}
		c = to
	}
	m.at = c
	return nil
}

// enter returns the world to work in, nil after an error.
func (m *Matcher) enter() *world {
	if m.err != nil {
		return nil
	}
	w := m.g.last
	if w == nil || w.v != m.v || w.held > maxHeld {
		w = newWorld(m.g, m.v)
		m.g.last = w
	}
	w.work = 0
	if m.in != w {
		if m.at == nil {
			m.at = w.start()
		} else {
			m.at = w.adopt(m.at)
		}
		m.in = w
		if m.leave(w) != nil {
			return nil
		}
	}
	return w
}

// leave takes over the error of a call. The world was left in the middle of
// something, so it is given up.
func (m *Matcher) leave(w *world) error {
	if w.err != nil {
		m.err = w.err
		m.g.last = nil
	}
	return m.err
}
