package jinja

import (
	"errors"
	"fmt"
	"slices"
)

// sortKey returns what an item is sorted or compared by: an attribute if asked, text in lower case unless case counts.
func sortKey(st *state, v, path Value, caseSensitive bool) (Value, error) {
	if path != nil {
		var err error
		if v, err = st.attrPath(v, path); err != nil {
			return nil, err
		}
	}
	if s, ok := v.(string); ok && !caseSensitive {
		return lower(s), st.grow(len(s))
	}
	return v, nil
}

type keyed struct{ key, item Value }

func sortKeys(st *state, items []Value, path Value, caseSensitive bool) ([]keyed, error) {
	if err := st.grow(2 * cell * len(items)); err != nil {
		return nil, err
	}
	out := make([]keyed, len(items))
	for i, item := range items {
		key, err := sortKey(st, item, path, caseSensitive)
		if err != nil {
			return nil, err
		}
		out[i] = keyed{key, item}
	}
	return out, nil
}

// sortKeyed sorts stably; values without an order are an error.
func sortKeyed(st *state, list []keyed, reverse bool) error {
	var first error
	slices.SortStableFunc(list, func(a, b keyed) int {
		if first != nil {
			return 0
		}
		c, ok, err := st.order(a.key, b.key)
		if err == nil && !ok {
			err = fmt.Errorf("'<' not supported between instances of '%s' and '%s'", typeName(a.key), typeName(b.key))
		}
		if err == nil {
			err = st.spend(1)
		}
		first = err
		if reverse {
			return -c
		}
		return c
	})
	return first
}

func unkey(list []keyed) []Value {
	out := make([]Value, len(list))
	for i, k := range list {
		out[i] = k.item
	}
	return out
}

func filterSort(st *state, in Value, a args) (Value, error) {
	b, err := a.bind("sort", "reverse", "case_sensitive", "attribute")
	if err != nil {
		return nil, err
	}
	items, err := st.items(in)
	if err != nil {
		return nil, err
	}
	list, err := sortKeys(st, items, b.get(2, nil), truthy(b.get(1, false)))
	if err == nil {
		err = sortKeyed(st, list, truthy(b.get(0, false)))
	}
	return NewList(unkey(list)...), err
}

func filterDictsort(st *state, in Value, a args) (Value, error) {
	b, err := a.bind("dictsort", "case_sensitive", "by", "reverse")
	if err != nil {
		return nil, err
	}
	d, ok := in.(*Dict)
	if !ok {
		return nil, fmt.Errorf("'%s' object has no attribute 'items'", typeName(in))
	}
	by, err := b.str(1, "key")
	if err != nil {
		return nil, err
	}
	at, ok := map[string]int64{"key": 0, "value": 1}[by]
	if !ok {
		return nil, errors.New("you can only sort by either 'key' or 'value'")
	}
	items, err := st.dictItems(d)
	if err != nil {
		return nil, err
	}
	list, err := sortKeys(st, items.(*List).items, at, truthy(b.get(0, false)))
	if err == nil {
		err = sortKeyed(st, list, truthy(b.get(2, false)))
	}
	return NewList(unkey(list)...), err
}

func filterUnique(st *state, in Value, a args) (Value, error) {
	b, err := a.bind("unique", "case_sensitive", "attribute")
	if err != nil {
		return nil, err
	}
	items, err := st.items(in)
	if err != nil {
		return nil, err
	}
	list, err := sortKeys(st, items, b.get(1, nil), truthy(b.get(0, false)))
	if err != nil {
		return nil, err
	}
	seen := make(map[any]bool)
	var out []Value
	for _, k := range list {
		if s, ok := k.key.(string); ok {
			k.key = Unmark(s)
		}
		h, ok := hashKey(k.key)
		if !ok {
			return nil, fmt.Errorf("unhashable type: '%s'", typeName(k.key))
		}
		if !seen[h] {
			seen[h] = true
			out = append(out, k.item)
		}
	}
	return newIter(out), nil
}

func filterMin(st *state, in Value, a args) (Value, error) { return extreme(st, in, a, -1) }
func filterMax(st *state, in Value, a args) (Value, error) { return extreme(st, in, a, 1) }

// extreme returns the first smallest (sign -1) or largest (sign 1) item.
func extreme(st *state, in Value, a args, sign int) (Value, error) {
	b, err := a.bind("min and max", "case_sensitive", "attribute")
	if err != nil {
		return nil, err
	}
	items, err := st.items(in)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return undefined{"no aggregated item, the sequence was empty"}, nil
	}
	list, err := sortKeys(st, items, b.get(1, nil), truthy(b.get(0, false)))
	if err != nil {
		return nil, err
	}
	best := list[0]
	for _, k := range list[1:] {
		c, ok, err := st.order(k.key, best.key)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("'<' not supported between instances of '%s' and '%s'", typeName(k.key), typeName(best.key))
		}
		if c*sign > 0 {
			best = k
		}
	}
	return best.item, nil
}
