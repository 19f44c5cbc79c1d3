package grammar

import (
	"fmt"
)

// property is what must hold of one name of an object.
type property struct {
	name      string
	schemas   []*schema // all of them; none: any value
	required  bool
	forbidden bool
}

// object writes the listed properties in their order, then others if there may be
// any.
func (b *builder) object(facts []*schema) (expr, error) {
	list, err := properties(facts)
	if err != nil {
		return nil, err
	}
	extra, err := b.extra(facts, list)
	if err != nil {
		return nil, err
	}
	// Before the nodes of skipped there was no property yet, before those of some
	// there was.
	n := newNetwork()
	first := n.node()
	n.edge(0, first, sequence{literal("{"), b.space})
	skipped, some := first, n.node()
	for _, p := range list {
		if p.forbidden {
			continue
		}
		value, err := b.anyOfAll(p.schemas)
		if err != nil {
			return nil, err
		}
		x := sequence{literal(quote(p.name) + ":"), afterColon, value}
		none, one := n.node(), n.node()
		n.edge(skipped, one, x)
		n.edge(some, one, sequence{b.comma(), x})
		if !p.required {
			n.edge(skipped, none, empty)
			n.edge(some, one, empty)
		}
		skipped, some = none, one
	}
	if extra != nil {
		n.edge(skipped, some, extra)
		more := n.node()
		n.edge(some, more, empty)
		n.edge(more, more, sequence{b.comma(), extra})
		some = more
	}
	n.edge(skipped, 1, literal("}"))
	n.edge(some, 1, sequence{b.space, literal("}")})
	return n, nil
}

// properties joins the properties of all facts. Forbidden ones are kept, for they
// must not be among the others.
func properties(facts []*schema) ([]property, error) {
	var list []property
	at := map[string]int{}
	add := func(name string) int {
		i, ok := at[name]
		if !ok {
			i = len(list)
			at[name] = i
			list = append(list, property{name: name})
		}
		return i
	}
	for _, s := range facts {
		for _, name := range s.names {
			add(name)
		}
	}
	for _, s := range facts {
		for _, name := range s.required {
			list[add(name)].required = true
		}
	}
	for i := range list {
		p := &list[i]
		for _, s := range facts {
			of := s.additional
			if own, ok := s.properties[p.name]; ok {
				of = own
			}
			if of == nil {
				continue
			}
			p.schemas = append(p.schemas, of)
			if of.never {
				p.forbidden = true
			}
			if of.never && p.required {
				return nil, &unfit{s.path, fmt.Sprintf("property %q is required and not allowed", shorten(p.name))}
			}
		}
	}
	return list, nil
}

// extra returns a property beyond the listed ones, nil where there is none.
func (b *builder) extra(facts []*schema, list []property) (expr, error) {
	var schemas []*schema
	closed := false
	for _, s := range facts {
		closed = closed || s.closed
		if s.additional == nil {
			continue
		}
		if s.additional.never {
			return nil, nil
		}
		schemas = append(schemas, s.additional)
	}
	if len(schemas) == 0 && closed {
		return nil, nil
	}
	var value expr = b.any
	if len(schemas) > 0 {
		var err error
		if value, err = b.anyOfAll(schemas); err != nil {
			return nil, err
		}
	}
	return sequence{b.otherName(list), literal(":"), afterColon, value}, nil
}

// otherName is a string that is no listed name. Where there are listed names, each
// character is written in one way only, so that none can be spelled otherwise.
func (b *builder) otherName(list []property) expr {
	if len(list) == 0 {
		return b.text
	}
	n := newNetwork()
	root, free := n.node(), n.node()
	n.edge(0, root, literal(`"`))
	n.edge(free, free, choice{plainChars, b.escape})
	n.edge(free, 1, literal(`"`))
	type branch struct {
		node  int
		names []string // what is left of each
	}
	var names []string
	for _, p := range list {
		names = append(names, p.name)
	}
	todo := []branch{{root, names}}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		ends, next := false, map[rune][]string{}
		var order []rune
		for _, name := range at.names {
			if name == "" {
				ends = true
				continue
			}
			r := []rune(name)
			if next[r[0]] == nil {
				order = append(order, r[0])
			}
			next[r[0]] = append(next[r[0]], string(r[1:]))
		}
		if !ends {
			n.edge(at.node, 1, literal(`"`))
		}
		for _, r := range order {
			to := n.node()
			n.edge(at.node, to, jsonChars(class{{r, r}}))
			todo = append(todo, branch{to, next[r]})
		}
		others := chars(string(order)).negate()
		if n.edge(at.node, free, plainChars.and(others)); len(specials.minus(others)) == 0 {
			n.edge(at.node, free, b.escape)
		} else {
			n.edge(at.node, free, jsonChars(others.and(specials)))
		}
	}
	return n
}

// array writes prefixItems and then items.
func (b *builder) array(facts []*schema) (expr, error) {
	low, high, prefix := 0, -1, 0
	for _, s := range facts {
		low = max(low, s.minItems)
		if s.maxItems >= 0 && (high < 0 || s.maxItems < high) {
			high = s.maxItems
		}
		prefix = max(prefix, len(s.prefix))
		if s.items != nil && s.items.never && (high < 0 || len(s.prefix) < high) {
			high = len(s.prefix)
		}
	}
	if high >= 0 && low > high {
		return nil, &unfit{facts[len(facts)-1].path, fmt.Sprintf("at least %d items and at most %d cannot be", low, high)}
	}
	if high >= 0 {
		prefix = min(prefix, high)
	}
	n := newNetwork()
	at := n.node()
	n.edge(0, at, sequence{literal("["), b.space})
	for i := 0; ; i++ {
		if i >= low {
			n.edge(at, 1, sequence{endSpace(b, i), literal("]")})
		}
		if i == high {
			return n, nil
		}
		item, err := b.item(facts, i)
		if err != nil {
			return nil, err
		}
		to := n.node()
		if i > 0 {
			item = sequence{b.comma(), item}
		}
		n.edge(at, to, item)
		at = to
		if i < prefix {
			continue
		}
		// From here on all items are alike, and there is one.
		rest := repeat{item, max(low-i-1, 0), -1}
		if i == 0 {
			rest.x = sequence{b.comma(), item}
		}
		if high >= 0 {
			rest.max = high - i - 1
		}
		n.edge(at, 1, sequence{rest, b.space, literal("]")})
		return n, nil
	}
}

// endSpace is the space before ] after so many items: with none there was space
// already.
func endSpace(b *builder, items int) expr {
	if items == 0 {
		return empty
	}
	return b.space
}

// item returns the item of an index.
func (b *builder) item(facts []*schema, i int) (expr, error) {
	var schemas []*schema
	for _, s := range facts {
		switch {
		case i < len(s.prefix):
			schemas = append(schemas, s.prefix[i])
		case s.items != nil:
			schemas = append(schemas, s.items)
		}
	}
	if len(schemas) == 0 {
		return b.any, nil
	}
	return b.anyOfAll(schemas)
}
