package jinja

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// getAttr is obj.name: an attribute or method first, then an element.
func getAttr(obj Value, name string) (Value, error) {
	if u, ok := obj.(undefined); ok {
		return nil, fmt.Errorf("%s", u.why)
	}
	if v, ok := attribute(obj, name); ok {
		return v, nil
	}
	if d, ok := obj.(*Dict); ok {
		if v, ok := d.get(name); ok {
			return v, nil
		}
	}
	return missing(obj, name), nil
}

// getItem is obj[key]: an element first, then an attribute.
func (st *state) getItem(obj, key Value) (Value, error) {
	switch x := obj.(type) {
	case undefined:
		return nil, fmt.Errorf("%s", x.why)
	case *Dict:
		if v, ok := x.get(key); ok {
			return v, nil
		}
	case *List:
		if i, ok := asInt(key); ok && x.kind != listIter {
			if i < 0 {
				i += int64(len(x.items))
			}
			if i >= 0 && i < int64(len(x.items)) {
				return x.items[i], nil
			}
		}
	case string:
		if i, ok := asInt(key); ok {
			if s, ok := charAt(x, i); ok {
				return s, st.spend(1 + len(x)/16)
			}
		}
	}
	if name, ok := key.(string); ok {
		if v, ok := attribute(obj, name); ok {
			return v, nil
		}
		return missing(obj, name), nil
	}
	return undefined{fmt.Sprintf("%s has no element %s", objectName(obj), keyText(key))}, nil
}

// keyText names an index in an error message.
func keyText(v Value) string {
	switch v.(type) {
	case nil, bool, int64, float64, BigInt:
		return scalar(v)
	}
	return "of type " + typeName(v)
}

func charAt(s string, i int64) (string, bool) {
	if i < 0 {
		i += int64(utf8.RuneCountInString(s))
	}
	for ; i >= 0 && s != ""; i-- {
		_, n := utf8.DecodeRuneInString(s)
		if i == 0 {
			return s[:n], true
		}
		s = s[n:]
	}
	return "", false
}

func missing(obj Value, name string) undefined {
	return undefined{"'" + objectName(obj) + "' has no attribute '" + name + "'"}
}

func objectName(v Value) string {
	if v == nil {
		return "None"
	}
	return typeName(v) + " object"
}

// attribute returns what Python finds on the object itself. What would change it is refused, as in jinja2's immutable
// sandbox, by an undefined value whose use is the error.
func attribute(obj Value, name string) (Value, bool) {
	if strings.HasPrefix(name, "__") {
		return unsafeAttr(obj, name), true
	}
	switch x := obj.(type) {
	case string:
		if m, ok := strMethods[name]; ok {
			return &function{name: name, call: func(st *state, a args) (Value, error) { return m(st, x, a) }}, true
		}
	case *Dict:
		return dictAttr(x, name)
	case *List:
		return listAttr(x, name)
	case *namespace:
		return x.attrs.get(name)
	case *loop:
		return x.attr(name)
	case *function:
		if x.attrs != nil {
			return x.attrs.get(name)
		}
	}
	return nil, false
}

func unsafeAttr(obj Value, name string) undefined {
	return undefined{fmt.Sprintf("access to attribute '%s' of '%s' object is unsafe.", name, typeName(obj))}
}

func dictAttr(d *Dict, name string) (Value, bool) {
	var f func(st *state, a args) (Value, error)
	switch name {
	case "get":
		f = func(_ *state, a args) (Value, error) {
			b, err := a.bind("get", "key", "default")
			if err != nil {
				return nil, err
			}
			key, err := b.need(0)
			if err != nil {
				return nil, err
			}
			if v, ok := d.get(key); ok {
				return v, nil
			}
			return b.get(1, nil), nil
		}
	case "items":
		f = noArgs(name, func(st *state) (Value, error) { return st.dictItems(d) })
	case "keys":
		f = noArgs(name, func(st *state) (Value, error) {
			return NewList(append([]Value{}, d.keys...)...), st.grow(cell * d.Len())
		})
	case "values":
		f = noArgs(name, func(st *state) (Value, error) {
			return NewList(append([]Value{}, d.vals...)...), st.grow(cell * d.Len())
		})
	case "copy":
		f = noArgs(name, func(*state) (Value, error) { return d, nil })
	case "clear", "pop", "popitem", "setdefault", "update":
		return unsafeAttr(d, name), true
	default:
		return nil, false
	}
	return &function{name: name, call: f}, true
}

