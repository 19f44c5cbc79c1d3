package jinja

import (
	"errors"
	"fmt"
	"strings"
)

// parser builds the tree as jinja2.parser does.
type parser struct {
	toks  []token
	pos   int
	depth int
}

func (p *parser) cur() token  { return p.toks[p.pos] }
func (p *parser) next() token { t := p.toks[p.pos]; p.skip(); return t }

func (p *parser) skip() {
	if p.pos < len(p.toks)-1 {
		p.pos++
	}
}

func (p *parser) peek() token { return p.toks[min(p.pos+1, len(p.toks)-1)] }

func (p *parser) isOp(op string) bool     { t := p.cur(); return t.kind == tokOp && t.val == op }
func (p *parser) isName(name string) bool { t := p.cur(); return t.kind == tokName && t.val == name }

func (p *parser) skipOp(op string) bool {
	ok := p.isOp(op)
	if ok {
		p.skip()
	}
	return ok
}

func (p *parser) skipName(name string) bool {
	ok := p.isName(name)
	if ok {
		p.skip()
	}
	return ok
}

func (p *parser) expectOp(op string) error {
	if !p.skipOp(op) {
		return fmt.Errorf("expected '%s', got %s", op, describe(p.cur()))
	}
	return nil
}

func (p *parser) name() (string, error) {
	if p.cur().kind != tokName {
		return "", fmt.Errorf("expected a name, got %s", describe(p.cur()))
	}
	return p.next().val, nil
}

func (p *parser) endTag(kind tokenKind) error {
	if p.cur().kind != kind {
		return fmt.Errorf("expected the end of the tag, got %s", describe(p.cur()))
	}
	p.skip()
	return nil
}

func describe(t token) string {
	switch t.kind {
	case tokEOF:
		return "the end of the template"
	case tokVarEnd, tokBlockEnd:
		return "the end of the tag"
	case tokString:
		return "a string"
	}
	return "'" + t.val + "'"
}

// nest guards the parser's recursion; un-nest with p.depth--.
func (p *parser) nest() error {
	if p.depth >= maxNesting {
		return fmt.Errorf("%w: the template nests deeper than %d", ErrLimit, maxNesting)
	}
	p.depth++
	return nil
}

// body reads statements until a tag whose name is one of ends, and consumes that name.
func (p *parser) body(ends ...string) (block, string, error) {
	if err := p.nest(); err != nil {
		return nil, "", err
	}
	defer func() { p.depth-- }()
	var b block
	for {
		t := p.next()
		var s stmt
		var err error
		switch t.kind {
		case tokEOF:
			if len(ends) == 0 {
				return b, "", nil
			}
			return nil, "", at(t.line, fmt.Errorf("unexpected end of template, expected '%s'", strings.Join(ends, "' or '")))
		case tokText:
			s = text(t.val)
		case tokVarBegin:
			s, err = p.output()
		case tokBlockBegin:
			var word string
			if word, err = p.name(); err == nil {
				if indexOf(ends, word) >= 0 {
					return b, word, nil
				}
				s, err = p.statement(word)
			}
		default:
			err = fmt.Errorf("unexpected %s", describe(t))
		}
		if err != nil {
			return nil, "", at(t.line, err)
		}
		b = append(b, located{s, t.line})
	}
}

func (p *parser) output() (stmt, error) {
	e, err := p.tuple(true)
	if err != nil {
		return nil, err
	}
	return output{e}, p.endTag(tokVarEnd)
}

func (p *parser) statement(word string) (stmt, error) {
	switch word {
	case "if":
		return p.ifStmt()
	case "for":
		return p.forStmt()
	case "set":
		return p.setStmt()
	case "macro":
		return p.macroStmt()
	case "call":
		return p.callStmt()
	case "filter":
		return p.filterStmt()
	case "with":
		return p.withStmt()
	case "break":
		return jump{errBreak}, p.endTag(tokBlockEnd)
	case "continue":
		return jump{errContinue}, p.endTag(tokBlockEnd)
	case "generation":
		return p.generation()
	case "include", "import", "from", "extends":
		return nil, fmt.Errorf("'%s' is not allowed: a chat template has no access to files", word)
	}
	return nil, fmt.Errorf("unknown tag '%s'", word)
}

// tagBody ends the current tag and reads the body up to one of ends; closed says whether that tag has to end at once.
func (p *parser) tagBody(ends ...string) (block, string, error) {
	if err := p.endTag(tokBlockEnd); err != nil {
		return nil, "", err
	}
	return p.body(ends...)
}

