package jinja

import (
	"errors"
	"fmt"
)

// globals is the outermost scope; nothing writes to it after initialisation.
var globals = &scope{vars: map[string]Value{
	"range":           &function{name: "range", call: globalRange},
	"dict":            &function{name: "dict", call: globalDict},
	"namespace":       &function{name: "namespace", call: globalNamespace},
	"cycler":          &function{name: "cycler", call: globalCycler},
	"joiner":          &function{name: "joiner", call: globalJoiner},
	"raise_exception": &function{name: "raise_exception", call: globalRaise},
}}

// Func returns a global function of one text argument, called fn(text).
func Func(name string, fn func(arg string) (string, error)) Value {
	return &function{name: name, call: func(st *state, a args) (Value, error) {
		b, err := a.bind(name, "format")
		if err != nil {
			return nil, err
		}
		s, err := b.str(0, "")
		if err != nil {
			return nil, err
		}
		out, err := fn(Unmark(s))
		if err != nil {
			return nil, err
		}
		return out, st.grow(len(out))
	}}
}

func globalRange(st *state, a args) (Value, error) {
	b, err := a.bind("range", "start", "stop", "step")
	if err != nil {
		return nil, err
	}
	start, err := b.int(0, 0)
	if err != nil {
		return nil, err
	}
	stop, err := b.int(1, 0)
	if err != nil {
		return nil, err
	}
	step, err := b.int(2, 1)
	if err != nil {
		return nil, err
	}
	switch len(a.pos) {
	case 0:
		return nil, errors.New("range expected at least 1 argument, got 0")
	case 1:
		start, stop = 0, start
	}
	n, err := rangeLen(start, stop, step)
	if err != nil {
		return nil, err
	}
	if err := st.grow(cell * n); err != nil {
		return nil, err
	}
	items := make([]Value, n)
	for i := range items {
		items[i] = start + int64(i)*step
	}
	return NewList(items...), nil
}

func rangeLen(start, stop, step int64) (int, error) {
	if step == 0 {
		return 0, errors.New("range() arg 3 must not be zero")
	}
	lo, hi, by := start, stop, uint64(step)
	if step < 0 {
		lo, hi, by = stop, start, -uint64(step)
	}
	if lo >= hi {
		return 0, nil
	}
	n := (uint64(hi)-uint64(lo)-1)/by + 1
	if n > maxRange {
		return 0, fmt.Errorf("%w: the range is too big, the sandbox blocks ranges of more than %d elements", ErrLimit, maxRange)
	}
	return int(n), nil
}

func globalDict(st *state, a args) (Value, error) {
	d := NewDict()
	if len(a.pos) > 1 {
		return nil, fmt.Errorf("dict expected at most 1 argument, got %d", len(a.pos))
	}
	if len(a.pos) == 1 {
		src, ok := a.pos[0].(*Dict)
		if !ok {
			return nil, errors.New("dict() takes a mapping or keyword arguments")
		}
		for i, k := range src.keys {
			d.set(k, src.vals[i])
		}
	}
	for i, n := range a.names {
		d.Set(n, a.named[i])
	}
	return d, st.grow(3 * cell * d.Len())
}

func globalNamespace(st *state, a args) (Value, error) {
	d, err := globalDict(st, a)
	if err != nil {
		return nil, err
	}
	return &namespace{d.(*Dict)}, nil
}

func globalCycler(_ *state, a args) (Value, error) {
	if len(a.pos) == 0 {
		return nil, errors.New("cycler needs at least one item")
	}
	i := 0
	c := &function{name: "cycler", attrs: NewDict(), call: func(*state, args) (Value, error) {
		return nil, errors.New("a cycler is not callable, use its next()")
	}}
	c.attrs.Set("current", a.pos[0])
	move := func(to func() int, result func(old Value) Value) *function {
		return &function{name: "cycler", call: func(*state, args) (Value, error) {
			old := a.pos[i]
			i = to()
			c.attrs.Set("current", a.pos[i])
			return result(old), nil
		}}
	}
	c.attrs.Set("next", move(func() int { return (i + 1) % len(a.pos) }, func(old Value) Value { return old }))
	c.attrs.Set("reset", move(func() int { return 0 }, func(Value) Value { return nil }))
	return c, nil
}

func globalJoiner(st *state, a args) (Value, error) {
	b, err := a.bind("joiner", "sep")
	if err != nil {
		return nil, err
	}
	sep, err := st.str(b.get(0, ", "))
	if err != nil {
		return nil, err
	}
	used := false
	return &function{name: "joiner", call: func(*state, args) (Value, error) {
		if !used {
			used = true
			return "", nil
		}
		return sep, nil
	}}, nil
}

func globalRaise(st *state, a args) (Value, error) {
	b, err := a.bind("raise_exception", "message")
	if err != nil {
		return nil, err
	}
	msg, err := st.str(b.get(0, ""))
	if err != nil {
		return nil, err
	}
	return nil, &RaisedError{Unmark(msg)}
}
