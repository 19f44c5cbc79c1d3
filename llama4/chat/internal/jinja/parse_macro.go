package jinja

import (
	"errors"
	"fmt"
)

func (p *parser) macroStmt() (stmt, error) {
	m := &macro{}
	var err error
	if m.name, err = p.name(); err != nil {
		return nil, err
	}
	if err = p.signature(m); err != nil {
		return nil, err
	}
	m.body, err = p.closed("endmacro")
	return macroStmt{m}, err
}

// signature reads "(a, b=1)".
func (p *parser) signature(m *macro) error {
	if err := p.expectOp("("); err != nil {
		return err
	}
	for !p.skipOp(")") {
		if len(m.params) > 0 {
			if err := p.expectOp(","); err != nil {
				return err
			}
			if p.skipOp(")") {
				return nil
			}
		}
		name, err := p.name()
		if err != nil {
			return err
		}
		var def expr
		if p.skipOp("=") {
			if def, err = p.expression(true); err != nil {
				return err
			}
		} else if n := len(m.defaults); n > 0 && m.defaults[n-1] != nil {
			return fmt.Errorf("parameter '%s' without a default follows one with a default", name)
		}
		m.params, m.defaults = append(m.params, name), append(m.defaults, def)
	}
	return nil
}

func (p *parser) callStmt() (stmt, error) {
	m := &macro{name: "caller"}
	if p.isOp("(") {
		if err := p.signature(m); err != nil {
			return nil, err
		}
	}
	e, err := p.expression(true)
	if err != nil {
		return nil, err
	}
	c, ok := e.(*call)
	if !ok {
		return nil, errors.New("expected a call after 'call'")
	}
	m.body, err = p.closed("endcall")
	return callStmt{c, m}, err
}
