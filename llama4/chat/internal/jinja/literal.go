package jinja

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// number measures a numeric literal: decimal, 0x, 0o, 0b, with underscores, a fraction or an exponent.
func number(s string) (n int, kind tokenKind) {
	if len(s) > 2 && s[0] == '0' && strings.IndexByte("xXoObB", s[1]) >= 0 {
		n = 2
		for n < len(s) && (isHex(s[n]) || s[n] == '_') {
			n++
		}
		return n, tokInt
	}
	kind = tokInt
	n = digits(s)
	if n+1 < len(s) && s[n] == '.' && isDigit(s[n+1]) {
		n += 1 + digits(s[n+1:])
		kind = tokFloat
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		m := n + 1
		if m < len(s) && (s[m] == '+' || s[m] == '-') {
			m++
		}
		if m < len(s) && isDigit(s[m]) {
			return m + digits(s[m:]), tokFloat
		}
	}
	return n, kind
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

func digits(s string) int {
	n := 0
	for n < len(s) && (isDigit(s[n]) || s[n] == '_' && n+1 < len(s) && isDigit(s[n+1])) {
		n++
	}
	return n
}

// str reads a quoted string and emits its value.
func (lx *lexer) str(rest string) error {
	quote := rest[0]
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case quote:
			val, err := unescape(rest[1:i])
			if err != nil {
				return err
			}
			lx.emit(tokString, val)
			lx.advance(i + 1)
			return nil
		}
	}
	return fmt.Errorf("missing end of a string literal")
}

var simpleEscapes = map[byte]string{'\n': "", '\\': "\\", '\'': "'", '"': "\"", 'a': "\a", 'b': "\b", 'f': "\f",
	'n': "\n", 'r': "\r", 't': "\t", 'v': "\v"}

// unescape resolves backslashes as Python's unicode-escape does: unknown ones stay as they are.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if text, ok := simpleEscapes[s[i]]; ok {
			b.WriteString(text)
			continue
		}
		n := 0
		switch s[i] {
		case 'x':
			n = 2
		case 'u':
			n = 4
		case 'U':
			n = 8
		case 'N':
			return "", fmt.Errorf("\\N{...} in a string literal is not supported")
		case '0', '1', '2', '3', '4', '5', '6', '7':
			i += octal(s[i:], &b) - 1
			continue
		default:
			b.WriteByte('\\')
			b.WriteByte(s[i])
			continue
		}
		if i+n >= len(s) {
			return "", fmt.Errorf("truncated \\%c escape in a string literal", s[i])
		}
		code, err := strconv.ParseUint(s[i+1:i+1+n], 16, 32)
		if err != nil || code > utf8.MaxRune {
			return "", fmt.Errorf("invalid \\%c escape in a string literal", s[i])
		}
		b.WriteRune(rune(code))
		i += n
	}
	return b.String(), nil
}

// octal writes the character of up to three octal digits and returns how many there are.
func octal(s string, b *strings.Builder) int {
	n, code := 0, rune(0)
	for n < 3 && n < len(s) && s[n] >= '0' && s[n] <= '7' {
		code = code*8 + rune(s[n]-'0')
		n++
	}
	b.WriteRune(code)
	return n
}

// intValue parses an integer literal; Python's are unbounded.
func intValue(s string) (Value, error) {
	n, err := strconv.ParseInt(s, 0, 64)
	if len(s) > 1 && isDigit(s[1]) {
		n, err = strconv.ParseInt(s, 10, 64)
	}
	if err == nil {
		return n, nil
	}
	if strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0 {
		return BigInt(s), nil
	}
	return nil, fmt.Errorf("invalid number %s", s)
}
