package jinja

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// format is Python's s % v for the conversions s r d i u f F e E g G x X o c and %.
func (st *state) format(s string, v Value) (Value, error) {
	f := formatter{st: st}
	f.positional, f.tuple = []Value{v}, false
	if l, ok := v.(*List); ok && l.kind == listTuple {
		f.positional, f.tuple = l.items, true
	}
	f.mapping, _ = v.(*Dict)
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:i])
		text, n, err := f.conversion(s[i+1:])
		if err != nil {
			return nil, err
		}
		if err := st.grow(i + len(text)); err != nil {
			return nil, err
		}
		b.WriteString(text)
		s = s[i+1+n:]
	}
	if f.next < len(f.positional) && (f.tuple || f.mapping == nil && !f.keyed) {
		if _, isList := v.(*List); !isList || f.tuple {
			return nil, errors.New("not all arguments converted during string formatting")
		}
	}
	return b.String(), st.grow(len(s))
}

type formatter struct {
	st         *state
	positional []Value
	next       int
	tuple      bool
	mapping    *Dict
	keyed      bool
}

func (f *formatter) arg() (Value, error) {
	if f.next >= len(f.positional) {
		return nil, errors.New("not enough arguments for format string")
	}
	f.next++
	return f.positional[f.next-1], nil
}

// conversion formats what stands after a "%" and returns how much of s it used.
func (f *formatter) conversion(s string) (text string, n int, err error) {
	var v Value
	haveArg := false
	if strings.HasPrefix(s, "(") {
		end := strings.IndexByte(s, ')')
		if end < 0 || f.mapping == nil {
			return "", 0, errors.New("format requires a mapping and a complete key")
		}
		var ok bool
		if v, ok = f.mapping.get(s[1:end]); !ok {
			return "", 0, fmt.Errorf("missing format key '%s'", s[1:end])
		}
		n, haveArg, f.keyed = end+1, true, true
	}
	start := n
	for n < len(s) && strings.IndexByte("#0- +", s[n]) >= 0 {
		n++
	}
	flags := s[start:n]
	width, m, err := f.count(s[n:])
	if err != nil {
		return "", 0, err
	}
	n += m
	precision := -1
	if n < len(s) && s[n] == '.' {
		if precision, m, err = f.count(s[n+1:]); err != nil {
			return "", 0, err
		}
		n += 1 + m
	}
	for n < len(s) && strings.IndexByte("hlL", s[n]) >= 0 {
		n++
	}
	if n >= len(s) {
		return "", 0, errors.New("incomplete format")
	}
	verb := s[n]
	n++
	if verb == '%' {
		return "%", n, nil
	}
	if !haveArg {
		if v, err = f.arg(); err != nil {
			return "", 0, err
		}
	}
	text, err = f.verb(verb, flags, precision, v)
	return fill(text, flags, width, verb), n, err
}

// count reads a width or precision: digits or "*".
func (f *formatter) count(s string) (value, n int, err error) {
	if strings.HasPrefix(s, "*") {
		v, err := f.arg()
		if err != nil {
			return 0, 0, err
		}
		w, ok := asInt(v)
		if !ok || w < 0 {
			return 0, 0, errors.New("* in a format wants an int that is not negative")
		}
		if w > maxFormat {
			return 0, 0, fmt.Errorf("%w: a format width is larger than %d", ErrLimit, maxFormat)
		}
		return int(w), 1, nil
	}
	for n < len(s) && isDigit(s[n]) {
		value = value*10 + int(s[n]-'0')
		n++
		if value > maxFormat {
			return 0, 0, fmt.Errorf("%w: a format width is larger than %d", ErrLimit, maxFormat)
		}
	}
	return value, n, nil
}

