package jinja

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// DecodeJSON reads one JSON value, keeping the order of keys and whole numbers of any size. Every string and key passes
// through text, which may be nil.
func DecodeJSON(data []byte, text func(string) string) (Value, error) {
	if text == nil {
		text = func(s string) string { return s }
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := decodeValue(d, text, 0)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("bad JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("bad JSON: text after the value")
	}
	return v, nil
}

func decodeValue(d *json.Decoder, text func(string) string, depth int) (Value, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: values nest deeper than %d", ErrLimit, maxDepth)
	}
	tok, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := tok.(type) {
	case string:
		return text(t), nil
	case json.Number:
		return Number(t), nil
	case json.Delim:
		if t == '[' {
			l := NewList()
			for d.More() {
				v, err := decodeValue(d, text, depth+1)
				if err != nil {
					return nil, err
				}
				l.items = append(l.items, v)
			}
			_, err := d.Token()
			return l, err
		}
		return decodeDict(d, text, depth)
	}
	return tok, nil // nil or bool
}

func decodeDict(d *json.Decoder, text func(string) string, depth int) (Value, error) {
	out := NewDict()
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := decodeValue(d, text, depth+1)
		if err != nil {
			return nil, err
		}
		out.set(text(key.(string)), v)
	}
	_, err := d.Token()
	return out, err
}

// Number converts a JSON number as Python's json does: an int without fraction and exponent, else a float.
func Number(n json.Number) Value {
	s := string(n)
	if strings.ContainsAny(s, ".eE") {
		f, _ := strconv.ParseFloat(s, 64) // out of range gives an infinity, as in Python
		return f
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i
	}
	return BigInt(s)
}

// dumper writes JSON as Python's json.dumps does.
type dumper struct {
	printer
	ascii    bool
	sortKeys bool
	indent   string // one level; newlines are written only when pretty
	pretty   bool
	item     string
	key      string
}

// toJSON is the tojson filter of transformers: json.dumps with ensure_ascii off.
func toJSON(st *state, v Value, a args) (Value, error) {
	b, err := a.bind("tojson", "ensure_ascii", "indent", "separators", "sort_keys")
	if err != nil {
		return nil, err
	}
	d := dumper{printer: printer{st: st}, ascii: truthy(b.get(0, false)), sortKeys: truthy(b.get(3, false)), item: ", ", key: ": "}
	switch ind := b.get(1, nil).(type) {
	case nil:
	case string:
		d.indent, d.pretty = ind, true
	default:
		n, ok := asInt(ind)
		if !ok {
			return nil, fmt.Errorf("indent must be an int or a str, not %s", typeName(ind))
		}
		if n > maxFormat {
			return nil, fmt.Errorf("%w: indent is larger than %d", ErrLimit, maxFormat)
		}
		d.indent, d.pretty = strings.Repeat(" ", int(max(n, 0))), true
	}
	if d.pretty {
		d.item = ","
	}
	if sep := b.get(2, nil); sep != nil {
		l, ok := sep.(*List)
		if !ok || len(l.items) != 2 {
			return nil, errors.New("separators must be two strings")
		}
		var ok1, ok2 bool
		d.item, ok1 = l.items[0].(string)
		d.key, ok2 = l.items[1].(string)
		if !ok1 || !ok2 {
			return nil, errors.New("separators must be two strings")
		}
	}
	d.value(v, 0)
	return d.b.String(), d.err
}

func (d *dumper) value(v Value, level int) {
	if d.err != nil {
		return
	}
	if d.err = d.st.enter(); d.err != nil {
		return
	}
	defer d.st.leave()
	switch x := v.(type) {
	case string:
		d.str(x)
	case *List:
		if x.kind == listIter {
			d.err = errors.New("an object of type generator is not JSON serializable")
			return
		}
		d.group("[", "]", len(x.items), level, func(i int) { d.value(x.items[i], level+1) })
	case *Dict:
		d.dict(x, level)
	case nil, bool, int64, BigInt, float64:
		d.write(jsonScalar(v))
	default:
		d.err = fmt.Errorf("an object of type %s is not JSON serializable", typeName(v))
	}
}

func jsonScalar(v Value) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(x)
	case float64:
		switch {
		case math.IsInf(x, 1):
			return "Infinity"
		case math.IsInf(x, -1):
			return "-Infinity"
		case x != x:
			return "NaN"
		}
	}
	return scalar(v)
}

func (d *dumper) dict(x *Dict, level int) {
	order := make([]int, x.Len())
	for i := range order {
		order[i] = i
	}
	if d.sortKeys {
		sort.SliceStable(order, func(i, j int) bool {
			a, _ := x.keys[order[i]].(string)
			b, _ := x.keys[order[j]].(string)
			return Unmark(a) < Unmark(b)
		})
	}
	d.group("{", "}", len(order), level, func(i int) {
		k := x.keys[order[i]]
		s, ok := k.(string)
		if !ok {
			s = jsonScalar(k)
		}
		d.str(s)
		d.write(d.key)
		d.value(x.vals[order[i]], level+1)
	})
}

// group writes n members between brackets.
func (d *dumper) group(open, end string, n, level int, member func(i int)) {
	d.write(open)
	for i := 0; i < n && d.err == nil; i++ {
		if i > 0 {
			d.write(d.item)
		}
		d.newline(level + 1)
		member(i)
	}
	if n > 0 {
		d.newline(level)
	}
	d.write(end)
}

func (d *dumper) newline(level int) {
	if !d.pretty {
		return
	}
	d.write("\n")
	for range level {
		d.write(d.indent)
	}
}

// str writes a quoted string. Marks are written as they are: they stand for ASCII.
func (d *dumper) str(s string) {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteByte(s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\f':
			b.WriteString(`\f`)
		case r == '\b':
			b.WriteString(`\b`)
		case r < 0x20:
			fmt.Fprintf(&b, `\u%04x`, r)
		case d.ascii && r >= 0x7f && n > 1 && r > 0xFFFF:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		case d.ascii && r > 0x7f && n > 1:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	b.WriteByte('"')
	d.write(b.String())
}
