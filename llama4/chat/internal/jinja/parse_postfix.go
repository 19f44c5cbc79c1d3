package jinja

import (
	"errors"
	"fmt"
)

// postfix reads .name, [index] and (call).
func (p *parser) postfix(e expr) (expr, error) {
	var err error
	for err == nil {
		switch {
		case p.skipOp("."):
			t := p.next()
			switch t.kind {
			case tokName:
				e = &attrExpr{e, t.val}
			case tokInt:
				var i Value
				i, err = intValue(t.val)
				e = itemExpr{e, constant{i}}
			default:
				err = fmt.Errorf("expected a name or number after '.', got %s", describe(t))
			}
		case p.skipOp("["):
			e, err = p.subscript(e)
		case p.isOp("("):
			e, err = p.call(e)
		default:
			return e, nil
		}
	}
	return nil, err
}

func (p *parser) subscript(e expr) (expr, error) {
	var part [3]expr
	n, slice := 0, false
	for !p.skipOp("]") {
		if p.skipOp(":") {
			slice = true
			if n++; n > 2 {
				return nil, errors.New("a slice has at most three parts")
			}
			continue
		}
		if part[n] != nil {
			return nil, fmt.Errorf("expected ']', got %s", describe(p.cur()))
		}
		var err error
		if part[n], err = p.expression(true); err != nil {
			return nil, err
		}
	}
	switch {
	case slice:
		return sliceExpr{e, part}, nil
	case part[0] == nil:
		return nil, errors.New("expected an index between '[' and ']'")
	}
	return itemExpr{e, part[0]}, nil
}

func (p *parser) call(fn expr) (expr, error) {
	c := &call{fn: fn}
	var err error
	c.args, err = p.callArgs()
	return c, err
}

func (p *parser) callArgs() (argExprs, error) {
	var a argExprs
	if err := p.expectOp("("); err != nil {
		return a, err
	}
	for first := true; !p.skipOp(")"); first = false {
		if !first {
			if err := p.expectOp(","); err != nil {
				return a, err
			}
			if p.skipOp(")") {
				break
			}
		}
		if p.isOp("*") || p.isOp("**") {
			return a, errors.New("'*' and '**' arguments are not supported")
		}
		name := ""
		if p.cur().kind == tokName && p.peek().kind == tokOp && p.peek().val == "=" {
			name = p.next().val
			p.skip()
		} else if len(a.names) > 0 {
			return a, errors.New("a positional argument follows a keyword argument")
		}
		e, err := p.expression(true)
		if err != nil {
			return a, err
		}
		if name == "" {
			a.pos = append(a.pos, e)
		} else {
			a.names, a.named = append(a.names, name), append(a.named, e)
		}
	}
	return a, nil
}

// filters reads "| filter", "is test" and calls after an expression.
func (p *parser) filters(e expr) (expr, error) {
	var err error
	for err == nil {
		switch {
		case p.skipOp("|"):
			e, err = p.filter(e)
		case p.skipName("is"):
			e, err = p.test(e)
		case p.isOp("("):
			e, err = p.call(e)
		default:
			return e, nil
		}
	}
	return nil, err
}

func (p *parser) filter(e expr) (expr, error) {
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	f := filterExpr{in: e, name: name}
	if p.isOp("(") {
		f.args, err = p.callArgs()
	}
	return f, err
}

func (p *parser) test(e expr) (expr, error) {
	negated := p.skipName("not")
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	t := testExpr{in: e, name: name}
	cur := p.cur()
	switch {
	case p.isOp("("):
		t.args, err = p.callArgs()
	case p.isOp("["), p.isOp("{"), cur.kind == tokString, cur.kind == tokInt, cur.kind == tokFloat,
		cur.kind == tokName && indexOf([]string{"else", "or", "and", "if", "in", "not", "recursive"}, cur.val) < 0:
		if p.isName("is") {
			return nil, errors.New("tests can't be chained with 'is'")
		}
		var arg expr
		if arg, err = p.primary(); err == nil {
			arg, err = p.postfix(arg)
		}
		t.args.pos = []expr{arg}
	}
	if negated {
		return notExpr{t}, err
	}
	return t, err
}
