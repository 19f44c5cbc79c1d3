package jinja

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

type filterFunc func(st *state, in Value, a args) (Value, error)

// filters is set in init because some filters apply others by name.
var filters map[string]filterFunc

func init() {
	filters = map[string]filterFunc{
		"abs": filterAbs, "attr": filterAttr, "batch": filterBatch, "capitalize": textFilter(capitalize), "center": filterCenter,
		"count": filterLength, "d": filterDefault, "default": filterDefault, "dictsort": filterDictsort, "e": filterEscape,
		"escape": filterEscape, "first": filterFirst, "float": filterFloat, "format": filterFormat, "indent": filterIndent,
		"int": filterInt, "items": filterItems, "join": filterJoin, "last": filterLast, "length": filterLength, "list": filterList,
		"lower": textFilter(lower), "map": filterMap, "max": filterMax, "min": filterMin, "reject": filterReject,
		"rejectattr": filterRejectattr, "replace": filterReplace, "reverse": filterReverse, "round": filterRound,
		"safe": filterSafe, "select": filterSelect, "selectattr": filterSelectattr, "slice": filterSlice, "sort": filterSort,
		"string": filterString, "sum": filterSum, "title": textFilter(jinjaTitle), "tojson": toJSON, "trim": filterTrim,
		"truncate": filterTruncate, "unique": filterUnique, "upper": textFilter(upper), "wordcount": filterWordcount,
	}
}

// textFilter makes a filter of a function on the printed value.
func textFilter(f func(string) string) filterFunc {
	return func(st *state, in Value, a args) (Value, error) {
		if _, err := a.bind("the filter"); err != nil {
			return nil, err
		}
		s, err := st.str(in)
		if err != nil {
			return nil, err
		}
		return f(s), st.grow(len(s))
	}
}

func needStr(v Value) (string, error) {
	switch x := v.(type) {
	case string:
		return x, nil
	case undefined:
		return "", errors.New(x.why)
	}
	return "", fmt.Errorf("it needs a str, not %s", typeName(v))
}

func filterTrim(st *state, in Value, a args) (Value, error) {
	b, err := a.bind("trim", "chars")
	if err != nil {
		return nil, err
	}
	s, err := st.str(in)
	if err != nil {
		return nil, err
	}
	return strip(st, s, b.get(0, nil), true, true)
}

func filterReplace(st *state, in Value, a args) (Value, error) {
	b, err := a.bind("replace", "old", "new", "count")
	if err != nil {
		return nil, err
	}
	if !b.set[0] || !b.set[1] {
		return nil, errors.New("it needs two arguments, old and new")
	}
	var s [3]string
	for i, v := range []Value{in, b.vals[0], b.vals[1]} {
		if s[i], err = st.str(v); err != nil {
			return nil, err
		}
	}
	count := int64(-1)
	if b.get(2, nil) != nil {
		if count, err = b.int(2, -1); err != nil {
			return nil, err
		}
	}
	return replace(st, s[0], s[1], s[2], count)
}

var htmlEscapes = map[byte]string{'&': "&amp;", '>': "&gt;", '<': "&lt;", '\'': "&#39;", '"': "&#34;"}

