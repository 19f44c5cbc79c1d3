package jinja

import (
	"strings"
	"unicode/utf8"
)

// The bytes F5 to FF occur in no UTF-8 text. Each stands for a character that starts, ends or shapes a special token.
const (
	markLow   = 0xF5
	markChars = "<|[{(#$@_~/" // of mark 0xFF, 0xFE, ... down to markLow
)

var markOf, charOf = markTables()

func markTables() (mark, char [256]byte) {
	for i := range 256 {
		char[i] = byte(i)
	}
	for i := range len(markChars) {
		m := byte(0xFF - i)
		mark[markChars[i]], char[m] = m, markChars[i]
	}
	return mark, char
}

// Protectable reports whether occurrences of the special token name can be protected: it holds one of the characters
// that have a mark.
func Protectable(name string) bool { return strings.ContainsAny(name, markChars) }

// Protect returns user text in which no special token can be read any more. It marks a character in every "<|", in a "<" at
// the end and a "|" at the start (which the text beside it might complete), in every occurrence of names, and in the
// beginning of a name at the end and the rest of one at the start. Invalid UTF-8 becomes U+FFFD.
func Protect(s string, names []string) string {
	p := protector{s: strings.ToValidUTF8(s, "\uFFFD")}
	p.each("<|", func(i int) { p.mark(i); p.mark(i + 1) })
	if strings.HasSuffix(p.s, "<") {
		p.mark(len(p.s) - 1)
	}
	if strings.HasPrefix(p.s, "|") {
		p.mark(0)
	}
	for _, name := range names {
		p.name(name)
	}
	if p.b == nil {
		return p.s
	}
	return string(p.b)
}

// protector marks characters of s in a copy b, made when the first one is marked.
type protector struct {
	s string
	b []byte
}

func (p *protector) mark(i int) {
	if p.b == nil {
		p.b = []byte(p.s)
	}
	p.b[i] = markOf[p.s[i]]
}

// each calls f at every place of sub, overlapping ones too.
func (p *protector) each(sub string, f func(i int)) {
	for i := 0; ; i++ {
		j := strings.Index(p.s[i:], sub)
		if j < 0 {
			return
		}
		i += j
		f(i)
	}
}

func (p *protector) name(name string) {
	at := strings.IndexAny(name, markChars)
	if at < 0 {
		return
	}
	p.each(name, func(i int) { p.mark(i + at) })
	for n := at + 1; n < len(name); n++ {
		if strings.HasSuffix(p.s, name[:n]) {
			p.mark(len(p.s) - n + at)
		}
	}
	for n := 1; n <= at; n++ {
		if strings.HasPrefix(p.s, name[n:]) {
			p.mark(at - n)
		}
	}
}

func isMark(b byte) bool { return b >= markLow }

// Unmark returns the text with every mark turned back into its character.
func Unmark(s string) string {
	for i := range len(s) {
		if isMark(s[i]) {
			b := []byte(s)
			for ; i < len(b); i++ {
				b[i] = charOf[b[i]]
			}
			return string(b)
		}
	}
	return s
}

// runes splits s into its characters as Python sees them; a mark is one character.
func runes(s string) []string {
	out := make([]string, 0, len(s))
	for len(s) > 0 {
		_, n := utf8.DecodeRuneInString(s)
		out, s = append(out, s[:n]), s[n:]
	}
	return out
}

// mapRunes applies f to every character; marks stay.
func mapRunes(s string, f func(r rune) rune) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if n == 1 && r == utf8.RuneError {
			b.WriteByte(s[i])
		} else {
			b.WriteRune(f(r))
		}
		i += n
	}
	return b.String()
}

// firstRune decodes the first character of s, reading a mark as what it stands for.
func firstRune(s string) rune {
	r, n := utf8.DecodeRuneInString(s)
	if n == 1 && r == utf8.RuneError {
		return rune(charOf[s[0]])
	}
	return r
}
