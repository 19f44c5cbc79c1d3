package jinja

import (
	"errors"
	"fmt"
)

type stmt interface{ exec(st *state) error }

type located struct {
	stmt
	line int
}

// block is a sequence of statements.
type block []located

func (b block) exec(st *state) error {
	for i := range b {
		err := st.spend(1)
		if err == nil {
			err = b[i].exec(st)
		}
		if err != nil {
			return at(b[i].line, err)
		}
	}
	return nil
}

type text string

func (t text) exec(st *state) error { return st.write(string(t)) }

type output struct{ e expr }

func (o output) exec(st *state) error {
	v, err := o.e.eval(st)
	if err != nil {
		return err
	}
	s, err := st.str(v)
	if err != nil {
		return err
	}
	return st.write(s)
}

var (
	errBreak    = errors.New("'break' outside of a loop")
	errContinue = errors.New("'continue' outside of a loop")
)

type jump struct{ err error }

func (j jump) exec(*state) error { return j.err }

type branch struct {
	cond expr
	body block
}

type ifStmt struct {
	branches  []branch
	otherwise block
}

func (s ifStmt) exec(st *state) error {
	for _, b := range s.branches {
		v, err := b.cond.eval(st)
		if err != nil {
			return err
		}
		if truthy(v) {
			return b.body.exec(st)
		}
	}
	return s.otherwise.exec(st)
}

// target is the left side of an assignment.
type target interface {
	assign(st *state, v Value) error
}

type nameTarget string

func (t nameTarget) assign(st *state, v Value) error {
	st.scope.set(string(t), v)
	return nil
}

type attrTarget struct{ name, attr string }

func (t attrTarget) assign(st *state, v Value) error {
	obj, _ := st.scope.lookup(t.name)
	ns, ok := obj.(*namespace)
	if !ok {
		return fmt.Errorf("can't set '%s.%s': '%s' is no namespace", t.name, t.attr, t.name)
	}
	ns.attrs.set(t.attr, v)
	return st.grow(cell)
}

type tupleTarget []target

func (t tupleTarget) assign(st *state, v Value) error {
	items, err := st.items(v)
	if err != nil {
		return err
	}
	switch {
	case len(items) < len(t):
		return fmt.Errorf("not enough values to unpack (expected %d, got %d)", len(t), len(items))
	case len(items) > len(t):
		return fmt.Errorf("too many values to unpack (expected %d)", len(t))
	}
	for i := range t {
		if err := t[i].assign(st, items[i]); err != nil {
			return err
		}
	}
	return nil
}

type setStmt struct {
	target target
	e      expr
}

func (s setStmt) exec(st *state) error {
	v, err := s.e.eval(st)
	if err != nil {
		return err
	}
	return s.target.assign(st, v)
}

// capturedBody renders a body in its own scope and passes it through the filter, if any.
func capturedBody(st *state, body block, filter expr) (Value, error) {
	text, err := st.capture(func() error {
		return st.within(st.scope, func() error { return body.exec(st) })
	})
	if err != nil || filter == nil {
		return text, err
	}
	st.captured = text
	return filter.eval(st)
}

type setBlock struct {
	target target
	body   block
	filter expr
}

func (s setBlock) exec(st *state) error {
	v, err := capturedBody(st, s.body, s.filter)
	if err != nil {
		return err
	}
	return s.target.assign(st, v)
}

type filterBlock struct {
	body   block
	filter expr
}

func (s filterBlock) exec(st *state) error {
	v, err := capturedBody(st, s.body, s.filter)
	if err != nil {
		return err
	}
	text, err := st.str(v)
	if err != nil {
		return err
	}
	return st.write(text)
}

// scoped is a body with its own variables: the with tag, and generation with none.
type scoped struct {
	targets []target
	values  []expr
	body    block
}

func (s scoped) exec(st *state) error {
	vals := make([]Value, len(s.values))
	for i, e := range s.values {
		var err error
		if vals[i], err = e.eval(st); err != nil {
			return err
		}
	}
	return st.within(st.scope, func() error {
		for i, t := range s.targets {
			if err := t.assign(st, vals[i]); err != nil {
				return err
			}
		}
		return s.body.exec(st)
	})
}
