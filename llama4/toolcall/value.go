package toolcall

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// valuePunct takes punctuation in or before a value.
func (f *form) valuePunct(r rune) bool {
	t := f.top()
	switch r {
	case '[':
		return f.openBracket(kList)
	case '{':
		return f.openBracket(kDict)
	case '(':
		return f.openBracket(kParen)
	case ':':
		if t.kind != kDict || t.state != sColon {
			return false
		}
		f.args.byte(':')
		t.state = sValue
		return true
	case ',':
		if t.kind == kParams || t.state != sAfter {
			return false
		}
		t.state = sItem
		if t.kind == kParen && !t.tuple {
			f.args.tuple(t)
		}
		return true
	}
	return f.closeBracket(r)
}

// openBracket starts a list, a dictionary or a paren as a value.
func (f *form) openBracket(k kind) bool {
	if !f.openValue() || !f.push(k) {
		return false
	}
	switch k {
	case kList:
		f.args.byte('[')
	case kDict:
		f.args.byte('{')
	case kParen:
		f.args.parens++
	}
	f.args.mark()
	return true
}

// closeBracket ends a value in brackets.
func (f *form) closeBracket(r rune) bool {
	t := f.top()
	if t.state != sAfter && t.state != sItem {
		return false
	}
	switch {
	case r == ']' && t.kind == kList:
		f.args.byte(']')
	case r == '}' && t.kind == kDict:
		f.args.byte('}')
	case r == ')' && t.kind == kParen:
		if t.n == 0 {
			f.args.tuple(t)
		}
		if t.tuple {
			f.args.byte(']')
		} else {
			f.args.parens--
		}
	default:
		return false
	}
	f.pop()
	return true
}

// openValue checks that a value may come, and writes what stands before it.
func (f *form) openValue() bool {
	t := f.top()
	switch t.kind {
	case kParams:
		if t.state != sItem && t.state != sValue || !f.openParam() {
			return false
		}
	case kDict:
		if t.state != sValue {
			return false
		}
	case kList, kParen:
		if t.state != sItem {
			return false
		}
		f.comma()
	default:
		return false
	}
	return true
}

// closeValue notes that a value is over.
func (f *form) closeValue() {
	f.top().state = sAfter
	f.args.mark()
}

// openKey writes what stands before a key, and its quote.
func (f *form) openKey() {
	f.comma()
	f.args.byte('"')
}

// comma counts an element and writes the comma before all but the first.
func (f *form) comma() {
	t := f.top()
	if t.n > 0 {
		f.args.byte(',')
	}
	t.n++
}

// closers returns what closes the arguments in their last place where that is possible.
func (f *form) closers() string {
	var b []byte
	if f.args.inString && f.args.quote < f.args.safe {
		b = append(b, '"')
	}
	for _, t := range slices.Backward(f.stack) {
		if t.at >= f.args.safe {
			continue
		}
		switch {
		case t.kind == kList || t.kind == kParen && t.tuple:
			b = append(b, ']')
		case t.kind == kDict || t.kind == kParams:
			b = append(b, '}')
		}
	}
	return string(b)
}

// arguments collects the JSON of the arguments. Places in it count from its start, whatever was taken.
type arguments struct {
	off      bool // of a foreign value nothing is kept
	buf      []byte
	taken    int
	safe     int // up to here it can be told: the brackets and quotes open there are all that is missing
	parens   int // parens that may yet turn out to be tuples
	inString bool
	quote    int // where the string being read began
}

func (a *arguments) len() int { return a.taken + len(a.buf) }

func (a *arguments) byte(c byte) {
	if !a.off {
		a.buf = append(a.buf, c)
	}
}

func (a *arguments) text(s string) {
	if !a.off {
		a.buf = append(a.buf, s...)
	}
}

// openString starts a string that is a value.
func (a *arguments) openString() {
	a.inString, a.quote = true, a.len()
	a.byte('"')
	a.mark()
}

// mark notes that all so far can be told.
func (a *arguments) mark() {
	if a.parens == 0 && !a.off {
		a.safe = a.len()
	}
}

// take returns what can be told and was not taken yet.
func (a *arguments) take() []byte {
	n := a.safe - a.taken
	if n <= 0 {
		return nil
	}
	out := slices.Clone(a.buf[:n])
	a.buf = a.buf[:copy(a.buf, a.buf[n:])]
	a.taken = a.safe
	return out
}

// tuple turns a paren into a list.
func (a *arguments) tuple(t *frame) {
	t.tuple = true
	a.parens--
	if !a.off {
		a.buf = slices.Insert(a.buf, t.at-a.taken, '[')
	}
	a.mark()
}

// char writes a character of a string. Surrogates are written as escapes, so that two of them make a character.
func (a *arguments) char(r rune) {
	switch {
	case r == '"' || r == '\\':
		a.buf = append(a.buf, '\\', byte(r))
	case r == '\n':
		a.text(`\n`)
	case r == '\t':
		a.text(`\t`)
	case r == '\r':
		a.text(`\r`)
	case r < ' ' || r >= 0xD800 && r < 0xE000:
		a.buf = fmt.Appendf(a.buf, `\u%04x`, r)
	default:
		a.buf = utf8.AppendRune(a.buf, r)
	}
}
