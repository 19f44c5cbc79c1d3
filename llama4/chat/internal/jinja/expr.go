package jinja

import (
	"fmt"
)

type expr interface {
	eval(st *state) (Value, error)
}

type constant struct{ v Value }

func (c constant) eval(*state) (Value, error) { return c.v, nil }

type captured struct{}

func (captured) eval(st *state) (Value, error) { return st.captured, nil }

type nameExpr string

func (n nameExpr) eval(st *state) (Value, error) {
	if v, ok := st.scope.lookup(string(n)); ok {
		return v, nil
	}
	return undefinedName(string(n)), nil
}

type listExpr struct {
	kind  listKind
	items []expr
}

func (l listExpr) eval(st *state) (Value, error) {
	items, err := st.evalAll(l.items)
	return &List{kind: l.kind, items: items}, err
}

func (st *state) evalAll(list []expr) ([]Value, error) {
	if len(list) == 0 {
		return nil, nil
	}
	if err := st.grow(cell * len(list)); err != nil {
		return nil, err
	}
	vals := make([]Value, len(list))
	for i, e := range list {
		var err error
		if vals[i], err = e.eval(st); err != nil {
			return nil, err
		}
	}
	return vals, nil
}

type dictExpr struct{ keys, vals []expr }

func (d dictExpr) eval(st *state) (Value, error) {
	out := NewDict()
	for i := range d.keys {
		k, err := d.keys[i].eval(st)
		if err != nil {
			return nil, err
		}
		if _, ok := hashKey(k); !ok {
			return nil, fmt.Errorf("unhashable type: '%s'", typeName(k))
		}
		v, err := d.vals[i].eval(st)
		if err != nil {
			return nil, err
		}
		if err := st.grow(3 * cell); err != nil {
			return nil, err
		}
		out.set(k, v)
	}
	return out, nil
}

type condExpr struct{ yes, test, no expr }

func (c condExpr) eval(st *state) (Value, error) {
	v, err := c.test.eval(st)
	switch {
	case err != nil:
		return nil, err
	case truthy(v):
		return c.yes.eval(st)
	case c.no == nil:
		return undefined{"the inline if-expression evaluated to false and no else section was defined"}, nil
	}
	return c.no.eval(st)
}

type notExpr struct{ e expr }

func (n notExpr) eval(st *state) (Value, error) {
	v, err := n.e.eval(st)
	return !truthy(v), err
}

// logicExpr is "and" and "or", which return one of their operands.
type logicExpr struct {
	or          bool
	left, right expr
}

func (l logicExpr) eval(st *state) (Value, error) {
	v, err := l.left.eval(st)
	if err != nil || truthy(v) == l.or {
		return v, err
	}
	return l.right.eval(st)
}

// compareExpr is a chain "a < b <= c".
type compareExpr struct {
	first expr
	ops   []string
	rest  []expr
}

func (c compareExpr) eval(st *state) (Value, error) {
	left, err := c.first.eval(st)
	if err != nil {
		return nil, err
	}
	for i, op := range c.ops {
		right, err := c.rest[i].eval(st)
		if err != nil {
			return nil, err
		}
		ok, err := st.compare(op, left, right)
		if err != nil || !ok {
			return false, err
		}
		left = right
	}
	return true, nil
}

type attrExpr struct {
	obj  expr
	name string
}

func (a *attrExpr) eval(st *state) (Value, error) {
	obj, err := a.obj.eval(st)
	if err != nil {
		return nil, err
	}
	return getAttr(obj, a.name)
}

type itemExpr struct{ obj, key expr }

func (i itemExpr) eval(st *state) (Value, error) {
	obj, err := i.obj.eval(st)
	if err != nil {
		return nil, err
	}
	key, err := i.key.eval(st)
	if err != nil {
		return nil, err
	}
	return st.getItem(obj, key)
}

type argExprs struct {
	pos   []expr
	names []string
	named []expr
}

func (a argExprs) eval(st *state) (args, error) {
	pos, err := st.evalAll(a.pos)
	if err != nil {
		return args{}, err
	}
	named, err := st.evalAll(a.named)
	return args{pos: pos, names: a.names[:len(a.names):len(a.names)], named: named}, err
}

type call struct {
	fn   expr
	args argExprs
}

func (c *call) eval(st *state) (Value, error) {
	fn, err := c.fn.eval(st)
	if err != nil {
		return nil, err
	}
	a, err := c.args.eval(st)
	if err != nil {
		return nil, err
	}
	return st.call(fn, a)
}

func (st *state) call(fn Value, a args) (Value, error) {
	if err := st.spend(1); err != nil {
		return nil, err
	}
	switch f := fn.(type) {
	case *function:
		return f.call(st, a)
	case *loop:
		if f.again != nil {
			return f.again(st, a)
		}
		return nil, fmt.Errorf("the loop must have the 'recursive' marker to be called")
	case undefined:
		return nil, fmt.Errorf("%s", f.why)
	}
	return nil, fmt.Errorf("'%s' object is not callable", typeName(fn))
}

type filterExpr struct {
	in   expr
	name string
	args argExprs
}

func (f filterExpr) eval(st *state) (Value, error) {
	fn, ok := filters[f.name]
	if !ok {
		return nil, fmt.Errorf("no filter named '%s'", f.name)
	}
	in, err := f.in.eval(st)
	if err != nil {
		return nil, err
	}
	a, err := f.args.eval(st)
	if err != nil {
		return nil, err
	}
	return st.filter(f.name, fn, in, a)
}

func (st *state) filter(name string, fn filterFunc, in Value, a args) (Value, error) {
	if err := st.spend(1); err != nil {
		return nil, err
	}
	v, err := fn(st, in, a)
	if err != nil {
		return nil, fmt.Errorf("filter '%s': %w", name, err)
	}
	return v, nil
}

type testExpr struct {
	in   expr
	name string
	args argExprs
}

func (t testExpr) eval(st *state) (Value, error) {
	in, err := t.in.eval(st)
	if err != nil {
		return nil, err
	}
	a, err := t.args.eval(st)
	if err != nil {
		return nil, err
	}
	ok, err := st.test(t.name, in, a.pos)
	return ok, err
}
