package grammar

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ParseGBNF reads a grammar in the notation of llama.cpp:
//
//	# a list
//	root ::= item+
//	item ::= "- " [^\n]{1,80} "\n"
//
// A rule is a name, ::=, and alternatives apart by |. They are made of literals
// "...", classes of characters [a-z_] and [^...], any character ., names of rules
// and groups (...), and each of these may be followed by *, +, ?, {m}, {m,} or
// {m,n}. Escapes are \n \r \t \" \\ \[ \] \- \^ and \xNN, \uNNNN, \UNNNNNNNN, all
// three of which stand for the character of that number. A rule ends with the
// line, except within a group, after ::= and around |; comments start with #.
// Texts start with root.
//
// Errors begin with line and column. Rules that are left-recursive are refused,
// as llama.cpp does, and so are rules that are defined twice or not at all.
func ParseGBNF(source string) (*Grammar, error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("the grammar has %d bytes, more than %d", len(source), maxSource)
	}
	p := &gbnfParser{src: source, byName: map[string]ref{}, used: map[ref]int{}, defined: map[ref]int{}}
	if err := p.parse(); err != nil {
		return nil, err
	}
	root, ok := p.byName["root"]
	if !ok {
		return nil, p.errorAt(len(source), `there is no rule "root"`)
	}
	g, err := compile(&p.rules, root)
	if err != nil {
		return nil, fmt.Errorf("grammar: %w", err)
	}
	return g, nil
}

type gbnfParser struct {
	src     string
	pos     int
	depth   int // of groups
	rules   ruleSet
	byName  map[string]ref
	used    map[ref]int // where a rule is first named
	defined map[ref]int // where a rule is defined
}

// errorAt returns an error with the line and column, in characters, of a place.
func (p *gbnfParser) errorAt(pos int, format string, args ...any) error {
	return fmt.Errorf("%s: %s", p.place(pos), fmt.Sprintf(format, args...))
}

func (p *gbnfParser) place(pos int) string {
	before := p.src[:pos]
	line := strings.LastIndexByte(before, '\n') + 1
	return fmt.Sprintf("line %d, column %d", strings.Count(before, "\n")+1, utf8.RuneCountInString(before[line:])+1)
}

func (p *gbnfParser) parse() error {
	for i, r := range p.src {
		if _, size := utf8.DecodeRuneInString(p.src[i:]); r == utf8.RuneError && size == 1 {
			return p.errorAt(i, "the grammar is not valid UTF-8")
		}
	}
	p.space(true)
	for p.pos < len(p.src) {
		if err := p.rule(); err != nil {
			return err
		}
		p.space(true)
	}
	for i, name := range p.rules.names {
		if _, ok := p.defined[ref(i)]; !ok {
			return p.errorAt(p.used[ref(i)], "rule %q is not defined", name)
		}
	}
	return nil
}

// space skips white space and comments, and with lines the ends of lines.
func (p *gbnfParser) space(lines bool) {
	for p.pos < len(p.src) {
		switch c := p.src[p.pos]; {
		case c == ' ' || c == '\t' || lines && (c == '\n' || c == '\r'):
			p.pos++
		case c == '#':
			for p.pos < len(p.src) && p.src[p.pos] != '\n' && p.src[p.pos] != '\r' {
				p.pos++
			}
		default:
			return
		}
	}
}

// peek returns the next byte, 0 at the end.
func (p *gbnfParser) peek() byte {
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

func (p *gbnfParser) take(c byte) bool {
	if p.pos < len(p.src) && p.src[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

// found describes the next character for an error.
func (p *gbnfParser) found() string {
	if p.pos >= len(p.src) {
		return "the end"
	}
	r, _ := utf8.DecodeRuneInString(p.src[p.pos:])
	if r == '\n' || r == '\r' {
		return "the end of the line"
	}
	return fmt.Sprintf("%q", string(r))
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

func (p *gbnfParser) name() (ref, string, bool) {
	start := p.pos
	for p.pos < len(p.src) && isNameByte(p.src[p.pos]) {
		p.pos++
	}
	name := p.src[start:p.pos]
	if name == "" {
		return 0, "", false
	}
	r, ok := p.byName[name]
	if !ok {
		r = p.rules.add(name, nil)
		p.byName[name] = r
		p.used[r] = start
	}
	return r, name, true
}

func (p *gbnfParser) rule() error {
	start := p.pos
	r, name, ok := p.name()
	if !ok {
		return p.errorAt(p.pos, "found %s, want the name of a rule", p.found())
	}
	if at, ok := p.defined[r]; ok {
		return p.errorAt(start, "rule %q is defined already, at %s", name, p.place(at))
	}
	p.defined[r] = start
	p.space(false)
	if len(p.src)-p.pos < 3 || p.src[p.pos:p.pos+3] != "::=" {
		return p.errorAt(p.pos, "found %s, want ::= after the name of rule %q", p.found(), name)
	}
	p.pos += 3
	p.space(true)
	x, err := p.alternatives(false)
	if err != nil {
		return err
	}
	p.rules.exprs[r] = x
	if c := p.peek(); p.pos < len(p.src) && c != '\n' && c != '\r' {
		return p.errorAt(p.pos, "found %s, want the end of the line after rule %q", p.found(), name)
	}
	return nil
}

func (p *gbnfParser) alternatives(lines bool) (expr, error) {
	var all choice
	for {
		x, err := p.sequence(lines)
		if err != nil {
			return nil, err
		}
		all = append(all, x)
		end := p.pos
		p.space(true) // a line may begin with |
		if !p.take('|') {
			p.pos = end
			break
		}
		p.space(true)
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return all, nil
}

func (p *gbnfParser) sequence(lines bool) (expr, error) {
	var seq sequence
	for {
		x, err := p.item()
		if err != nil {
			return nil, err
		}
		if x == nil {
			break
		}
		p.space(lines)
		x, err = p.repetitions(x, lines)
		if err != nil {
			return nil, err
		}
		seq = append(seq, x)
	}
	if len(seq) == 1 {
		return seq[0], nil
	}
	return seq, nil
}

// item reads what can be repeated. It returns nil where there is none.
func (p *gbnfParser) item() (expr, error) {
	start := p.pos
	switch c := p.peek(); {
	case c == '"':
		return p.literal()
	case c == '[':
		return p.class()
	case c == '.':
		p.pos++
		return anyRune, nil
	case c == '(':
		p.pos++
		if p.depth++; p.depth > maxNesting {
			return nil, p.errorAt(start, "groups are nested more than %d times", maxNesting)
		}
		p.space(true)
		x, err := p.alternatives(true)
		if err != nil {
			return nil, err
		}
		if !p.take(')') {
			return nil, p.errorAt(p.pos, "found %s, want ) for the ( at %s", p.found(), p.place(start))
		}
		p.depth--
		return x, nil
	case c == '*' || c == '+' || c == '?' || c == '{':
		return nil, p.errorAt(start, "there is nothing before %q to repeat", string(c))
	case isNameByte(c):
		r, _, _ := p.name()
		return r, nil
	}
	return nil, nil
}
