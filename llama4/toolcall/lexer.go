package toolcall

import (
	"strings"
	"unicode"
)

type lexState uint8

const (
	lBetween lexState = iota
	lWord
	lOpen1  // after a quote: an empty string, three quotes, or a string
	lOpen2  // after two quotes
	lString // within a string
	lEscape // after a backslash
	lHex    // in \x, \u or \U
	lOctal  // in \123
	lRaw    // after a backslash of a raw string
	lClosed // after a string, which one beside it would continue
)

// lexer is where the tokens of a form are cut.
type lexer struct {
	state  lexState
	word   []byte
	quote  rune
	triple bool
	raw    bool
	ends   int // quotes in a row that may end a triple-quoted string
	code   rune
	digits int // of code, still to come
}

// tokenStarts reports whether what comes next is not the rest of a token. The characters of a value are each a token.
func (f *form) tokenStarts() bool {
	switch f.lexer.state {
	case lBetween:
		return true
	case lString, lClosed:
		return f.args.inString && f.lexer.ends == 0
	}
	return false
}

// step takes a character. It returns false where no form goes on like this.
func (f *form) step(r rune) bool {
	l := &f.lexer
	switch l.state {
	case lWord:
		return f.inWord(r)
	case lOpen1:
		if r == l.quote {
			l.state = lOpen2
			return true
		}
		l.state = lString
		return f.inString(r)
	case lOpen2:
		if r == l.quote {
			l.triple = true
			l.state = lString
			return true
		}
		l.state = lClosed
		return f.step(r)
	case lString:
		return f.inString(r)
	case lEscape:
		return f.escape(r)
	case lHex:
		return f.hex(r)
	case lOctal:
		return f.octal(r)
	case lRaw:
		l.state = lString
		f.char('\\')
		f.char(r)
		return true
	case lClosed:
		return f.afterString(r)
	}
	return f.between(r)
}

// between takes a character between two tokens.
func (f *form) between(r rune) bool {
	switch {
	case r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == '\f':
		return true
	case r == '"' || r == '\'':
		return f.openString() && f.quoted(r, false)
	case isWord(r):
		f.lexer.state = lWord
		f.lexer.word = append(f.lexer.word[:0], string(r)...)
		return true
	}
	return f.punct(r)
}

// quoted starts a string or a further part of one.
func (f *form) quoted(quote rune, raw bool) bool {
	f.lexer.state = lOpen1
	f.lexer.quote, f.lexer.raw, f.lexer.triple, f.lexer.ends = quote, raw, false, 0
	return true
}

func isWord(r rune) bool {
	return r == '_' || r == '.' || r == '+' || r == '-' ||
		r != unicode.ReplacementChar && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r))
}

func (f *form) inWord(r rune) bool {
	l := &f.lexer
	if isWord(r) {
		l.word = append(l.word, string(r)...)
		return len(l.word) <= maxWord
	}
	l.state = lBetween
	word := string(l.word)
	if r != '"' && r != '\'' {
		return f.word(word) && f.between(r)
	}
	raw := word == "r" || word == "R"
	return (raw || word == "u" || word == "U") && f.openString() && f.quoted(r, raw)
}

// inString takes a character of a string.
func (f *form) inString(r rune) bool {
	l := &f.lexer
	if l.triple && r == l.quote {
		l.ends++
		if l.ends == 3 {
			l.ends = 0
			l.state = lClosed
		}
		return true
	}
	for ; l.ends > 0; l.ends-- {
		f.char(l.quote)
	}
	switch {
	case r == l.quote:
		l.state = lClosed
	case r == '\\' && l.raw:
		l.state = lRaw
	case r == '\\':
		l.state = lEscape
	case r == '\n' && !l.triple && !f.lineAllowed():
		return false
	default:
		f.char(r)
	}
	return true
}

// afterString takes a character after a string: another string continues it.
func (f *form) afterString(r rune) bool {
	switch r {
	case ' ', '\t', '\n', '\r', '\f':
		return true
	case '"', '\'':
		return f.quoted(r, false)
	}
	f.lexer.state = lBetween
	return f.closeString() && f.between(r)
}

// escapes are characters after a backslash, and stands what they stand for.
const (
	escapes = `ntrbfav\'"`
	stands  = "\n\t\r\b\f\a\v\\'\""
)

// escape takes the character after a backslash.
func (f *form) escape(r rune) bool {
	l := &f.lexer
	l.state, l.code = lString, 0
	at := strings.IndexRune(escapes, r)
	switch {
	case at >= 0:
		f.char(rune(stands[at]))
	case r == '/' && f.python.given == nil: // JSON's, not Python's
		f.char('/')
	case r == '\n':
	case r >= '0' && r <= '7':
		l.state, l.code, l.digits = lOctal, r-'0', 2
	case r == 'x':
		l.state, l.digits = lHex, 2
	case r == 'u':
		l.state, l.digits = lHex, 4
	case r == 'U':
		l.state, l.digits = lHex, 8
	case r == 'N':
		return false // names of characters
	default:
		f.char('\\')
		f.char(r)
	}
	return true
}

// hex takes a digit of \x, \u or \U.
func (f *form) hex(r rune) bool {
	l := &f.lexer
	var d rune
	switch {
	case r >= '0' && r <= '9':
		d = r - '0'
	case r|0x20 >= 'a' && r|0x20 <= 'f':
		d = r | 0x20 - 'a' + 10
	default:
		return false
	}
	l.code = l.code<<4 | d
	l.digits--
	if l.code > unicode.MaxRune {
		return false
	}
	if l.digits == 0 {
		l.state = lString
		f.char(l.code)
	}
	return true
}

// octal takes what follows a digit of \123.
func (f *form) octal(r rune) bool {
	l := &f.lexer
	if r < '0' || r > '7' || l.digits == 0 {
		l.state = lString
		f.char(l.code)
		return f.inString(r)
	}
	l.code = l.code<<3 | (r - '0')
	l.digits--
	return true
}
