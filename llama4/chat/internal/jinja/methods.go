package jinja

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type strMethod func(st *state, s string, a args) (Value, error)

var strMethods = map[string]strMethod{
	"strip": stripMethod(true, true), "lstrip": stripMethod(true, false), "rstrip": stripMethod(false, true),
	"upper": caseMethod(upper), "lower": caseMethod(lower), "casefold": caseMethod(lower), "title": caseMethod(pyTitle),
	"capitalize": caseMethod(capitalize), "swapcase": caseMethod(swapCase),
	"isupper":      checkMethod(func(s string) bool { return hasCase(s, true) }),
	"islower":      checkMethod(func(s string) bool { return hasCase(s, false) }),
	"isdigit":      checkMethod(all(unicode.IsDigit)),
	"isdecimal":    checkMethod(all(unicode.IsDigit)),
	"isnumeric":    checkMethod(all(unicode.IsNumber)),
	"isalpha":      checkMethod(all(unicode.IsLetter)),
	"isalnum":      checkMethod(all(func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) })),
	"isspace":      checkMethod(all(isSpace)),
	"startswith":   affixMethod(strings.HasPrefix),
	"endswith":     affixMethod(strings.HasSuffix),
	"removeprefix": removeMethod(true), "removesuffix": removeMethod(false),
	"find": findMethod(false, false), "rfind": findMethod(true, false), "index": findMethod(false, true), "rindex": findMethod(true, true),
	"count": countMethod, "replace": replaceMethod, "join": joinMethod, "split": splitMethod(false), "rsplit": splitMethod(true),
	"splitlines": splitlinesMethod, "partition": partitionMethod(false), "rpartition": partitionMethod(true),
	"ljust": padMethod(padRight), "rjust": padMethod(padLeft), "center": padMethod(padBoth), "zfill": zfillMethod,
	"format": formatMethod,
}

func stripMethod(left, right bool) strMethod {
	return func(st *state, s string, a args) (Value, error) {
		b, err := a.bind("strip", "chars")
		if err != nil {
			return nil, err
		}
		return strip(st, s, b.get(0, nil), left, right)
	}
}

func caseMethod(f func(string) string) strMethod {
	return func(st *state, s string, a args) (Value, error) {
		if _, err := a.bind("the method"); err != nil {
			return nil, err
		}
		return f(s), st.grow(len(s))
	}
}

func swapCase(s string) string {
	return mapRunes(s, func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	})
}

func checkMethod(f func(string) bool) strMethod {
	return func(st *state, s string, a args) (Value, error) {
		if _, err := a.bind("the method"); err != nil {
			return nil, err
		}
		return f(Unmark(s)), st.spend(1 + len(s)/16)
	}
}

func all(f func(rune) bool) func(string) bool {
	return func(s string) bool {
		return s != "" && strings.IndexFunc(s, func(r rune) bool { return !f(r) }) < 0
	}
}

// affixMethod is startswith or endswith, of one string or any of a tuple.
func affixMethod(has func(s, affix string) bool) strMethod {
	return func(st *state, s string, a args) (Value, error) {
		if len(a.pos) != 1 || len(a.names) > 0 {
			return nil, errors.New("startswith and endswith take one argument here")
		}
		affixes := []Value{a.pos[0]}
		if l, ok := a.pos[0].(*List); ok && l.kind == listTuple {
			affixes = l.items
		}
		for _, v := range affixes {
			affix, ok := v.(string)
			if !ok {
				return nil, fmt.Errorf("startswith and endswith take a str or a tuple of str, not %s", typeName(v))
			}
			if len(affix) <= len(s) && has(Unmark(s), Unmark(affix)) {
				return true, nil
			}
		}
		return false, st.spend(1 + len(s)/64)
	}
}

func oneStr(a args, name string) (string, error) {
	if len(a.pos) != 1 || len(a.names) > 0 {
		return "", fmt.Errorf("%s takes one argument here", name)
	}
	s, ok := a.pos[0].(string)
	if !ok {
		return "", fmt.Errorf("%s: must be str, not %s", name, typeName(a.pos[0]))
	}
	return s, nil
}

func removeMethod(prefix bool) strMethod {
	return func(st *state, s string, a args) (Value, error) {
		affix, err := oneStr(a, "removeprefix and removesuffix")
		if err != nil {
			return nil, err
		}
		plain, want := Unmark(s), Unmark(affix)
		switch {
		case prefix && strings.HasPrefix(plain, want):
			s = s[len(affix):]
		case !prefix && strings.HasSuffix(plain, want):
			s = s[:len(s)-len(affix)]
		}
		return s, st.spend(1 + len(s)/64)
	}
}

func findMethod(last, must bool) strMethod {
	return func(st *state, s string, a args) (Value, error) {
		sub, err := oneStr(a, "find")
		if err != nil {
			return nil, err
		}
		plain := Unmark(s)
		i := strings.Index(plain, Unmark(sub))
		if last {
			i = strings.LastIndex(plain, Unmark(sub))
		}
		if i < 0 {
			if must {
				return nil, errors.New("substring not found")
			}
			return int64(-1), nil
		}
		return int64(utf8.RuneCountInString(s[:i])), st.spend(1 + len(s)/64)
	}
}

func countMethod(st *state, s string, a args) (Value, error) {
	sub, err := oneStr(a, "count")
	if err != nil {
		return nil, err
	}
	if sub == "" {
		return int64(utf8.RuneCountInString(s) + 1), nil
	}
	return int64(strings.Count(Unmark(s), Unmark(sub))), st.spend(1 + len(s)/64)
}

