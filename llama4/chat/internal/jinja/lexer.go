package jinja

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokText
	tokBlockBegin
	tokBlockEnd
	tokVarBegin
	tokVarEnd
	tokName
	tokString
	tokInt
	tokFloat
	tokOp
)

type token struct {
	kind tokenKind
	val  string
	line int
}

// lexer splits a source as jinja2.lexer does with trim_blocks and lstrip_blocks.
type lexer struct {
	src       string
	pos       int
	line      int
	lineStart bool // what was read last ended a line, so that what follows stands at a line's start
	toks      []token
}

func lex(src string) ([]token, error) {
	if len(src) > maxSource {
		return nil, fmt.Errorf("%w: the source has %d bytes, more than %d", ErrLimit, len(src), maxSource)
	}
	if !utf8.ValidString(src) {
		return nil, fmt.Errorf("the source is not valid UTF-8")
	}
	src = strings.ReplaceAll(strings.ReplaceAll(src, "\r\n", "\n"), "\r", "\n")
	lx := &lexer{src: strings.TrimSuffix(src, "\n"), line: 1, lineStart: true}
	for lx.pos < len(lx.src) {
		if err := lx.root(); err != nil {
			return nil, fmt.Errorf("line %d: %w", lx.line, err)
		}
	}
	lx.emit(tokEOF, "")
	return lx.toks, nil
}

func (lx *lexer) emit(kind tokenKind, val string) {
	lx.toks = append(lx.toks, token{kind, val, lx.line})
}

// advance moves past n bytes of source.
func (lx *lexer) advance(n int) {
	s := lx.src[lx.pos : lx.pos+n]
	lx.line += strings.Count(s, "\n")
	lx.pos += n
	if n > 0 {
		lx.lineStart = s[n-1] == '\n'
	}
}

// root reads literal text and the tag after it.
func (lx *lexer) root() error {
	rest := lx.src[lx.pos:]
	at, kind := nextTag(rest)
	if at < 0 {
		lx.emit(tokText, rest)
		lx.advance(len(rest))
		return nil
	}
	sign := signAt(rest, at+2)
	lx.text(rest[:at], sign, kind != '{')
	lx.advance(at)
	if kind == '%' {
		if n := matchWord(rest[at:], "raw", true); n > 0 {
			return lx.raw(n)
		}
	}
	lx.advance(2 + len(sign))
	switch kind {
	case '#':
		return lx.comment()
	case '{':
		return lx.tag(tokVarBegin, tokVarEnd, "}}")
	}
	return lx.tag(tokBlockBegin, tokBlockEnd, "%}")
}

// nextTag finds the next "{{", "{%" or "{#".
func nextTag(s string) (at int, kind byte) {
	for i := 0; ; i++ {
		j := strings.IndexByte(s[i:], '{')
		if j < 0 || i+j+1 >= len(s) {
			return -1, 0
		}
		i += j
		if c := s[i+1]; c == '{' || c == '%' || c == '#' {
			return i, c
		}
	}
}

// signAt returns the whitespace sign of a tag, "-", "+" or "".
func signAt(s string, i int) string {
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		return s[i : i+1]
	}
	return ""
}

// text emits literal text with the white space before a tag taken off as its sign and lstrip_blocks ask.
func (lx *lexer) text(s, sign string, strippable bool) {
	switch {
	case sign == "-":
		s = strings.TrimRightFunc(s, isSpace)
	case sign == "" && strippable:
		from := strings.LastIndexByte(s, '\n') + 1
		if (from > 0 || lx.lineStart) && strings.TrimLeftFunc(s[from:], isSpace) == "" {
			s = s[:from]
		}
	}
	if s != "" {
		lx.emit(tokText, s)
	}
}

// matchWord matches "{%" sign word closer at the start of s and returns its length, 0 if there is no match.
func matchWord(s, word string, begin bool) int {
	i := 2 + len(signAt(s, 2))
	i += spaces(s[i:])
	if !strings.HasPrefix(s[i:], word) {
		return 0
	}
	i += len(word)
	i += spaces(s[i:])
	switch {
	case strings.HasPrefix(s[i:], "-%}"):
		return i + 3 + spaces(s[i+3:])
	case strings.HasPrefix(s[i:], "+%}") && !begin:
		return i + 3
	case strings.HasPrefix(s[i:], "%}"):
		i += 2
		if !begin && strings.HasPrefix(s[i:], "\n") {
			i++
		}
		return i
	}
	return 0
}

