package jinja

import (
	"errors"
	"fmt"
	"strconv"
)

// tuple reads one expression, or several with commas as a tuple. Words in ends stop it.
func (p *parser) tuple(cond bool, ends ...string) (expr, error) {
	var items []expr
	for many := false; ; many = true {
		if p.tupleEnd(ends) {
			if len(items) == 0 {
				return nil, fmt.Errorf("expected an expression, got %s", describe(p.cur()))
			}
			return listExpr{kind: listTuple, items: items}, nil
		}
		e, err := p.expression(cond)
		if err != nil {
			return nil, err
		}
		items = append(items, e)
		if !p.skipOp(",") {
			if many {
				return listExpr{kind: listTuple, items: items}, nil
			}
			return e, nil
		}
	}
}

func (p *parser) tupleEnd(ends []string) bool {
	t := p.cur()
	return t.kind == tokVarEnd || t.kind == tokBlockEnd || p.isOp(")") || t.kind == tokName && indexOf(ends, t.val) >= 0
}

// expression reads an expression; cond allows "a if b else c".
func (p *parser) expression(cond bool) (expr, error) {
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	e, err := p.binary(0)
	for err == nil && cond && p.skipName("if") {
		c := condExpr{yes: e}
		if c.test, err = p.binary(0); err != nil {
			break
		}
		if p.skipName("else") {
			c.no, err = p.expression(true)
		}
		e = c
	}
	return e, err
}

// levels of binary operators, loosest first; "not" and comparisons stand between 1 and 2.
var levels = [][]string{{"or"}, {"and"}, {"not", "compare"}, {"+", "-"}, {"~"}, {"*", "/", "//", "%"}, {"**"}}

func (p *parser) binary(level int) (expr, error) {
	if level == len(levels) {
		return p.unary(true)
	}
	if level == 2 {
		return p.not()
	}
	left, err := p.binary(level + 1)
	for err == nil {
		t := p.cur()
		if t.kind != tokOp && t.kind != tokName || indexOf(levels[level], t.val) < 0 || (level < 2) != (t.kind == tokName) {
			return left, nil
		}
		p.skip()
		var right expr
		right, err = p.binary(level + 1)
		left = newBinary(t.val, left, right)
	}
	return nil, err
}

func (p *parser) not() (expr, error) {
	if !p.isName("not") {
		return p.compare()
	}
	p.skip()
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	e, err := p.not()
	return notExpr{e}, err
}

func (p *parser) compare() (expr, error) {
	first, err := p.binary(3)
	if err != nil {
		return nil, err
	}
	c := compareExpr{first: first}
	for {
		op := p.compareOp()
		if op == "" {
			break
		}
		e, err := p.binary(3)
		if err != nil {
			return nil, err
		}
		c.ops, c.rest = append(c.ops, op), append(c.rest, e)
	}
	if len(c.ops) == 0 {
		return first, nil
	}
	return c, nil
}

func (p *parser) compareOp() string {
	t := p.cur()
	switch {
	case t.kind == tokOp && indexOf([]string{"==", "!=", "<", "<=", ">", ">="}, t.val) >= 0, p.isName("in"):
		p.skip()
		return t.val
	case p.isName("not") && p.peek().kind == tokName && p.peek().val == "in":
		p.skip()
		p.skip()
		return "not in"
	}
	return ""
}

func (p *parser) unary(filters bool) (expr, error) {
	var e expr
	var err error
	switch {
	case p.isOp("-"), p.isOp("+"):
		if err = p.nest(); err != nil {
			return nil, err
		}
		defer func() { p.depth-- }()
		op := p.next().val
		if e, err = p.unary(false); err == nil {
			e = signExpr{e, op == "-"}
		}
	default:
		e, err = p.primary()
	}
	if err == nil {
		e, err = p.postfix(e)
	}
	if err == nil && filters {
		e, err = p.filters(e)
	}
	return e, err
}

func (p *parser) primary() (expr, error) {
	t := p.next()
	switch t.kind {
	case tokName:
		switch t.val {
		case "true", "True":
			return constant{true}, nil
		case "false", "False":
			return constant{false}, nil
		case "none", "None":
			return constant{nil}, nil
		}
		return nameExpr(t.val), nil
	case tokString:
		s := t.val
		for p.cur().kind == tokString {
			s += p.next().val
		}
		return constant{s}, nil
	case tokInt:
		v, err := intValue(t.val)
		return constant{v}, err
	case tokFloat:
		f, err := strconv.ParseFloat(t.val, 64)
		if errors.Is(err, strconv.ErrRange) {
			err = nil // Python reads 1e999 as inf
		}
		return constant{f}, err
	case tokOp:
		switch t.val {
		case "(":
			return p.parens()
		case "[":
			items, err := p.list("]")
			return listExpr{items: items}, err
		case "{":
			return p.dict()
		}
	}
	return nil, fmt.Errorf("unexpected %s", describe(t))
}

func (p *parser) parens() (expr, error) {
	if p.skipOp(")") {
		return listExpr{kind: listTuple}, nil
	}
	e, err := p.tuple(true)
	if err != nil {
		return nil, err
	}
	return e, p.expectOp(")")
}

func (p *parser) list(closer string) ([]expr, error) {
	var items []expr
	for !p.skipOp(closer) {
		if len(items) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
			if p.skipOp(closer) {
				break
			}
		}
		e, err := p.expression(true)
		if err != nil {
			return nil, err
		}
		items = append(items, e)
	}
	return items, nil
}

func (p *parser) dict() (expr, error) {
	var d dictExpr
	for !p.skipOp("}") {
		if len(d.keys) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
			if p.skipOp("}") {
				break
			}
		}
		k, err := p.expression(true)
		if err == nil {
			err = p.expectOp(":")
		}
		if err != nil {
			return nil, err
		}
		v, err := p.expression(true)
		if err != nil {
			return nil, err
		}
		d.keys, d.vals = append(d.keys, k), append(d.vals, v)
	}
	return d, nil
}
