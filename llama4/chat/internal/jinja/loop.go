package jinja

import (
	"errors"
	"fmt"
)

type forStmt struct {
	target          target
	iter, cond      expr
	recursive       bool
	body, otherwise block
}

// loop is the variable "loop" of a running loop.
type loop struct {
	items   []Value
	i       int
	depth   int
	changed []Value // what loop.changed() saw last, nil before its first call
	again   func(st *state, a args) (Value, error)
}

func (s *forStmt) exec(st *state) error {
	v, err := s.iter.eval(st)
	if err != nil {
		return err
	}
	return s.run(st, v, 0)
}

func (s *forStmt) run(st *state, over Value, depth int) error {
	if err := st.enter(); err != nil {
		return err
	}
	defer st.leave()
	items, err := st.items(over)
	if err == nil && s.cond != nil {
		items, err = s.filter(st, items)
	}
	if err != nil {
		return err
	}
	outer := st.scope
	if len(items) == 0 {
		return st.within(outer, func() error { return s.otherwise.exec(st) })
	}
	l := &loop{items: items, depth: depth}
	if s.recursive {
		l.again = func(st *state, a args) (Value, error) {
			if len(a.pos) != 1 || len(a.names) > 0 {
				return nil, errors.New("loop() takes one argument, what to loop over")
			}
			return st.capture(func() error {
				old := st.scope
				st.scope = outer
				err := s.run(st, a.pos[0], depth+1)
				st.scope = old
				return err
			})
		}
	}
	for i, item := range items {
		l.i = i
		err := st.within(outer, func() error {
			st.scope.set("loop", l)
			if err := s.target.assign(st, item); err != nil {
				return err
			}
			return s.body.exec(st)
		})
		if errors.Is(err, errBreak) {
			break
		}
		if err != nil && !errors.Is(err, errContinue) {
			return err
		}
		if err := st.spend(1); err != nil {
			return err
		}
	}
	return nil
}

// filter keeps the items for which the loop's condition holds.
func (s *forStmt) filter(st *state, items []Value) ([]Value, error) {
	var kept []Value
	outer := st.scope
	for _, item := range items {
		err := st.within(outer, func() error {
			if err := s.target.assign(st, item); err != nil {
				return err
			}
			v, err := s.cond.eval(st)
			if err == nil && truthy(v) {
				kept = append(kept, item)
			}
			return err
		})
		if err == nil {
			err = st.grow(cell)
		}
		if err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// attr returns an attribute of the loop variable.
func (l *loop) attr(name string) (Value, bool) {
	i, n := int64(l.i), int64(len(l.items))
	switch name {
	case "index":
		return i + 1, true
	case "index0":
		return i, true
	case "revindex":
		return n - i, true
	case "revindex0":
		return n - i - 1, true
	case "first":
		return i == 0, true
	case "last":
		return i == n-1, true
	case "length":
		return n, true
	case "depth":
		return int64(l.depth + 1), true
	case "depth0":
		return int64(l.depth), true
	case "previtem":
		if i == 0 {
			return undefined{"there is no previous item"}, true
		}
		return l.items[i-1], true
	case "nextitem":
		if i == n-1 {
			return undefined{"there is no next item"}, true
		}
		return l.items[i+1], true
	case "cycle":
		return &function{name: "cycle", call: l.cycle}, true
	case "changed":
		return &function{name: "changed", call: l.hasChanged}, true
	}
	return nil, false
}

func (l *loop) cycle(_ *state, a args) (Value, error) {
	if len(a.pos) == 0 {
		return nil, errors.New("no items for cycling given")
	}
	return a.pos[l.i%len(a.pos)], nil
}

func (l *loop) hasChanged(st *state, a args) (Value, error) {
	same := l.changed != nil && len(l.changed) == len(a.pos)
	for i := 0; same && i < len(a.pos); i++ {
		eq, err := st.equal(l.changed[i], a.pos[i])
		if err != nil {
			return nil, err
		}
		same = eq
	}
	l.changed = append([]Value{}, a.pos...)
	return !same, nil
}

// macro is a macro definition, also the body of a call block.
type macro struct {
	name     string
	params   []string
	defaults []expr
	body     block
}

type macroStmt struct{ m *macro }

func (s macroStmt) exec(st *state) error {
	st.scope.set(s.m.name, s.m.bind(st.scope))
	return nil
}

// bind returns the macro as a callable that sees the scope in which it was defined.
func (m *macro) bind(defined *scope) *function {
	return &function{name: m.name, call: func(st *state, a args) (Value, error) {
		if err := st.enter(); err != nil {
			return nil, err
		}
		defer st.leave()
		return st.capture(func() error {
			return st.within(defined, func() error {
				if err := m.assign(st, a); err != nil {
					return err
				}
				err := m.body.exec(st)
				if errors.Is(err, errBreak) || errors.Is(err, errContinue) {
					return errors.New(err.Error()) // it must not reach a loop around the call
				}
				return err
			})
		})
	}}
}

// assign sets the parameters in the macro's own scope.
func (m *macro) assign(st *state, a args) error {
	if len(a.pos) > len(m.params) {
		return fmt.Errorf("macro '%s' takes not more than %d argument(s)", m.name, len(m.params))
	}
	for i, n := range a.names {
		j := indexOf(m.params, n)
		switch {
		case j >= 0 && j < len(a.pos):
			return fmt.Errorf("macro '%s' got two values for argument '%s'", m.name, n)
		case j < 0 && n != "caller":
			return fmt.Errorf("macro '%s' takes no keyword argument '%s'", m.name, n)
		}
		st.scope.set(n, a.named[i])
	}
	for i, name := range m.params {
		if i < len(a.pos) {
			st.scope.set(name, a.pos[i])
			continue
		}
		if _, ok := a.kw(name); ok {
			continue
		}
		var v Value = undefined{"parameter '" + name + "' was not provided"}
		if m.defaults[i] != nil {
			var err error
			if v, err = m.defaults[i].eval(st); err != nil {
				return err
			}
		}
		st.scope.set(name, v)
	}
	return nil
}

// callStmt calls a macro with a body that it can ask for as caller().
type callStmt struct {
	call *call
	body *macro
}

func (s callStmt) exec(st *state) error {
	fn, err := s.call.fn.eval(st)
	if err != nil {
		return err
	}
	a, err := s.call.args.eval(st)
	if err != nil {
		return err
	}
	a.names, a.named = append(a.names, "caller"), append(a.named, s.body.bind(st.scope))
	v, err := st.call(fn, a)
	if err != nil {
		return err
	}
	text, err := st.str(v)
	if err != nil {
		return err
	}
	return st.write(text)
}