func (f *formatter) verb(verb byte, flags string, precision int, v Value) (string, error) {
	switch verb {
	case 's', 'r', 'a':
		s, err := f.st.str(v)
		if verb != 's' {
			p := printer{st: f.st}
			p.repr(v)
			s, err = p.b.String(), p.err
		}
		for i := range s { // the byte offset of character number precision
			if precision == 0 {
				s = s[:i]
				break
			}
			precision--
		}
		return s, err
	case 'c':
		if s, ok := v.(string); ok && utf8.RuneCountInString(s) == 1 {
			return s, nil
		}
		if n, ok := asInt(v); ok && n >= 0 && n <= utf8.MaxRune {
			return string(rune(n)), nil
		}
		return "", errors.New("%c requires an int or a single character")
	}
	var s string
	switch verb {
	case 'd', 'i', 'u', 'x', 'X', 'o':
		n, ok := asInt(v)
		if x, isFloat := v.(float64); isFloat && verb != 'x' && verb != 'X' && verb != 'o' {
			n, ok = int64(x), x > -1<<63 && x < 1<<63
		}
		if !ok {
			return "", fmt.Errorf("%%%c format: a number is required, not %s", verb, typeName(v))
		}
		s = intDigits(verb, flags, precision, n)
	case 'f', 'F', 'e', 'E', 'g', 'G':
		x, ok := asFloat(v)
		if !ok {
			return "", fmt.Errorf("must be a real number, not %s", typeName(v))
		}
		if precision < 0 {
			precision = 6
		}
		s = floatDigits(verb, precision, x)
	default:
		return "", fmt.Errorf("unsupported format character '%c'", verb)
	}
	switch {
	case s[0] == '-':
	case strings.Contains(flags, "+"):
		s = "+" + s
	case strings.Contains(flags, " "):
		s = " " + s
	}
	return s, nil
}

func intDigits(verb byte, flags string, precision int, n int64) string {
	base, prefix := 10, ""
	switch verb {
	case 'x', 'X':
		base, prefix = 16, "0x"
	case 'o':
		base, prefix = 8, "0o"
	}
	s := strconv.FormatInt(n, base)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	if len(s) < precision {
		s = strings.Repeat("0", precision-len(s)) + s
	}
	if strings.Contains(flags, "#") {
		s = prefix + s
	}
	if verb == 'X' {
		s = strings.ToUpper(s)
	}
	return sign + s
}

func floatDigits(verb byte, precision int, x float64) string {
	var s string
	switch verb | 0x20 {
	case 'f':
		s = strconv.FormatFloat(x, 'f', precision, 64)
	case 'e':
		s = strconv.FormatFloat(x, 'e', precision, 64)
	default: // C's %g drops trailing zeros, which Go's does only with its own precision rule
		s = fmt.Sprintf("%."+strconv.Itoa(max(precision, 1))+"g", x)
	}
	s = strings.TrimPrefix(strings.ToLower(s), "+")
	if verb < 'a' {
		s = strings.ToUpper(s)
	}
	return s
}

// fill pads a converted value to the width that the flags ask for.
func fill(s, flags string, width int, verb byte) string {
	n := width - utf8.RuneCountInString(s)
	switch {
	case n <= 0:
		return s
	case strings.Contains(flags, "-"):
		return s + strings.Repeat(" ", n)
	case strings.Contains(flags, "0") && verb != 's' && verb != 'r' && verb != 'c':
		sign := 0
		if s != "" && (s[0] == '-' || s[0] == '+' || s[0] == ' ') {
			sign = 1
		}
		return s[:sign] + strings.Repeat("0", n) + s[sign:]
	}
	return strings.Repeat(" ", n) + s
}

// formatMethod is str.format for {}, {0} and {name}; format specifications and attribute access are refused.
func formatMethod(st *state, s string, a args) (Value, error) {
	var b strings.Builder
	auto := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '{' && c != '}' {
			b.WriteByte(c)
			continue
		}
		if i+1 < len(s) && s[i+1] == c {
			b.WriteByte(c)
			i++
			continue
		}
		end := strings.IndexByte(s[i:], '}')
		if c == '}' || end < 0 {
			return nil, errors.New("single '" + string(rune(c)) + "' encountered in format string")
		}
		name := s[i+1 : i+end]
		if strings.ContainsAny(name, "!:.[") {
			return nil, fmt.Errorf("the format field '{%s}' is not supported", name)
		}
		v, err := formatField(a, name, &auto)
		if err != nil {
			return nil, err
		}
		text, err := st.str(v)
		if err != nil {
			return nil, err
		}
		if err := st.grow(len(text)); err != nil {
			return nil, err
		}
		b.WriteString(text)
		i += end
	}
	return b.String(), st.grow(len(s))
}

func formatField(a args, name string, auto *int) (Value, error) {
	if name != "" && !isDigit(name[0]) {
		if v, ok := a.kw(name); ok {
			return v, nil
		}
		return nil, fmt.Errorf("missing format key '%s'", name)
	}
	i := *auto
	if name == "" {
		*auto++
	} else {
		n, err := strconv.Atoi(name)
		if err != nil {
			return nil, fmt.Errorf("bad format field '{%s}'", name)
		}
		i = n
	}
	if i < 0 || i >= len(a.pos) {
		return nil, errors.New("a replacement index is out of range for the positional arguments")
	}
	return a.pos[i], nil
}