func (p *parser) closed(end string) (block, error) {
	b, _, err := p.tagBody(end)
	if err != nil {
		return nil, err
	}
	return b, p.endTag(tokBlockEnd)
}

func (p *parser) generation() (stmt, error) {
	b, err := p.closed("endgeneration")
	return scoped{body: b}, err
}

func (p *parser) ifStmt() (stmt, error) {
	var s ifStmt
	for word := "if"; word == "if" || word == "elif"; {
		cond, err := p.tuple(false)
		if err != nil {
			return nil, err
		}
		var b block
		if b, word, err = p.tagBody("elif", "else", "endif"); err != nil {
			return nil, err
		}
		s.branches = append(s.branches, branch{cond, b})
		if word == "else" {
			s.otherwise, err = p.closed("endif")
			return s, err
		}
	}
	return s, p.endTag(tokBlockEnd)
}

func (p *parser) forStmt() (stmt, error) {
	var s forStmt
	var err error
	if s.target, err = p.targets("in"); err != nil {
		return nil, err
	}
	if !p.skipName("in") {
		return nil, fmt.Errorf("expected 'in', got %s", describe(p.cur()))
	}
	if s.iter, err = p.tuple(false, "recursive"); err != nil {
		return nil, err
	}
	if p.skipName("if") {
		if s.cond, err = p.expression(true); err != nil {
			return nil, err
		}
	}
	s.recursive = p.skipName("recursive")
	var end string
	if s.body, end, err = p.tagBody("endfor", "else"); err != nil {
		return nil, err
	}
	if end == "else" {
		s.otherwise, err = p.closed("endfor")
		return &s, err
	}
	return &s, p.endTag(tokBlockEnd)
}

// targets reads what an assignment or loop assigns to, up to a word or operator that ends it.
func (p *parser) targets(end string) (target, error) {
	var list []target
	for many := false; ; many = true {
		if p.isName(end) || p.isOp("=") || p.isOp(")") || p.cur().kind == tokBlockEnd {
			if len(list) == 0 {
				return nil, errors.New("expected a name to assign to")
			}
			return tupleTarget(list), nil
		}
		t, err := p.target(end)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
		if !p.skipOp(",") {
			if many {
				return tupleTarget(list), nil
			}
			return t, nil
		}
	}
}

func (p *parser) target(end string) (target, error) {
	if p.skipOp("(") {
		if err := p.nest(); err != nil {
			return nil, err
		}
		defer func() { p.depth-- }()
		t, err := p.targets(end)
		if err != nil {
			return nil, err
		}
		return t, p.expectOp(")")
	}
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	switch name {
	case "true", "false", "none", "True", "False", "None", "loop":
		return nil, fmt.Errorf("can't assign to '%s'", name)
	}
	if end == "" && p.skipOp(".") {
		attr, err := p.name()
		return attrTarget{name, attr}, err
	}
	return nameTarget(name), nil
}

func (p *parser) setStmt() (stmt, error) {
	t, err := p.targets("")
	if err != nil {
		return nil, err
	}
	if p.skipOp("=") {
		e, err := p.tuple(true)
		if err != nil {
			return nil, err
		}
		return setStmt{t, e}, p.endTag(tokBlockEnd)
	}
	var f expr
	in := captured{}
	if p.isOp("|") {
		if f, err = p.filters(in); err != nil {
			return nil, err
		}
	}
	b, err := p.closed("endset")
	return setBlock{target: t, body: b, filter: f}, err
}

func (p *parser) filterStmt() (stmt, error) {
	in := captured{}
	f, err := p.filter(in)
	if err == nil && p.isOp("|") {
		f, err = p.filters(f)
	}
	if err != nil {
		return nil, err
	}
	b, err := p.closed("endfilter")
	return filterBlock{body: b, filter: f}, err
}

func (p *parser) withStmt() (stmt, error) {
	var s scoped
	for p.cur().kind != tokBlockEnd {
		if len(s.targets) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
		}
		t, err := p.target("=")
		if err == nil {
			err = p.expectOp("=")
		}
		if err != nil {
			return nil, err
		}
		e, err := p.expression(true)
		if err != nil {
			return nil, err
		}
		s.targets, s.values = append(s.targets, t), append(s.values, e)
	}
	var err error
	s.body, err = p.closed("endwith")
	return s, err
}
