package grammar

import (
	"strconv"
	"unicode/utf8"
)

func (p *gbnfParser) literal() (expr, error) {
	start := p.pos
	p.pos++
	var text []byte
	for {
		if c := p.peek(); p.pos >= len(p.src) || c == '\n' || c == '\r' {
			return nil, p.errorAt(start, "the literal has no closing quote on its line")
		}
		if p.take('"') {
			return literal(text), nil
		}
		r, err := p.char()
		if err != nil {
			return nil, err
		}
		text = utf8.AppendRune(text, r)
	}
}

func (p *gbnfParser) class() (expr, error) {
	start := p.pos
	p.pos++
	negated := p.take('^')
	var ranges []runeRange
	for !p.take(']') {
		if c := p.peek(); p.pos >= len(p.src) || c == '\n' || c == '\r' {
			return nil, p.errorAt(start, "the class has no closing ] on its line")
		}
		from := p.pos
		lo, err := p.char()
		if err != nil {
			return nil, err
		}
		hi := lo
		if p.peek() == '-' && p.pos+1 < len(p.src) && p.src[p.pos+1] != ']' {
			p.pos++
			if hi, err = p.char(); err != nil {
				return nil, err
			}
		}
		if hi < lo {
			return nil, p.errorAt(from, "the range %q ends before it starts", p.src[from:p.pos])
		}
		ranges = append(ranges, runeRange{lo, hi})
	}
	c := newClass(ranges...)
	if negated {
		c = c.negate()
	}
	if len(c) == 0 {
		return nil, p.errorAt(start, "no character is in the class %s", p.src[start:p.pos])
	}
	return c, nil
}

// char reads a character or an escape.
func (p *gbnfParser) char() (rune, error) {
	start := p.pos
	r, size := utf8.DecodeRuneInString(p.src[p.pos:])
	p.pos += size
	if r != '\\' {
		return r, nil
	}
	c := p.peek()
	p.pos++
	switch c {
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case '"', '\\', '[', ']', '-', '^':
		return rune(c), nil
	case 'x':
		return p.hex(start, 2)
	case 'u':
		return p.hex(start, 4)
	case 'U':
		return p.hex(start, 8)
	}
	return 0, p.errorAt(start, `unknown escape, want \n \r \t \" \\ \[ \] \- \^ \xNN \uNNNN or \UNNNNNNNN`)
}

func (p *gbnfParser) hex(start, digits int) (rune, error) {
	if len(p.src)-p.pos < digits {
		return 0, p.errorAt(start, "the escape ends early, want %d hexadecimal digits", digits)
	}
	n, err := strconv.ParseUint(p.src[p.pos:p.pos+digits], 16, 32)
	if err != nil {
		return 0, p.errorAt(start, "want %d hexadecimal digits in the escape", digits)
	}
	p.pos += digits
	if n > utf8.MaxRune || n >= surrogateMin && n <= surrogateMax {
		return 0, p.errorAt(start, "the escape is no character")
	}
	return rune(n), nil
}

// repetitions reads what follows an item: *, +, ?, {m}, {m,} and {m,n}.
func (p *gbnfParser) repetitions(x expr, lines bool) (expr, error) {
	for n := 0; ; n++ {
		start := p.pos
		switch {
		case p.take('*'):
			x = repeat{x, 0, -1}
		case p.take('+'):
			x = repeat{x, 1, -1}
		case p.take('?'):
			x = optional(x)
		case p.take('{'):
			r, err := p.bounds()
			if err != nil {
				return nil, err
			}
			r.x = x
			x = r
		default:
			return x, nil
		}
		if n >= maxNesting {
			return nil, p.errorAt(start, "more than %d repetitions of one another", maxNesting)
		}
		p.space(lines)
	}
}

func (p *gbnfParser) bounds() (repeat, error) {
	start := p.pos - 1
	var r repeat
	var err error
	p.space(false)
	if r.min, err = p.count(); err != nil {
		return r, err
	}
	r.max = r.min
	p.space(false)
	if p.take(',') {
		r.max = -1
		p.space(false)
		if p.peek() != '}' {
			if r.max, err = p.count(); err != nil {
				return r, err
			}
			p.space(false)
		}
	}
	if !p.take('}') {
		return r, p.errorAt(p.pos, "found %s, want } after a repetition", p.found())
	}
	if r.max >= 0 && r.max < r.min {
		return r, p.errorAt(start, "the repetition has a maximum of %d below its minimum of %d", r.max, r.min)
	}
	return r, nil
}

func (p *gbnfParser) count() (int, error) {
	start := p.pos
	for p.peek() >= '0' && p.peek() <= '9' {
		p.pos++
	}
	if start == p.pos {
		return 0, p.errorAt(start, "found %s, want a number of repetitions", p.found())
	}
	n, err := strconv.Atoi(p.src[start:p.pos])
	if err != nil || n > maxRepeat {
		return 0, p.errorAt(start, "%s repetitions are more than %d", p.src[start:p.pos], maxRepeat)
	}
	return n, nil
}