func filterEscape(st *state, in Value, _ args) (Value, error) {
	s, err := st.str(in)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for i := range len(s) { // by byte, so that a marked "<" is escaped and other marks stay
		if text, ok := htmlEscapes[charOf[s[i]]]; ok {
			b.WriteString(text)
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String(), st.grow(b.Len())
}

func filterIndent(st *state, in Value, a args) (Value, error) {
	b, err := a.bind("indent", "width", "first", "blank")
	if err != nil {
		return nil, err
	}
	s, err := needStr(in)
	if err != nil {
		return nil, err
	}
	pad, ok := b.get(0, int64(4)).(string)
	if !ok {
		n, err := b.int(0, 4)
		if err != nil {
			return nil, err
		}
		if n > maxFormat {
			return nil, fmt.Errorf("%w: width is larger than %d", ErrLimit, maxFormat)
		}
		pad = strings.Repeat(" ", int(max(n, 0)))
	}
	lines := splitLines(s+"\n", false)
	if err := st.growTimes(len(pad)+1, int64(len(lines))); err != nil {
		return nil, err
	}
	for i, line := range lines {
		if i > 0 && (line != "" || truthy(b.get(2, false))) || i == 0 && truthy(b.get(1, false)) {
			lines[i] = pad + line
		}
	}
	return strings.Join(lines, "\n"), st.grow(len(s))
}

func filterDefault(_ *state, in Value, a args) (Value, error) {
	b, err := a.bind("default", "default_value", "boolean")
	if err != nil {
		return nil, err
	}
	if _, ok := in.(undefined); ok || truthy(b.get(1, false)) && !truthy(in) {
		return b.get(0, ""), nil
	}
	return in, nil
}

func filterString(st *state, in Value, _ args) (Value, error) { return st.str(in) }
func filterSafe(_ *state, in Value, _ args) (Value, error)    { return in, nil }

func filterFormat(st *state, in Value, a args) (Value, error) {
	s, err := st.str(in)
	if err != nil {
		return nil, err
	}
	if len(a.names) > 0 {
		d := NewDict()
		for i, n := range a.names {
			d.Set(n, a.named[i])
		}
		return st.format(s, d)
	}
	return st.format(s, newTuple(a.pos...))
}

func filterCenter(st *state, in Value, a args) (Value, error) {
	b, err := a.bind("center", "width")
	if err != nil {
		return nil, err
	}
	s, err := st.str(in)
	if err != nil {
		return nil, err
	}
	width, err := b.int(0, 80)
	if err != nil {
		return nil, err
	}
	return pad(st, s, width, " ", padBoth)
}

func filterTruncate(st *state, in Value, a args) (Value, error) {
	b, err := a.bind("truncate", "length", "killwords", "end", "leeway")
	if err != nil {
		return nil, err
	}
	s, err := needStr(in)
	if err != nil {
		return nil, err
	}
	length, err := b.int(0, 255)
	if err != nil {
		return nil, err
	}
	end, err := b.str(2, "...")
	if err != nil {
		return nil, err
	}
	leeway, err := b.int(3, 5)
	if err != nil {
		return nil, err
	}
	if err := st.grow(cell * len(s)); err != nil {
		return nil, err
	}
	chars, tail := runes(s), int64(len(runes(end)))
	if length < tail {
		return nil, fmt.Errorf("expected length >= %d, got %d", tail, length)
	}
	if int64(len(chars)) <= length+max(leeway, 0) {
		return s, nil
	}
	cut := strings.Join(chars[:length-tail], "")
	if !truthy(b.get(1, false)) {
		if i := strings.LastIndexByte(cut, ' '); i >= 0 {
			cut = cut[:i]
		}
	}
	return cut + end, nil
}

func filterWordcount(st *state, in Value, _ args) (Value, error) {
	s, err := st.str(in)
	if err != nil {
		return nil, err
	}
	n, inWord := int64(0), false
	for _, r := range s {
		w := isWord(r)
		if w && !inWord {
			n++
		}
		inWord = w
	}
	return n, st.spend(len(s) / 16)
}

func filterAbs(_ *state, in Value, _ args) (Value, error) {
	if n, ok := asInt(in); ok {
		if n < 0 {
			return intOp("-", 0, n)
		}
		return n, nil
	}
	if f, ok := in.(float64); ok {
		return math.Abs(f), nil
	}
	return nil, fmt.Errorf("bad operand type for abs(): '%s'", typeName(in))
}

func filterInt(st *state, in Value, a args) (Value, error) {
	b, err := a.bind("int", "default", "base")
	if err != nil {
		return nil, err
	}
	base, err := b.int(1, 10)
	if err != nil {
		return nil, err
	}
	switch x := in.(type) {
	case undefined:
		return nil, errors.New(x.why)
	case int64, BigInt:
		return x, nil
	case bool:
		return boolInt(x), nil
	case float64:
		if math.Abs(x) < 1<<62 {
			return int64(x), nil
		}
	case string:
		s := strings.TrimFunc(Unmark(x), isSpace)
		if base != 10 {
			if base < 0 || base == 1 || base > 36 {
				break
			}
			if base == 16 || base == 8 || base == 2 {
				s = trimBase(s, base)
			}
		}
		s = strings.TrimPrefix(s, "+")
		if n, err := strconv.ParseInt(s, int(base), 64); err == nil {
			return n, st.spend(len(s) / 64)
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) < 1<<62 {
			return int64(f), nil
		}
	}
	return b.get(0, int64(0)), nil
}

func trimBase(s string, base int64) string {
	prefix := map[int64]string{16: "0x", 8: "0o", 2: "0b"}[base]
	if len(s) > 2 && strings.EqualFold(s[:2], prefix) {
		return s[2:]
	}
	return s
}

func filterFloat(_ *state, in Value, a args) (Value, error) {
	b, err := a.bind("float", "default")
	if err != nil {
		return nil, err
	}
	if f, ok := asFloat(in); ok {
		return f, nil
	}
	if u, ok := in.(undefined); ok {
		return nil, errors.New(u.why)
	}
	if s, ok := in.(string); ok {
		f, err := strconv.ParseFloat(strings.TrimFunc(Unmark(s), isSpace), 64)
		if err == nil || errors.Is(err, strconv.ErrRange) {
			return f, nil
		}
	}
	return b.get(0, 0.0), nil
}

func filterRound(_ *state, in Value, a args) (Value, error) {
	b, err := a.bind("round", "precision", "method")
	if err != nil {
		return nil, err
	}
	digits, err := b.int(0, 0)
	if err != nil {
		return nil, err
	}
	method, err := b.str(1, "common")
	if err != nil {
		return nil, err
	}
	if n, ok := asInt(in); ok && method == "common" && digits >= 0 {
		return n, nil
	}
	f, ok := asFloat(in)
	if !ok {
		return nil, fmt.Errorf("type %s doesn't define a rounding", typeName(in))
	}
	if digits > 300 || digits < -300 {
		return nil, errors.New("precision must be between -300 and 300")
	}
	scale := math.Pow(10, float64(digits))
	switch method {
	case "common":
		if digits > 0 { // decimal rounding of the exact value, ties to even, as Python's round
			return strconv.ParseFloat(strconv.FormatFloat(f, 'f', int(digits), 64), 64)
		}
		return math.RoundToEven(f*scale) / scale, nil
	case "ceil":
		return math.Ceil(f*scale) / scale, nil
	case "floor":
		return math.Floor(f*scale) / scale, nil
	}
	return nil, errors.New("method must be common, ceil or floor")
}
