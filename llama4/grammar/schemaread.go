package grammar

import (
	"fmt"
	"strconv"
	"strings"
)

func (k *reading) object(want string) (*object, error) {
	o, ok := k.v.(*object)
	if !ok {
		return nil, k.wrong(want)
	}
	return o, nil
}

// schemas reads a non-empty list of schemas.
func (k *reading) schemas() ([]*schema, error) {
	list, ok := k.v.([]any)
	if !ok {
		return nil, k.wrong("an array of schemas")
	}
	if len(list) == 0 {
		return nil, k.fault("the list is empty")
	}
	var out []*schema
	for i, v := range list {
		s, err := k.useful(v, index(k.path, i), k.place+"/"+strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func (k *reading) all() (err error) {
	k.s.allOf, err = k.schemas()
	return err
}

func (k *reading) any() error {
	list, err := k.schemas()
	k.s.anyOf = append(k.s.anyOf, list)
	return err
}

func (k *reading) definitions() error {
	o, err := k.object("an object of schemas")
	if err != nil {
		return err
	}
	for _, name := range o.names {
		if _, err := k.schema(o.values[name], member(k.path, name), k.place+"/"+escapePointer(name)); err != nil {
			return err
		}
	}
	return nil
}

func (k *reading) properties() error {
	o, err := k.object("an object of schemas")
	if err != nil {
		return err
	}
	k.s.closed = true
	k.s.names = o.names
	k.s.properties = map[string]*schema{}
	for _, name := range o.names {
		s, err := k.useful(o.values[name], member(k.path, name), k.place+"/"+escapePointer(name))
		if err != nil {
			return err
		}
		k.s.properties[name] = s
	}
	return nil
}

func (k *reading) required() error {
	list, ok := k.v.([]any)
	if !ok {
		return k.wrong("an array of names")
	}
	seen := map[string]bool{}
	for i, v := range list {
		name, ok := v.(string)
		if !ok {
			return fmt.Errorf("%s: %s is not a name", index(k.path, i), kind(v))
		}
		if seen[name] {
			return fmt.Errorf("%s: %q is there twice", index(k.path, i), shorten(name))
		}
		seen[name] = true
		k.s.required = append(k.s.required, name)
	}
	return nil
}

func (k *reading) additional() (err error) {
	k.s.additional, err = k.schema(k.v, k.path, k.place)
	return err
}

func (k *reading) items() (err error) {
	if _, ok := k.v.([]any); ok {
		return k.fault("a list of schemas is called prefixItems now")
	}
	k.s.items, err = k.schema(k.v, k.path, k.place)
	return err
}

func (k *reading) prefixItems() (err error) {
	k.s.prefix, err = k.schemas()
	return err
}

func (k *reading) unique() error {
	if k.v != false {
		return k.fault("this keyword is not supported")
	}
	return nil
}

func (k *reading) pattern() error {
	s, ok := k.v.(string)
	if !ok {
		return k.wrong("a regular expression")
	}
	if k.s.format != "" {
		return k.fault("a pattern next to format %q is not supported", k.s.format)
	}
	k.s.pattern, k.s.textPath = s, k.path
	return nil
}

// format knows those that are regular. All others are annotations, as in JSON
// Schema.
func (k *reading) format() error {
	s, ok := k.v.(string)
	if !ok {
		return k.wrong("the name of a format")
	}
	if _, ok := formats[s]; !ok {
		return nil
	}
	if k.s.textPath != "" {
		return k.fault("format %q next to a pattern is not supported", s)
	}
	k.s.format, k.s.textPath = s, k.path
	k.s.about |= kString
	return nil
}

func (k *reading) reference() error {
	s, ok := k.v.(string)
	if !ok {
		return k.wrong("a reference")
	}
	if s != "#" && !strings.HasPrefix(s, "#/") {
		return k.fault("%q is not within this schema, want #/$defs/NAME", shorten(s))
	}
	k.pointers = append(k.pointers, pendingRef{k.s, s[1:], k.path})
	return nil
}

func escapePointer(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

// resolve finds what references point to. That may read more schemas.
func (r *schemaReader) resolve() error {
	for i := 0; i < len(r.pointers); i++ {
		p := r.pointers[i]
		if target, ok := r.byPlace[p.pointer]; ok {
			p.from.ref = target
			continue
		}
		v, path, ok := r.find(p.pointer)
		if !ok {
			return fmt.Errorf("%s: there is nothing at %q", p.path, "#"+shorten(p.pointer))
		}
		s, err := r.useful(v, path, p.pointer)
		if err != nil {
			return err
		}
		p.from.ref = s
	}
	return nil
}

// find follows a JSON pointer.
func (r *schemaReader) find(pointer string) (v any, path string, ok bool) {
	v, path = r.root, "schema"
	for _, step := range strings.Split(pointer, "/")[1:] {
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		switch at := v.(type) {
		case *object:
			if v, ok = at.values[step]; !ok {
				return nil, "", false
			}
			path = member(path, step)
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(at) {
				return nil, "", false
			}
			v, path = at[i], index(path, i)
		default:
			return nil, "", false
		}
	}
	return v, path, true
}

// check refuses what contradicts itself within one schema.
func (s *schema) check() error {
	if s.maxItems >= 0 && s.minItems > s.maxItems {
		return fmt.Errorf("%s: minItems %d is more than maxItems %d", s.path, s.minItems, s.maxItems)
	}
	if s.maxLength >= 0 && s.minLength > s.maxLength {
		return fmt.Errorf("%s: minLength %d is more than maxLength %d", s.path, s.minLength, s.maxLength)
	}
	return nil
}
