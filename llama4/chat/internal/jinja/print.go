package jinja

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// str is Python's str(): how a value prints.
func (st *state) str(v Value) (string, error) {
	switch x := v.(type) {
	case string:
		return x, nil
	case undefined:
		return "", nil
	case nil, bool, int64, float64, BigInt:
		return scalar(v), nil
	}
	p := printer{st: st}
	p.repr(v)
	return p.b.String(), p.err
}

// scalar prints None, booleans and numbers.
func scalar(v Value) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case bool:
		if x {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(x, 10)
	case float64:
		return floatRepr(x)
	case BigInt:
		return string(x)
	}
	return ""
}

// floatRepr is Python's repr of a float: the shortest digits that read back, an exponent below 1e-4 and from 1e16.
func floatRepr(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case f != f:
		return "nan"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// printer writes Python's repr; the first error sticks.
type printer struct {
	st  *state
	b   strings.Builder
	err error
}

func (p *printer) write(s string) {
	if p.err == nil {
		p.err = p.st.grow(len(s))
	}
	if p.err == nil {
		p.b.WriteString(s)
	}
}

func (p *printer) repr(v Value) {
	if p.err != nil {
		return
	}
	if p.err = p.st.enter(); p.err != nil {
		return
	}
	defer p.st.leave()
	switch x := v.(type) {
	case string:
		p.write(strRepr(x))
	case *List:
		p.list(x)
	case *Dict:
		p.dict(x)
	case *namespace:
		p.write("<Namespace ")
		p.dict(x.attrs)
		p.write(">")
	case undefined:
		p.write("Undefined")
	case *function:
		p.write("<function " + x.name + ">")
	case *loop:
		p.write(fmt.Sprintf("<LoopContext %d/%d>", x.i+1, len(x.items)))
	default:
		p.write(scalar(v))
	}
}

func (p *printer) list(l *List) {
	open, end := "[", "]"
	if l.kind == listTuple {
		open, end = "(", ")"
		if len(l.items) == 1 {
			end = ",)"
		}
	}
	p.write(open)
	for i, v := range l.items {
		if i > 0 {
			p.write(", ")
		}
		p.repr(v)
	}
	p.write(end)
}

func (p *printer) dict(d *Dict) {
	p.write("{")
	for i := range d.keys {
		if i > 0 {
			p.write(", ")
		}
		p.repr(d.keys[i])
		p.write(": ")
		p.repr(d.vals[i])
	}
	p.write("}")
}

// strRepr quotes as Python does: single quotes unless only those occur inside.
func strRepr(s string) string {
	quote := byte('\'')
	if strings.IndexByte(s, '\'') >= 0 && strings.IndexByte(s, '"') < 0 {
		quote = '"'
	}
	var b strings.Builder
	b.WriteByte(quote)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == rune(quote), r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case n == 1 && r == utf8.RuneError, unicode.IsPrint(r):
			b.WriteString(s[i : i+n])
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += n
	}
	b.WriteByte(quote)
	return b.String()
}
