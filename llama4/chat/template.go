package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/llama4go/llama4go/llama4/chat/internal/jinja"
)

// ErrLimit is wrapped by the error of a render that ran too long, created too much or recursed too deeply, and of a
// template source that is too large or too deeply nested.
var ErrLimit = jinja.ErrLimit

// RaisedError is the error of a template that refuses its input by raise_exception; Message is what it says.
type RaisedError = jinja.RaisedError

// Options are the surroundings of a template. The zero value serves a template that needs none.
type Options struct {
	// Tokens are the special tokens that the template may write by name, such as bos_token and eos_token.
	Tokens map[string]string
	// Special lists the names of special tokens that are not of the form <|name|>.
	Special []string
	// TimeLimit bounds one render; 0 means two seconds.
	TimeLimit time.Duration
}

// Template is a parsed chat template. It may be used by several goroutines at once.
type Template struct {
	jinja  *jinja.Template
	tokens map[string]string
	names  []string // special tokens of other forms than <|name|>, longest first
	limit  time.Duration
}

// Parse reads a template from its source.
func Parse(source string, opts Options) (*Template, error) {
	j, err := jinja.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	t := &Template{jinja: j, tokens: make(map[string]string, len(opts.Tokens)), limit: opts.TimeLimit}
	names := slices.Clone(opts.Special)
	for name, tok := range opts.Tokens {
		t.tokens[name] = strings.ToValidUTF8(tok, "\uFFFD")
		names = append(names, tok)
	}
	for _, n := range names {
		if n != "" && !isDelimited(n) && jinja.Protectable(n) && !slices.Contains(t.names, n) {
			t.names = append(t.names, n)
		}
	}
	slices.SortFunc(t.names, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return t, nil
}

// Token returns the special token that the template knows under a name such as "bos_token", or "".
func (t *Template) Token(name string) string { return t.tokens[name] }

// Input is what a template is rendered with.
type Input struct {
	Messages []Message
	// Tools is a JSON list of tool descriptions; the order of their keys is kept. Nil and null mean none.
	Tools json.RawMessage
	// AddGenerationPrompt asks for the header of the answer at the end.
	AddGenerationPrompt bool
	// DateString sets the variable date_string, if not empty.
	DateString string
	// Now is the clock of strftime_now; time.Now if nil.
	Now func() time.Time
	// Extra are more variables: JSON values, or anything that encoding/json writes.
	Extra map[string]any
}

// Render runs the template. It fails if there are no messages, if the template uses what is not there, refuses the input
// ([RaisedError]) or exceeds its limits ([ErrLimit]), and when ctx ends.
func (t *Template) Render(ctx context.Context, in Input) (*Prompt, error) {
	if len(in.Messages) == 0 {
		return nil, errors.New("chat template: no messages")
	}
	c := converter{names: t.names}
	vars, err := c.vars(in)
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	for name, tok := range t.tokens {
		if _, ok := vars[name]; !ok {
			vars[name] = tok
		}
	}
	// Templates that pile up text in a variable copy it once a message, so the allowance grows with the input.
	limits := jinja.Limits{Time: t.limit, Memory: baseMemory + 64*int64(c.size)}
	text, err := t.jinja.Render(ctx, vars, limits)
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	return &Prompt{marked: text, names: t.names, bos: t.tokens["bos_token"]}, nil
}

const baseMemory = 256 << 20

// converter makes template values of the input, with special tokens protected in every string.
type converter struct {
	names []string
	size  int
}

func (c *converter) text(s string) string {
	c.size += len(s)
	return jinja.Protect(s, c.names)
}

func (c *converter) json(raw json.RawMessage) (jinja.Value, error) {
	return jinja.DecodeJSON(raw, c.text)
}

func (c *converter) vars(in Input) (map[string]jinja.Value, error) {
	msgs, err := c.messages(in.Messages)
	if err != nil {
		return nil, err
	}
	vars := map[string]jinja.Value{
		"messages": msgs, "tools": nil, "documents": nil, "add_generation_prompt": in.AddGenerationPrompt,
		"strftime_now": clock(in.Now),
	}
	if len(in.Tools) > 0 {
		if vars["tools"], err = c.tools(in.Tools); err != nil {
			return nil, err
		}
	}
	if in.DateString != "" {
		vars["date_string"] = c.text(in.DateString)
	}
	for name, v := range in.Extra {
		if slices.Contains([]string{"messages", "tools", "add_generation_prompt"}, name) {
			return nil, fmt.Errorf("the variable %s can't be set by Extra", name)
		}
		raw, err := json.Marshal(v)
		if err == nil {
			vars[name], err = c.json(raw)
		}
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", name, err)
		}
	}
	return vars, nil
}

func clock(now func() time.Time) jinja.Value {
	if now == nil {
		now = time.Now
	}
	return jinja.Func("strftime_now", func(format string) (string, error) { return strftime(now(), format), nil })
}

func (c *converter) tools(raw json.RawMessage) (jinja.Value, error) {
	v, err := c.json(raw)
	if err != nil {
		return nil, fmt.Errorf("tools: %w", err)
	}
	l, ok := v.(*jinja.List)
	if !ok && v != nil {
		return nil, errors.New("tools must be a list of objects")
	}
	if v == nil {
		return nil, nil
	}
	for i, item := range l.Items() {
		if _, ok := item.(*jinja.Dict); !ok {
			return nil, fmt.Errorf("tools[%d] must be an object", i)
		}
	}
	return l, nil
}

func (c *converter) messages(msgs []Message) (jinja.Value, error) {
	items := make([]jinja.Value, len(msgs))
	for i := range msgs {
		d := jinja.NewDict()
		err := msgs[i].each(func(name string, v any) error {
			val, err := c.value(v)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			d.Set(c.text(name), val)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("messages[%d]: %w", i, err)
		}
		items[i] = d
	}
	return jinja.NewList(items...), nil
}

// value converts one field of a message.
func (c *converter) value(v any) (jinja.Value, error) {
	switch x := v.(type) {
	case string:
		return c.text(x), nil
	case json.RawMessage:
		return c.json(x)
	case []json.RawMessage:
		items := make([]jinja.Value, len(x))
		for i, raw := range x {
			var err error
			if items[i], err = c.json(raw); err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
		}
		return jinja.NewList(items...), nil
	case Content:
		switch {
		case x.JSON != nil:
			return c.json(x.JSON)
		case x.Parts != nil:
			return c.parts(x.Parts)
		}
		return c.text(x.Text), nil
	}
	return nil, fmt.Errorf("unexpected %T", v)
}

func (c *converter) parts(parts []Part) (jinja.Value, error) {
	items := make([]jinja.Value, len(parts))
	for i := range parts {
		if t := parts[i].Type; t != TypeText && t != TypeImage {
			return nil, fmt.Errorf("[%d]: unknown part type %q, want text or image", i, t)
		}
		d := jinja.NewDict()
		err := parts[i].each(func(name string, v any) error {
			val, err := c.value(v)
			if err == nil {
				d.Set(c.text(name), val)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		items[i] = d
	}
	return jinja.NewList(items...), nil
}
