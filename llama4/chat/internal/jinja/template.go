package jinja

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Template is a parsed template. It is immutable and may be rendered concurrently.
type Template struct{ body block }

// Parse reads a template. The errors name the line.
func Parse(source string) (*Template, error) {
	toks, err := lex(source)
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks}
	body, _, err := p.body()
	if err != nil {
		return nil, err
	}
	return &Template{body}, nil
}

// Render runs the template over the variables and returns its text, marks included. It ends within its limits and when
// ctx does; a template error is returned with its line, and raise_exception as a [*RaisedError].
func (t *Template) Render(ctx context.Context, vars map[string]Value, lim Limits) (text string, err error) {
	if lim.Time <= 0 {
		lim.Time = defaultTime
	}
	if lim.Memory <= 0 {
		lim.Memory = defaultMemory
	}
	st := &state{
		ctx: ctx, limit: lim.Time, deadline: time.Now().Add(lim.Time),
		memory: lim.Memory, total: lim.Memory,
		out:   new(strings.Builder),
		scope: &scope{vars: vars, parent: globals},
	}
	st.scope = &scope{parent: st.scope}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal error in the template engine: %v", r)
		}
	}()
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := t.body.exec(st); err != nil {
		return "", err
	}
	return st.out.String(), nil
}

// RaisedError is what a template says by calling raise_exception.
type RaisedError struct{ Message string }

func (e *RaisedError) Error() string { return e.Message }

// lineError says where in the template an error arose.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }
func (e *lineError) Unwrap() error { return e.err }

// at adds a line to an error that has none yet.
func at(line int, err error) error {
	var le *lineError
	if err == nil || errors.As(err, &le) || errors.Is(err, errBreak) || errors.Is(err, errContinue) {
		return err
	}
	return &lineError{line, err}
}