func noArgs(name string, f func(st *state) (Value, error)) func(st *state, a args) (Value, error) {
	return func(st *state, a args) (Value, error) {
		if _, err := a.bind(name); err != nil {
			return nil, err
		}
		return f(st)
	}
}

func (st *state) dictItems(d *Dict) (Value, error) {
	if err := st.grow(3 * cell * d.Len()); err != nil {
		return nil, err
	}
	items := make([]Value, d.Len())
	for i := range items {
		items[i] = newTuple(d.keys[i], d.vals[i])
	}
	return NewList(items...), nil
}

func listAttr(l *List, name string) (Value, bool) {
	if l.kind == listIter {
		return nil, false
	}
	var f func(st *state, a args) (Value, error)
	switch name {
	case "index", "count":
		f = func(st *state, a args) (Value, error) {
			if len(a.pos) != 1 {
				return nil, fmt.Errorf("%s expected 1 argument, got %d", name, len(a.pos))
			}
			return st.listFind(l, a.pos[0], name == "count")
		}
	case "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove":
		if l.kind == listList {
			return unsafeAttr(l, name), true
		}
		return nil, false
	default:
		return nil, false
	}
	return &function{name: name, call: f}, true
}

func (st *state) listFind(l *List, v Value, count bool) (Value, error) {
	n := int64(0)
	for i, item := range l.items {
		eq, err := st.equal(item, v)
		if err != nil {
			return nil, err
		}
		if eq && !count {
			return int64(i), nil
		}
		if eq {
			n++
		}
	}
	if !count {
		return nil, fmt.Errorf("the value is not in the list")
	}
	return n, nil
}

// items are the elements that a loop over v visits.
func (st *state) items(v Value) ([]Value, error) {
	switch x := v.(type) {
	case *List:
		return x.take(), nil
	case *Dict:
		return x.keys, nil
	case string:
		if err := st.grow(cell * len(x)); err != nil {
			return nil, err
		}
		chars := runes(x)
		items := make([]Value, len(chars))
		for i, c := range chars {
			items[i] = c
		}
		return items, nil
	case undefined:
		return nil, nil
	}
	return nil, fmt.Errorf("'%s' object is not iterable", typeName(v))
}

type sliceExpr struct {
	obj  expr
	part [3]expr // start, stop, step; nil where left out
}

func (s sliceExpr) eval(st *state) (Value, error) {
	obj, err := s.obj.eval(st)
	if err != nil {
		return nil, err
	}
	var part [3]*int64
	for i, e := range s.part {
		if e == nil {
			continue
		}
		v, err := e.eval(st)
		if err != nil {
			return nil, err
		}
		if v == nil {
			continue
		}
		n, ok := asInt(v)
		if !ok {
			return nil, fmt.Errorf("slice indices must be integers or None, not %s", typeName(v))
		}
		part[i] = &n
	}
	switch x := obj.(type) {
	case undefined:
		return nil, fmt.Errorf("%s", x.why)
	case string:
		if err := st.grow(cell * len(x)); err != nil {
			return nil, err
		}
		chars, err := slice(runes(x), part)
		return strings.Join(chars, ""), err
	case *List:
		if x.kind == listIter {
			break
		}
		items, err := slice(x.items, part)
		if err != nil {
			return nil, err
		}
		return &List{kind: x.kind, items: items}, st.grow(cell * len(items))
	}
	return undefined{objectName(obj) + " has no such slice"}, nil
}

// slice is Python's list[start:stop:step].
func slice[T any](list []T, part [3]*int64) ([]T, error) {
	n, step := int64(len(list)), int64(1)
	if part[2] != nil {
		step = *part[2]
	}
	if step == 0 {
		return nil, fmt.Errorf("slice step cannot be zero")
	}
	lo, hi := int64(0), n
	start, stop := lo, hi
	if step < 0 {
		lo, hi = -1, n-1
		start, stop = hi, lo
	}
	clip := func(p *int64, def int64) int64 {
		if p == nil {
			return def
		}
		i := *p
		if i < 0 {
			i += n
		}
		return min(max(i, lo), hi)
	}
	start, stop = clip(part[0], start), clip(part[1], stop)
	if step == 1 {
		return list[start:max(start, stop):max(start, stop)], nil
	}
	var out []T
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		out = append(out, list[i])
		if step > n || step < -n { // also keeps i from overflowing
			break
		}
	}
	return out, nil
}
