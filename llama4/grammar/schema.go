package grammar

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// kinds is a set of the types of JSON values.
type kinds uint8

const (
	kNull kinds = 1 << iota
	kBoolean
	kObject
	kArray
	kInteger
	kNumber // includes the integers
	kString

	kAny = kNull | kBoolean | kObject | kArray | kNumber | kString
)

var kindNames = map[string]kinds{
	"null": kNull, "boolean": kBoolean, "object": kObject, "array": kArray,
	"integer": kInteger, "number": kNumber, "string": kString,
}

// schema is what one object of a schema says, checked for itself.
type schema struct {
	id    int
	path  string
	kinds kinds // 0: not said
	about kinds // of what the keywords speak
	never bool  // the schema false

	ref   *schema
	allOf []*schema
	anyOf [][]*schema // anyOf and oneOf

	values []any // enum or const
	listed bool  // there is one of them

	properties map[string]*schema
	names      []string // in the order of properties
	closed     bool     // there is the keyword properties
	required   []string
	additional *schema

	prefix   []*schema
	items    *schema
	minItems int
	maxItems int // -1 for none

	minLength int
	maxLength int // -1 for none
	pattern   string
	format    string
	textPath  string // of pattern or format

	low, high *bound
}

// bound is a limit of a number.
type bound struct {
	value *big.Rat
	open  bool // the number itself is outside
	path  string
}

// schemaReader turns JSON into schemas.
type schemaReader struct {
	root     any
	byPlace  map[string]*schema // by JSON pointer
	made     int                // schemas
	placed   int                // bytes of the keys of byPlace
	pointers []pendingRef
	keywords map[string]keyword
}

// maxPlaces keeps long names around many schemas from taking much memory.
const maxPlaces = 32 << 20

type pendingRef struct {
	from    *schema
	pointer string
	path    string
}

// keywords that mean nothing for validation.
var annotations = map[string]bool{
	"title": true, "description": true, "default": true, "examples": true, "$schema": true, "$id": true,
	"$comment": true, "deprecated": true, "readOnly": true, "writeOnly": true,
}

func (r *schemaReader) schema(v any, path, place string) (*schema, error) {
	if s, ok := r.byPlace[place]; ok {
		return s, nil
	}
	if r.placed += len(place); r.placed > maxPlaces {
		return nil, fmt.Errorf("%s: the schema is too deep for its size", path)
	}
	s := &schema{id: r.made, path: path, maxItems: -1, maxLength: -1}
	r.made++
	r.byPlace[place] = s
	switch v := v.(type) {
	case bool:
		s.never = !v
		return s, nil
	case *object:
		for _, name := range v.names {
			if err := r.keyword(s, name, v.values[name], member(path, name), place+"/"+escapePointer(name)); err != nil {
				return nil, err
			}
		}
		return s, s.check()
	}
	return nil, fmt.Errorf("%s: %s is no schema, want an object or true", path, kind(v))
}

// useful refuses false where it makes no sense.
func (r *schemaReader) useful(v any, path, place string) (*schema, error) {
	s, err := r.schema(v, path, place)
	if err == nil && s.never {
		return nil, fmt.Errorf("%s: false allows no value, leave it out", path)
	}
	return s, err
}

func (r *schemaReader) keyword(s *schema, name string, v any, path, place string) error {
	if annotations[name] || strings.HasPrefix(name, "x-") {
		return nil
	}
	read, ok := r.keywords[name]
	if !ok {
		return fmt.Errorf("%s: this keyword is not supported", path)
	}
	s.about |= read.about
	return read.read(&reading{r, s, v, path, place})
}

// reading is one keyword while it is read.
type reading struct {
	*schemaReader
	s           *schema
	v           any
	path, place string
}

type keyword struct {
	about kinds
	read  func(*reading) error
}

