package jinja

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrLimit is wrapped by the errors of a render that took too long, created too much or went too deep.
var ErrLimit = errors.New("template limit exceeded")

// Limits bound one render. A zero field means the default.
type Limits struct {
	Time   time.Duration // wall time, 2 s by default
	Memory int64         // bytes of text and list cells created over the whole render, 256 MiB by default
}

const (
	defaultTime   = 2 * time.Second
	defaultMemory = 256 << 20
	maxSource     = 1 << 20 // bytes of template source
	maxNesting    = 200     // of brackets and blocks in the source
	maxTag        = 5000    // tokens in one tag, which bounds the depth of an expression
	maxDepth      = 200     // of macro calls, recursive loops and nested values
	maxRange      = 100_000 // elements of range(), as jinja2.sandbox.MAX_RANGE
	maxFormat     = 10_000  // width and precision in % formatting
	checkEvery    = 2048    // units of work between two looks at the clock
)

// state is one render in progress.
type state struct {
	ctx      context.Context
	limit    time.Duration
	deadline time.Time
	memory   int64
	total    int64
	work     int
	depth    int
	out      *strings.Builder
	captured string // the body that a set or filter block passes to its filter
	scope    *scope
}

// spend counts n units of work, a unit being about one operation or 64 bytes looked at, and notices the end of the time.
func (st *state) spend(n int) error {
	st.work += n
	if st.work < checkEvery {
		return nil
	}
	st.work = 0
	if err := st.ctx.Err(); err != nil {
		return err
	}
	if time.Now().After(st.deadline) {
		return fmt.Errorf("%w: it ran longer than %v", ErrLimit, st.limit)
	}
	return nil
}

// grow counts n bytes about to be created.
func (st *state) grow(n int) error {
	st.memory -= int64(n)
	if n < 0 || st.memory < 0 {
		return fmt.Errorf("%w: it created more than %d MiB of text and lists", ErrLimit, st.total>>20)
	}
	return st.spend(1 + n/64)
}

// cell is what a list element costs.
const cell = 32

// enter guards recursion; leave must follow when it returns nil.
func (st *state) enter() error {
	if st.depth >= maxDepth {
		return fmt.Errorf("%w: it nests deeper than %d calls or values", ErrLimit, maxDepth)
	}
	st.depth++
	return st.spend(1)
}

func (st *state) leave() { st.depth-- }

func (st *state) write(s string) error {
	if err := st.grow(len(s)); err != nil {
		return err
	}
	st.out.WriteString(s)
	return nil
}

// capture runs f with its output collected.
func (st *state) capture(f func() error) (string, error) {
	old := st.out
	st.out = new(strings.Builder)
	err := f()
	text := st.out.String()
	st.out = old
	return text, err
}

// scope is one level of variables.
type scope struct {
	vars   map[string]Value
	parent *scope
}

func (s *scope) lookup(name string) (Value, bool) {
	for ; s != nil; s = s.parent {
		if v, ok := s.vars[name]; ok {
			return v, true
		}
	}
	return nil, false
}

func (s *scope) set(name string, v Value) {
	if s.vars == nil {
		s.vars = make(map[string]Value)
	}
	s.vars[name] = v
}

// within runs f in a new scope below parent.
func (st *state) within(parent *scope, f func() error) error {
	old := st.scope
	st.scope = &scope{parent: parent}
	err := f()
	st.scope = old
	return err
}
