package jinja

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

func filterLength(st *state, v Value, _ args) (Value, error) {
	switch x := v.(type) {
	case string:
		return int64(utf8.RuneCountInString(x)), st.spend(1 + len(x)/16)
	case *List:
		if x.kind != listIter {
			return int64(len(x.items)), nil
		}
	case *Dict:
		return int64(x.Len()), nil
	case undefined:
		return int64(0), nil
	}
	return nil, fmt.Errorf("object of type '%s' has no len()", typeName(v))
}

func filterFirst(st *state, in Value, _ args) (Value, error) {
	items, err := st.items(in)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return undefined{"no first item, the sequence was empty"}, nil
	}
	return items[0], nil
}

func filterLast(st *state, in Value, _ args) (Value, error) {
	items, err := st.items(in)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return undefined{"no last item, the sequence was empty"}, nil
	}
	return items[len(items)-1], nil
}

func filterList(st *state, in Value, _ args) (Value, error) {
	items, err := st.items(in)
	if err != nil {
		return nil, err
	}
	return NewList(slices.Clone(items)...), st.grow(cell * len(items))
}

func filterReverse(st *state, in Value, _ args) (Value, error) {
	items, err := st.items(in)
	if err != nil {
		return nil, err
	}
	if err := st.grow(cell * len(items)); err != nil {
		return nil, err
	}
	items = slices.Clone(items)
	slices.Reverse(items)
	if _, ok := in.(string); ok {
		return joinStrings(items), nil
	}
	return newIter(items), nil
}

func joinStrings(items []Value) string {
	var b strings.Builder
	for _, v := range items {
		b.WriteString(v.(string))
	}
	return b.String()
}

func filterItems(st *state, in Value, _ args) (Value, error) {
	switch x := in.(type) {
	case undefined:
		return newIter(nil), nil
	case *Dict:
		v, err := st.dictItems(x)
		if err != nil {
			return nil, err
		}
		return newIter(v.(*List).items), nil
	}
	return nil, errors.New("Can only get item pairs from a mapping.") //nolint:staticcheck // jinja2's own words, which users search for
}

func filterJoin(st *state, in Value, a args) (Value, error) {
	b, err := a.bind("join", "d", "attribute")
	if err != nil {
		return nil, err
	}
	sep, err := st.str(b.get(0, ""))
	if err != nil {
		return nil, err
	}
	items, err := st.items(in)
	if err != nil {
		return nil, err
	}
	if err := st.growTimes(len(sep)+16, int64(len(items))); err != nil {
		return nil, err
	}
	parts := make([]string, len(items))
	for i, v := range items {
		if b.set[1] {
			if v, err = st.attrPath(v, b.vals[1]); err != nil {
				return nil, err
			}
		}
		if parts[i], err = st.str(v); err != nil {
			return nil, err
		}
		if err := st.grow(len(parts[i])); err != nil {
			return nil, err
		}
	}
	return strings.Join(parts, sep), nil
}