func newSchemaReader(root any) *schemaReader {
	r := &schemaReader{root: root, byPlace: map[string]*schema{}}
	r.keywords = map[string]keyword{
		"type":                 {0, (*reading).types},
		"enum":                 {0, (*reading).enum},
		"const":                {0, (*reading).constant},
		"$ref":                 {0, (*reading).reference},
		"$defs":                {0, (*reading).definitions},
		"definitions":          {0, (*reading).definitions},
		"allOf":                {0, (*reading).all},
		"anyOf":                {0, (*reading).any},
		"oneOf":                {0, (*reading).any},
		"properties":           {kObject, (*reading).properties},
		"required":             {kObject, (*reading).required},
		"additionalProperties": {kObject, (*reading).additional},
		"items":                {kArray, (*reading).items},
		"prefixItems":          {kArray, (*reading).prefixItems},
		"minItems":             {kArray, func(k *reading) error { return k.count(&k.s.minItems) }},
		"maxItems":             {kArray, func(k *reading) error { return k.count(&k.s.maxItems) }},
		"uniqueItems":          {kArray, (*reading).unique},
		"minLength":            {kString, func(k *reading) error { return k.count(&k.s.minLength) }},
		"maxLength":            {kString, func(k *reading) error { return k.count(&k.s.maxLength) }},
		"pattern":              {kString, (*reading).pattern},
		"format":               {0, (*reading).format},
		"minimum":              {kNumber, func(k *reading) error { return k.low(false) }},
		"exclusiveMinimum":     {kNumber, func(k *reading) error { return k.low(true) }},
		"maximum":              {kNumber, func(k *reading) error { return k.high(false) }},
		"exclusiveMaximum":     {kNumber, func(k *reading) error { return k.high(true) }},
	}
	return r
}

func (k *reading) fault(format string, args ...any) error {
	return fmt.Errorf("%s: %s", k.path, fmt.Sprintf(format, args...))
}

func (k *reading) wrong(want string) error { return k.fault("%s is not %s", kind(k.v), want) }

func (k *reading) types() error {
	list, ok := k.v.([]any)
	if !ok {
		list = []any{k.v}
	}
	for _, e := range list {
		name, ok := e.(string)
		if !ok {
			return k.fault("%s is not the name of a type", kind(e))
		}
		bit, ok := kindNames[name]
		if !ok {
			return k.fault("unknown type %q", shorten(name))
		}
		k.s.kinds |= bit
	}
	if len(list) == 0 {
		return k.fault("the list is empty, so no value fits")
	}
	return nil
}

func (k *reading) enum() error {
	list, ok := k.v.([]any)
	if !ok {
		return k.wrong("an array of values")
	}
	if len(list) == 0 {
		return k.fault("the list is empty, so no value fits")
	}
	return k.list(list)
}

func (k *reading) constant() error { return k.list([]any{k.v}) }

func (k *reading) list(values []any) error {
	if k.s.listed {
		values = common(k.s.values, values)
		if len(values) == 0 {
			return k.fault("no value fits both enum and const")
		}
	}
	k.s.values, k.s.listed = values, true
	return nil
}

// common returns the values of a that are in b, too.
func common(a, b []any) []any {
	in := map[string]bool{}
	for _, v := range b {
		in[canonical(v)] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(v any) bool { return !in[canonical(v)] })
}

func (k *reading) count(n *int) error {
	number, ok := k.v.(json.Number)
	if !ok {
		return k.wrong("a number")
	}
	r, ok := rational(number)
	if !ok || !r.IsInt() || r.Sign() < 0 {
		return k.wrong("a whole number from 0 on")
	}
	if r.Cmp(big.NewRat(maxRepeat, 1)) > 0 {
		return k.fault("%s is more than %d", number, maxRepeat)
	}
	*n = int(r.Num().Int64())
	return nil
}

func (k *reading) low(open bool) error {
	b, err := k.bound(open)
	if err != nil {
		return err
	}
	k.s.low = higher(k.s.low, b)
	return nil
}

func (k *reading) high(open bool) error {
	b, err := k.bound(open)
	if err != nil {
		return err
	}
	k.s.high = lower(k.s.high, b)
	return nil
}

func (k *reading) bound(open bool) (*bound, error) {
	number, ok := k.v.(json.Number)
	if !ok {
		return nil, k.wrong("a number")
	}
	r, ok := rational(number)
	if !ok {
		return nil, k.fault("the number %s has too many digits", shorten(number.String()))
	}
	return &bound{r, open, k.path}, nil
}

// higher returns the stricter of two lower bounds, nil being none.
func higher(a, b *bound) *bound {
	if a == nil || b == nil {
		if a == nil {
			return b
		}
		return a
	}
	if c := a.value.Cmp(b.value); c > 0 || c == 0 && a.open {
		return a
	}
	return b
}

// lower returns the stricter of two upper bounds.
func lower(a, b *bound) *bound {
	if a == nil || b == nil {
		if a == nil {
			return b
		}
		return a
	}
	if c := a.value.Cmp(b.value); c < 0 || c == 0 && a.open {
		return a
	}
	return b
}
