package jinja

import (
	"fmt"
	"math"
	"strconv"
)

// Value is a template value: nil (None), bool, int64, float64, string, BigInt, *List, *Dict, or one of the kinds that
// only a template makes (undefined values, namespaces, functions, macros, loops).
type Value = any

// BigInt is an integer past 64 bits, in its decimal digits. It prints and dumps as it is and takes no part in arithmetic.
type BigInt string

type listKind uint8

const (
	listList listKind = iota
	listTuple
	// listIter is what Python returns lazily: truthy, without a length, readable once.
	listIter
)

// List is a list, a tuple or the result of a lazy filter.
type List struct {
	kind  listKind
	items []Value
}

// NewList returns a list holding items, which it keeps.
func NewList(items ...Value) *List { return &List{items: items} }

func newTuple(items ...Value) *List   { return &List{kind: listTuple, items: items} }
func newIter(items []Value) *List     { return &List{kind: listIter, items: items} }
func (l *List) sameKind(o *List) bool { return l.kind == o.kind }

// Items returns the elements; they must not be changed.
func (l *List) Items() []Value { return l.items }

// take returns the items for one walk over the list.
func (l *List) take() []Value {
	items := l.items
	if l.kind == listIter {
		l.items = nil
	}
	return items
}

// Dict is a mapping that keeps the order in which its keys were first set.
type Dict struct {
	index map[any]int
	keys  []Value
	vals  []Value
}

// NewDict returns an empty mapping.
func NewDict() *Dict { return &Dict{index: make(map[any]int)} }

// Len returns the number of entries.
func (d *Dict) Len() int { return len(d.keys) }

// Set sets a string key.
func (d *Dict) Set(key string, v Value) { d.set(key, v) }

// Get returns the value of a string key.
func (d *Dict) Get(key string) (Value, bool) { return d.get(key) }

func (d *Dict) set(key, v Value) {
	k, ok := hashKey(key)
	if !ok {
		return
	}
	if i, ok := d.index[k]; ok {
		d.vals[i] = v
		return
	}
	d.index[k] = len(d.keys)
	d.keys, d.vals = append(d.keys, key), append(d.vals, v)
}

func (d *Dict) get(key Value) (Value, bool) {
	k, ok := hashKey(key)
	if !ok {
		return nil, false
	}
	i, ok := d.index[k]
	if !ok {
		return nil, false
	}
	return d.vals[i], true
}

// hashKey maps keys that are equal in Python to one Go map key: 1, 1.0 and True are one.
func hashKey(v Value) (any, bool) {
	switch k := v.(type) {
	case nil, string, int64, BigInt:
		return k, true
	case undefined:
		return undefined{}, true
	case bool:
		return boolInt(k), true
	case float64:
		if k == math.Trunc(k) && math.Abs(k) < 1<<62 {
			return int64(k), true
		}
		return k, true
	}
	return nil, false
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// undefined is the value of a name or element that does not exist. why is the error that using it gives.
type undefined struct{ why string }

func undefinedName(name string) undefined { return undefined{"'" + name + "' is undefined"} }

// namespace is the one mutable object of a template: {% set ns.x = 1 %}.
type namespace struct{ attrs *Dict }

// function is a global, a bound method or a macro.
type function struct {
	name  string
	call  func(st *state, a args) (Value, error)
	attrs *Dict
}

// args are the arguments of a call, already evaluated.
type args struct {
	pos   []Value
	names []string
	named []Value
}

func (a args) kw(name string) (Value, bool) {
	for i, n := range a.names {
		if n == name {
			return a.named[i], true
		}
	}
	return nil, false
}

// bind assigns the arguments to the parameter names of a built-in; a missing one is left out of the result (ok false).
func (a args) bind(fn string, params ...string) (bound, error) {
	b := bound{params: params, vals: make([]Value, len(params)), set: make([]bool, len(params))}
	if len(a.pos) > len(params) {
		return b, fmt.Errorf("%s takes at most %d arguments (%d given)", fn, len(params), len(a.pos))
	}
	for i, v := range a.pos {
		b.vals[i], b.set[i] = v, true
	}
	for i, n := range a.names {
		j := indexOf(params, n)
		if j < 0 {
			return b, fmt.Errorf("%s got an unexpected keyword argument '%s'", fn, n)
		}
		if b.set[j] {
			return b, fmt.Errorf("%s got multiple values for argument '%s'", fn, n)
		}
		b.vals[j], b.set[j] = a.named[i], true
	}
	return b, nil
}

func indexOf(list []string, s string) int {
	for i, x := range list {
		if x == s {
			return i
		}
	}
	return -1
}

// bound holds arguments by parameter.
type bound struct {
	params []string
	vals   []Value
	set    []bool
}

func (b bound) get(i int, def Value) Value {
	if b.set[i] {
		return b.vals[i]
	}
	return def
}

func (b bound) need(i int) (Value, error) {
	if !b.set[i] {
		return nil, fmt.Errorf("missing required argument '%s'", b.params[i])
	}
	return b.vals[i], nil
}

func (b bound) int(i int, def int64) (int64, error) {
	v := b.get(i, def)
	n, ok := asInt(v)
	if !ok {
		return 0, fmt.Errorf("argument '%s' must be an int, not %s", b.params[i], typeName(v))
	}
	return n, nil
}

func (b bound) str(i int, def string) (string, error) {
	v := b.get(i, def)
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("argument '%s' must be a str, not %s", b.params[i], typeName(v))
	}
	return s, nil
}

func asInt(v Value) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case bool:
		return boolInt(n), true
	}
	return 0, false
}

func asFloat(v Value) (float64, bool) {
	if f, ok := v.(float64); ok {
		return f, true
	}
	if n, ok := asInt(v); ok {
		return float64(n), true
	}
	if b, ok := v.(BigInt); ok {
		f, err := strconv.ParseFloat(string(b), 64)
		return f, err == nil
	}
	return 0, false
}

func typeName(v Value) string {
	switch x := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64, BigInt:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case *List:
		return [...]string{"list", "tuple", "generator"}[x.kind]
	case *Dict:
		return "dict"
	case undefined:
		return "Undefined"
	case *namespace:
		return "Namespace"
	case *loop:
		return "LoopContext"
	}
	return "function"
}

// truthy is Python's bool().
func truthy(v Value) bool {
	switch x := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return x
	case int64:
		return x != 0
	case float64:
		return x != 0
	case string:
		return x != ""
	case *List:
		return x.kind == listIter || len(x.items) > 0
	case *Dict:
		return x.Len() > 0
	}
	return true
}