// attrPath follows "a.b.0" as the attribute arguments of filters do.
func (st *state) attrPath(v, path Value) (Value, error) {
	s, ok := path.(string)
	if !ok {
		return st.getItem(v, path)
	}
	for part := range strings.SplitSeq(s, ".") {
		var key Value = part
		if n, err := strconv.ParseInt(part, 10, 64); err == nil && n >= 0 {
			key = n
		}
		var err error
		if v, err = st.getItem(v, key); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func filterAttr(_ *state, in Value, a args) (Value, error) {
	b, err := a.bind("attr", "name")
	if err != nil {
		return nil, err
	}
	name, err := b.str(0, "")
	if err != nil {
		return nil, err
	}
	if v, ok := attribute(in, name); ok {
		return v, nil
	}
	return missing(in, name), nil
}

func filterMap(st *state, in Value, a args) (Value, error) {
	if !truthy(in) { // as jinja2, which does not look at the arguments then
		return newIter(nil), nil
	}
	items, err := st.items(in)
	if err != nil {
		return nil, err
	}
	apply, err := mapper(st, a)
	if err != nil {
		return nil, err
	}
	if err := st.grow(cell * len(items)); err != nil {
		return nil, err
	}
	out := make([]Value, len(items))
	for i, v := range items {
		if out[i], err = apply(v); err != nil {
			return nil, err
		}
		if err := st.spend(1); err != nil {
			return nil, err
		}
	}
	return newIter(out), nil
}

func mapper(st *state, a args) (func(Value) (Value, error), error) {
	if path, ok := a.kw("attribute"); ok && len(a.pos) == 0 {
		def, hasDef := a.kw("default")
		return func(v Value) (Value, error) {
			v, err := st.attrPath(v, path)
			if _, ok := v.(undefined); ok && hasDef {
				v = def
			}
			return v, err
		}, nil
	}
	if len(a.pos) == 0 {
		return nil, errors.New("it needs the name of a filter or attribute=")
	}
	name, _ := a.pos[0].(string)
	fn, ok := filters[name]
	if !ok {
		return nil, fmt.Errorf("no filter named '%s'", name)
	}
	if err := st.enter(); err != nil { // map('map', ...) nests
		return nil, err
	}
	st.leave()
	rest := args{pos: a.pos[1:], names: a.names, named: a.named}
	return func(v Value) (Value, error) { return st.filter(name, fn, v, rest) }, nil
}

func filterSelect(st *state, in Value, a args) (Value, error) { return choose(st, in, a, false, true) }
func filterReject(st *state, in Value, a args) (Value, error) { return choose(st, in, a, false, false) }

func filterSelectattr(st *state, in Value, a args) (Value, error) {
	return choose(st, in, a, true, true)
}

func filterRejectattr(st *state, in Value, a args) (Value, error) {
	return choose(st, in, a, true, false)
}

// choose keeps the items whose test gives want; without a test, their truth.
func choose(st *state, in Value, a args, attr, want bool) (Value, error) {
	if !truthy(in) {
		return newIter(nil), nil
	}
	items, err := st.items(in)
	if err != nil {
		return nil, err
	}
	pos := a.pos
	var path Value
	if attr {
		if len(pos) == 0 {
			return nil, errors.New("it needs the name of an attribute")
		}
		path, pos = pos[0], pos[1:]
	}
	var kept []Value
	for _, item := range items {
		v := item
		if attr {
			if v, err = st.attrPath(v, path); err != nil {
				return nil, err
			}
		}
		ok := truthy(v)
		if len(pos) > 0 {
			name, _ := pos[0].(string)
			if ok, err = st.test(name, v, pos[1:]); err != nil {
				return nil, err
			}
		}
		if ok == want {
			kept = append(kept, item)
		}
		if err := st.grow(cell); err != nil {
			return nil, err
		}
	}
	return newIter(kept), nil
}

func filterSum(st *state, in Value, a args) (Value, error) {
	b, err := a.bind("sum", "attribute", "start")
	if err != nil {
		return nil, err
	}
	items, err := st.items(in)
	if err != nil {
		return nil, err
	}
	total := b.get(1, int64(0))
	for _, v := range items {
		if path := b.get(0, nil); path != nil {
			if v, err = st.attrPath(v, path); err != nil {
				return nil, err
			}
		}
		if total, err = st.binary("+", total, v); err != nil {
			return nil, err
		}
	}
	return total, nil
}

func filterBatch(st *state, in Value, a args) (Value, error) {
	b, err := a.bind("batch", "linecount", "fill_with")
	if err != nil {
		return nil, err
	}
	items, err := st.items(in)
	if err != nil {
		return nil, err
	}
	size, err := b.int(0, 0)
	if err != nil {
		return nil, err
	}
	if size < 1 || size > maxRange {
		return nil, fmt.Errorf("linecount must be from 1 to %d", maxRange)
	}
	if err := st.grow(2 * cell * (len(items) + int(size))); err != nil {
		return nil, err
	}
	var out []Value
	for row := range slices.Chunk(items, int(size)) {
		row = slices.Clone(row)
		for fill := b.get(1, nil); fill != nil && len(row) < int(size); {
			row = append(row, fill)
		}
		out = append(out, NewList(row...))
	}
	return newIter(out), nil
}

func filterSlice(st *state, in Value, a args) (Value, error) {
	b, err := a.bind("slice", "slices", "fill_with")
	if err != nil {
		return nil, err
	}
	items, err := st.items(in)
	if err != nil {
		return nil, err
	}
	n, err := b.int(0, 0)
	if err != nil {
		return nil, err
	}
	if n < 1 || n > maxRange {
		return nil, fmt.Errorf("slices must be from 1 to %d", maxRange)
	}
	if err := st.grow(2 * cell * (len(items) + int(n))); err != nil {
		return nil, err
	}
	size, extra := len(items)/int(n), len(items)%int(n)
	var out []Value
	for i := range int(n) {
		end := size
		if i < extra {
			end++
		}
		row := slices.Clone(items[:end])
		items = items[end:]
		if fill := b.get(1, nil); fill != nil && i >= extra {
			row = append(row, fill)
		}
		out = append(out, NewList(row...))
	}
	return newIter(out), nil
}