func replaceMethod(st *state, s string, a args) (Value, error) {
	b, err := a.bind("replace", "old", "new", "count")
	if err != nil {
		return nil, err
	}
	for i := range 2 {
		if _, err := b.need(i); err != nil {
			return nil, err
		}
	}
	old, err := b.str(0, "")
	if err != nil {
		return nil, err
	}
	repl, err := b.str(1, "")
	if err != nil {
		return nil, err
	}
	count, err := b.int(2, -1)
	if err != nil {
		return nil, err
	}
	return replace(st, s, old, repl, count)
}

func joinMethod(st *state, s string, a args) (Value, error) {
	if len(a.pos) != 1 || len(a.names) > 0 {
		return nil, errors.New("join takes one argument")
	}
	items, err := st.items(a.pos[0])
	if err != nil {
		return nil, err
	}
	parts := make([]string, len(items))
	for i, v := range items {
		var ok bool
		if parts[i], ok = v.(string); !ok {
			return nil, fmt.Errorf("sequence item %d: expected str instance, %s found", i, typeName(v))
		}
		if err := st.grow(len(parts[i]) + len(s)); err != nil {
			return nil, err
		}
	}
	return strings.Join(parts, s), nil
}

func splitMethod(right bool) strMethod {
	return func(st *state, s string, a args) (Value, error) {
		b, err := a.bind("split", "sep", "maxsplit")
		if err != nil {
			return nil, err
		}
		limit, err := b.int(1, -1)
		if err != nil {
			return nil, err
		}
		var parts []string
		switch sep := b.get(0, nil).(type) {
		case nil:
			parts = splitSpace(s, limit, right)
		case string:
			if sep == "" {
				return nil, errors.New("empty separator")
			}
			parts = splitAt(s, sep, limit, right)
		default:
			return nil, fmt.Errorf("the separator must be str or None, not %s", typeName(sep))
		}
		return st.strList(parts, len(s))
	}
}

func (st *state) strList(parts []string, size int) (Value, error) {
	if err := st.grow(size + cell*len(parts)); err != nil {
		return nil, err
	}
	items := make([]Value, len(parts))
	for i, p := range parts {
		items[i] = p
	}
	return NewList(items...), nil
}

func splitAt(s, sep string, limit int64, right bool) []string {
	if right && limit >= 0 {
		return rsplitAt(s, sep, limit)
	}
	var parts []string
	from := 0
	for _, i := range find(s, sep, limit) {
		parts = append(parts, s[from:i])
		from = i + len(sep)
	}
	return append(parts, s[from:])
}

// rsplitAt splits at the last limit places of sep, found from the end.
func rsplitAt(s, sep string, limit int64) []string {
	plain, want := Unmark(s), Unmark(sep)
	end := len(s)
	var parts []string
	for ; limit > 0; limit-- {
		i := strings.LastIndex(plain[:end], want)
		if i < 0 {
			break
		}
		parts = append(parts, s[i+len(sep):end])
		end = i
	}
	parts = append(parts, s[:end])
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return parts
}

// splitSpace splits at runs of white space; what is left after limit splits keeps its inner space.
func splitSpace(s string, limit int64, right bool) []string {
	fields := strings.FieldsFunc(s, isSpace)
	if limit < 0 || int64(len(fields)) <= limit {
		return fields
	}
	n := int(limit)
	if right {
		rest := s
		for i := range n {
			rest = strings.TrimSuffix(strings.TrimRightFunc(rest, isSpace), fields[len(fields)-1-i])
		}
		fields = append([]string{strings.TrimRightFunc(rest, isSpace)}, fields[len(fields)-n:]...)
		return fields
	}
	rest := s
	for i := range n {
		rest = strings.TrimPrefix(strings.TrimLeftFunc(rest, isSpace), fields[i])
	}
	return append(fields[:n:n], strings.TrimLeftFunc(rest, isSpace))
}

func splitlinesMethod(st *state, s string, a args) (Value, error) {
	b, err := a.bind("splitlines", "keepends")
	if err != nil {
		return nil, err
	}
	return st.strList(splitLines(s, truthy(b.get(0, false))), len(s))
}

func partitionMethod(last bool) strMethod {
	return func(st *state, s string, a args) (Value, error) {
		sep, err := oneStr(a, "partition")
		if err != nil {
			return nil, err
		}
		if sep == "" {
			return nil, errors.New("empty separator")
		}
		i := strings.Index(Unmark(s), Unmark(sep))
		if last {
			i = strings.LastIndex(Unmark(s), Unmark(sep))
		}
		switch {
		case i >= 0:
			return newTuple(s[:i], s[i:i+len(sep)], s[i+len(sep):]), st.grow(len(s))
		case last:
			return newTuple("", "", s), nil
		}
		return newTuple(s, "", ""), nil
	}
}

func padMethod(side padSide) strMethod {
	return func(st *state, s string, a args) (Value, error) {
		b, err := a.bind("just", "width", "fillchar")
		if err != nil {
			return nil, err
		}
		width, err := b.int(0, 0)
		if err != nil {
			return nil, err
		}
		fill, err := b.str(1, " ")
		if err != nil {
			return nil, err
		}
		return pad(st, s, width, fill, side)
	}
}

func zfillMethod(st *state, s string, a args) (Value, error) {
	b, err := a.bind("zfill", "width")
	if err != nil {
		return nil, err
	}
	width, err := b.int(0, 0)
	if err != nil {
		return nil, err
	}
	sign := ""
	if s != "" && (s[0] == '+' || s[0] == '-') {
		sign, s = s[:1], s[1:]
	}
	v, err := pad(st, s, width-int64(len(sign)), "0", padLeft)
	if err != nil {
		return nil, err
	}
	return sign + v.(string), nil
}