func spaces(s string) int { return len(s) - len(strings.TrimLeftFunc(s, isSpace)) }

// raw reads up to endraw; n is the length of the opening tag.
func (lx *lexer) raw(n int) error {
	lx.advance(n)
	rest := lx.src[lx.pos:]
	for i := 0; ; i += 2 {
		j := strings.Index(rest[i:], "{%")
		if j < 0 {
			return fmt.Errorf("missing end of raw directive")
		}
		i += j
		if end := matchWord(rest[i:], "endraw", false); end > 0 {
			lx.text(rest[:i], signAt(rest, i+2), true)
			lx.advance(i + end)
			return nil
		}
	}
}

func (lx *lexer) comment() error {
	end := strings.Index(lx.src[lx.pos:], "#}")
	if end < 0 {
		return fmt.Errorf("missing end of comment tag")
	}
	body := lx.src[lx.pos : lx.pos+end]
	lx.advance(end + 2)
	switch {
	case strings.HasSuffix(body, "-"):
		lx.advance(spaces(lx.src[lx.pos:]))
	case !strings.HasSuffix(body, "+"):
		lx.trimNewline()
	}
	return nil
}

func (lx *lexer) trimNewline() {
	if strings.HasPrefix(lx.src[lx.pos:], "\n") {
		lx.advance(1)
	}
}

// tag reads the tokens of an expression or statement tag up to its closer.
func (lx *lexer) tag(begin, end tokenKind, closer string) error {
	lx.emit(begin, "")
	var brackets []byte
	for first := len(lx.toks); lx.pos < len(lx.src); {
		if len(lx.toks)-first > maxTag {
			return fmt.Errorf("%w: a tag has more than %d tokens", ErrLimit, maxTag)
		}
		rest := lx.src[lx.pos:]
		if len(brackets) == 0 && lx.closeTag(rest, end, closer) {
			return nil
		}
		if n := spaces(rest); n > 0 {
			lx.advance(n)
			continue
		}
		if err := lx.token(rest, &brackets); err != nil {
			return err
		}
	}
	return fmt.Errorf("unexpected end of template inside a tag")
}

func (lx *lexer) closeTag(rest string, end tokenKind, closer string) bool {
	switch {
	case strings.HasPrefix(rest, "-"+closer):
		lx.emit(end, "")
		lx.advance(3 + spaces(rest[3:]))
	case strings.HasPrefix(rest, "+"+closer) && end == tokBlockEnd:
		lx.emit(end, "")
		lx.advance(3)
	case strings.HasPrefix(rest, closer):
		lx.emit(end, "")
		lx.advance(2)
		if end == tokBlockEnd {
			lx.trimNewline()
		}
	default:
		return false
	}
	return true
}

var operators = []string{"**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}",
	">", "<", "=", ".", ":", "|", ",", ";"}

func (lx *lexer) token(rest string, brackets *[]byte) error {
	c := rest[0]
	switch {
	case c >= '0' && c <= '9':
		n, kind := number(rest)
		lx.emit(kind, strings.ReplaceAll(rest[:n], "_", ""))
		lx.advance(n)
		return nil
	case c == '"' || c == '\'':
		return lx.str(rest)
	}
	if n := nameLen(rest); n > 0 {
		lx.emit(tokName, rest[:n])
		lx.advance(n)
		return nil
	}
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			if err := balance(op, brackets); err != nil {
				return err
			}
			lx.emit(tokOp, op)
			lx.advance(len(op))
			return nil
		}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return fmt.Errorf("unexpected character %q", r)
}

func balance(op string, brackets *[]byte) error {
	switch op {
	case "(", "[", "{":
		if len(*brackets) >= maxNesting {
			return fmt.Errorf("%w: brackets nest deeper than %d", ErrLimit, maxNesting)
		}
		*brackets = append(*brackets, map[string]byte{"(": ')', "[": ']', "{": '}'}[op])
	case ")", "]", "}":
		n := len(*brackets)
		if n == 0 || (*brackets)[n-1] != op[0] {
			return fmt.Errorf("unexpected '%s'", op)
		}
		*brackets = (*brackets)[:n-1]
	}
	return nil
}

func nameLen(s string) int {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r)) {
			return i
		}
	}
	return len(s)
}

// isSpace is Python's str.isspace.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
