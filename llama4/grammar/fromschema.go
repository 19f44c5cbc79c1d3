package grammar

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// FromJSONSchema returns the grammar of the JSON texts that fit a schema. The
// package's documentation says which keywords there are. A schema that cannot be
// translated is refused with an error that begins with the path of the fault, as
// in
//
//	schema.properties.age.type: unknown type "integr"
func FromJSONSchema(text []byte) (*Grammar, error) {
	v, err := readJSON(text)
	if err != nil {
		return nil, err
	}
	r := newSchemaReader(v)
	root, err := r.useful(v, "schema", "")
	if err != nil {
		return nil, err
	}
	if err := r.resolve(); err != nil {
		return nil, err
	}
	b := newBuilder()
	x, err := b.anyOfAll([]*schema{root})
	if err != nil {
		return nil, err
	}
	start := b.rules.add("schema", x)
	g, err := compile(&b.rules, start)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return g, nil
}

// builder translates schemas to rules. Where several schemas hold at once, by
// allOf, $ref or a branch of anyOf, it looks at them together: facts are a set of
// schemas, each of which contributes its own keywords.
type builder struct {
	rules ruleSet
	basic
	branches map[*schema][][]*schema
	onPath   map[*schema]bool
	built    map[string]built // by facts
	numbers  map[string]ref   // by bounds
	depth    int
}

type built struct {
	rule ref
	err  error
}

// unfit is the error of facts that no value fits.
type unfit struct{ path, why string }

func (u *unfit) Error() string { return u.path + ": " + u.why }

// maxBranches is into how many alternatives the anyOf of one value may multiply, and
// how many schemas may hold of it at once.
const maxBranches = 256

func newBuilder() *builder {
	b := &builder{branches: map[*schema][][]*schema{}, onPath: map[*schema]bool{}, built: map[string]built{}, numbers: map[string]ref{}}
	b.basic = newBasic(&b.rules)
	return b
}

// expand returns the alternatives of a schema, each a set of facts.
func (b *builder) expand(s *schema) ([][]*schema, error) {
	if alts, ok := b.branches[s]; ok {
		return alts, nil
	}
	if b.onPath[s] {
		return nil, fmt.Errorf("%s: this schema refers to itself with nothing in between", s.path)
	}
	b.onPath[s] = true
	defer delete(b.onPath, s)
	alts := [][]*schema{{s}}
	parts := s.allOf
	if s.ref != nil {
		parts = append(slices.Clip(parts), s.ref)
	}
	for _, part := range parts {
		more, err := b.expand(part)
		if err != nil {
			return nil, err
		}
		if alts, err = product(s.path, alts, more); err != nil {
			return nil, err
		}
	}
	for _, list := range s.anyOf {
		var more [][]*schema
		for _, branch := range list {
			m, err := b.expand(branch)
			if err != nil {
				return nil, err
			}
			more = append(more, m...)
		}
		var err error
		if alts, err = product(s.path, alts, more); err != nil {
			return nil, err
		}
	}
	b.branches[s] = alts
	return alts, nil
}

// product joins every set of a with every set of b.
func product(path string, a, b [][]*schema) ([][]*schema, error) {
	if len(a)*len(b) > maxBranches {
		return nil, fmt.Errorf("%s: anyOf and allOf multiply to more than %d alternatives", path, maxBranches)
	}
	var out [][]*schema
	for _, x := range a {
		for _, y := range b {
			set := append(slices.Clone(x), y...)
			slices.SortFunc(set, func(s, t *schema) int { return s.id - t.id })
			if set = slices.Compact(set); len(set) > maxBranches {
				return nil, fmt.Errorf("%s: more than %d schemas hold at once", path, maxBranches)
			}
			out = append(out, set)
		}
	}
	return out, nil
}

