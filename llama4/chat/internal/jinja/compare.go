package jinja

import (
	"cmp"
	"fmt"
	"strings"
)

func (st *state) compare(op string, a, b Value) (bool, error) {
	switch op {
	case "==":
		return st.equal(a, b)
	case "!=":
		eq, err := st.equal(a, b)
		return !eq, err
	case "in":
		return st.contains(b, a)
	case "not in":
		in, err := st.contains(b, a)
		return !in, err
	}
	c, ok, err := st.order(a, b)
	if err != nil {
		return false, err
	}
	if !ok {
		if isNaN(a) || isNaN(b) {
			return false, nil
		}
		return false, fmt.Errorf("'%s' not supported between instances of '%s' and '%s'", op, typeName(a), typeName(b))
	}
	switch op {
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	}
	return c >= 0, nil
}

func isNaN(v Value) bool { f, ok := v.(float64); return ok && f != f }

// order compares numbers, texts and lists; ok is false where Python has no order.
func (st *state) order(a, b Value) (c int, ok bool, err error) {
	for _, v := range []Value{a, b} {
		if u, ok := v.(undefined); ok {
			return 0, false, fmt.Errorf("%s", u.why)
		}
	}
	if x, ok := asInt(a); ok {
		if y, ok := asInt(b); ok {
			return cmp.Compare(x, y), true, nil
		}
	}
	if x, ok := asFloat(a); ok {
		if y, ok := asFloat(b); ok {
			return cmp.Compare(x, y), x == x && y == y, nil
		}
	}
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(Unmark(x), Unmark(y)), true, st.spend(min(len(x), len(y)) / 64)
		}
	case *List:
		y, ok := b.(*List)
		if !ok || !x.sameKind(y) || x.kind == listIter {
			break
		}
		if err := st.enter(); err != nil {
			return 0, false, err
		}
		defer st.leave()
		for i := 0; i < len(x.items) && i < len(y.items); i++ {
			eq, err := st.equal(x.items[i], y.items[i])
			if err != nil {
				return 0, false, err
			}
			if !eq {
				return st.order(x.items[i], y.items[i])
			}
		}
		return cmp.Compare(len(x.items), len(y.items)), true, nil
	}
	return 0, false, nil
}

// equal is Python's ==; a mark equals the character it stands for.
func (st *state) equal(a, b Value) (bool, error) {
	if x, ok := asInt(a); ok {
		if y, ok := asInt(b); ok {
			return x == y, nil
		}
	}
	if x, ok := asFloat(a); ok {
		if y, ok := asFloat(b); ok {
			return x == y, nil
		}
		return false, nil
	}
	switch x := a.(type) {
	case nil:
		return b == nil, nil
	case string:
		y, ok := b.(string)
		if !ok || len(x) != len(y) {
			return false, nil
		}
		return x == y || Unmark(x) == Unmark(y), st.spend(len(x) / 64)
	case undefined:
		_, ok := b.(undefined)
		return ok, nil
	case *List:
		if y, ok := b.(*List); ok {
			return st.equalLists(x, y)
		}
	case *Dict:
		if y, ok := b.(*Dict); ok {
			return st.equalDicts(x, y)
		}
	case *namespace, *function, *loop:
		return a == b, nil
	}
	return false, nil
}

func (st *state) equalLists(x, y *List) (bool, error) {
	if x == y {
		return true, nil
	}
	if !x.sameKind(y) || x.kind == listIter || len(x.items) != len(y.items) {
		return false, nil
	}
	if err := st.enter(); err != nil {
		return false, err
	}
	defer st.leave()
	for i := range x.items {
		if eq, err := st.equal(x.items[i], y.items[i]); err != nil || !eq {
			return false, err
		}
		if err := st.spend(1); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (st *state) equalDicts(x, y *Dict) (bool, error) {
	if x == y {
		return true, nil
	}
	if x.Len() != y.Len() {
		return false, nil
	}
	if err := st.enter(); err != nil {
		return false, err
	}
	defer st.leave()
	for i, k := range x.keys {
		v, ok := y.get(k)
		if !ok {
			return false, nil
		}
		if eq, err := st.equal(x.vals[i], v); err != nil || !eq {
			return false, err
		}
		if err := st.spend(1); err != nil {
			return false, err
		}
	}
	return true, nil
}

// contains is "item in box".
func (st *state) contains(box, item Value) (bool, error) {
	switch x := box.(type) {
	case string:
		s, ok := item.(string)
		if !ok {
			return false, fmt.Errorf("'in <string>' requires string as left operand, not %s", typeName(item))
		}
		return strings.Contains(Unmark(x), Unmark(s)), st.spend(1 + len(x)/64)
	case *Dict:
		if _, ok := hashKey(item); !ok {
			return false, fmt.Errorf("unhashable type: '%s'", typeName(item))
		}
		_, ok := x.get(item)
		return ok, nil
	case *List, undefined:
		items, err := st.items(x)
		if err != nil {
			return false, err
		}
		for _, v := range items {
			if eq, err := st.equal(v, item); err != nil || eq {
				return eq, err
			}
			if err := st.spend(1); err != nil {
				return false, err
			}
		}
		return false, nil
	}
	return false, fmt.Errorf("argument of type '%s' is not iterable", typeName(box))
}