// anyOfAll returns the values that fit all of some schemas.
func (b *builder) anyOfAll(list []*schema) (expr, error) {
	if len(list) == 0 {
		return b.any, nil
	}
	if b.depth++; b.depth > maxNesting {
		return nil, fmt.Errorf("%s: values are nested more than %d times", list[0].path, maxNesting)
	}
	defer func() { b.depth-- }()
	alts := [][]*schema{nil}
	for _, s := range list {
		more, err := b.expand(s)
		if err != nil {
			return nil, err
		}
		if alts, err = product(s.path, alts, more); err != nil {
			return nil, err
		}
	}
	var out choice
	var first error
	for _, facts := range alts {
		x, err := b.rule(facts)
		// A branch that contradicts what stands beside it is just not taken.
		if impossible := (*unfit)(nil); errors.As(err, &impossible) && len(alts) > 1 && len(facts) > 1 {
			if first == nil {
				first = err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, expr(x)) {
			out = append(out, x)
		}
	}
	if len(out) == 0 {
		return nil, first
	}
	return out, nil
}

// rule returns the rule of facts. It may be asked for while it is being built.
func (b *builder) rule(facts []*schema) (ref, error) {
	var key strings.Builder
	for _, s := range facts {
		fmt.Fprintf(&key, "%d ", s.id)
	}
	if known, ok := b.built[key.String()]; ok {
		return known.rule, known.err
	}
	rule := b.rules.add(facts[0].path, choice{})
	b.built[key.String()] = built{rule, nil}
	x, err := b.value(facts)
	if err != nil {
		b.built[key.String()] = built{rule, err}
		return rule, err
	}
	b.rules.exprs[rule] = x
	return rule, nil
}

// value translates facts to the choice of the types that they leave.
func (b *builder) value(facts []*schema) (expr, error) {
	types, about := kAny, kinds(0)
	said := false
	for _, s := range facts {
		if s.never {
			return nil, &unfit{s.path, "false allows no value"}
		}
		about |= s.about
		if s.kinds != 0 {
			types, said = both(types, s.kinds), true
		}
	}
	path := facts[len(facts)-1].path
	if types == 0 {
		return nil, &unfit{path, "no type is left that fits all that must hold here"}
	}
	for _, s := range facts {
		if s.listed {
			return b.listed(facts, types, about)
		}
	}
	if !said && about == 0 {
		return b.any, nil
	}
	if !said {
		types = about // see the documentation: {"properties": ...} means an object
	}
	return b.typed(facts, types)
}

// both returns the types in a and in b. An integer is a number, too.
func both(a, b kinds) kinds {
	if a&kNumber != 0 {
		a |= kInteger
	}
	if b&kNumber != 0 {
		b |= kInteger
	}
	return a & b
}

func (b *builder) typed(facts []*schema, types kinds) (expr, error) {
	var out choice
	for _, t := range []struct {
		kind  kinds
		build func([]*schema) (expr, error)
	}{
		{kObject, b.object},
		{kArray, b.array},
		{kString, b.textOf},
		{kNumber, b.numberOf},
		{kInteger, b.integerOf},
		{kBoolean, func([]*schema) (expr, error) { return choice{literal("true"), literal("false")}, nil }},
		{kNull, func([]*schema) (expr, error) { return literal("null"), nil }},
	} {
		if types&t.kind == 0 || t.kind == kInteger && types&kNumber != 0 {
			continue
		}
		x, err := t.build(facts)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// listed writes the values of enum and const that fit.
func (b *builder) listed(facts []*schema, types, about kinds) (expr, error) {
	var values []any
	started := false
	var path string
	for _, s := range facts {
		if !s.listed {
			continue
		}
		if started {
			values = common(values, s.values)
		} else {
			values, started = s.values, true
		}
		path = s.path
	}
	values = slices.DeleteFunc(slices.Clone(values), func(v any) bool { return both(kindOf(v), types) == 0 })
	if len(values) == 0 {
		return nil, &unfit{path, "no value of enum or const fits all that must hold here"}
	}
	var out choice
	for _, v := range values {
		if kindOf(v)&about != 0 || kindOf(v) == kInteger && about&kNumber != 0 {
			return nil, fmt.Errorf("%s: enum or const next to other limits of the same type is not supported", path)
		}
		out = append(out, b.literal(v))
	}
	return out, nil
}
