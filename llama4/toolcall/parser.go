package toolcall

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxForm bounds the bytes that are held back until it is clear whether they are a call.
const maxForm = 1 << 20

// Parser takes an answer apart while it is written. Use one for each answer. The time for a piece depends on its length
// alone.
type Parser struct {
	tools map[string][]string // parameters by name; nil means any name

	rest    []byte // the start of a character
	deltas  []Delta
	content []byte // not told yet

	// Between the forms.
	gap  bool   // no text since the start or since a call
	sep  []byte // white space or a separator, which is content unless a call follows
	code markdown

	// In a form.
	form  *form
	held  []byte // what becomes content if the form is no call; once the call was told, the token being read
	begun bool   // the call being read was told
	queue []Call // read, not told before the form ends

	text       strings.Builder
	calls      []Call
	incomplete bool
}

// NewParser returns a Parser at the start of an answer.
func NewParser(o Options) *Parser {
	p := &Parser{gap: true}
	p.code.reset()
	if o.Tools != nil {
		p.tools = make(map[string][]string, len(o.Tools))
		for _, t := range o.Tools {
			p.tools[t.Name] = t.Parameters
		}
	}
	return p
}

// Feed takes the next piece of the text and returns what is certain by now. The slice is valid until the next call.
func (p *Parser) Feed(text string) []Delta {
	p.deltas = p.deltas[:0]
	for len(p.rest) > 0 && text != "" { // a piece may end within a character
		p.rest = append(p.rest, text[0])
		text = text[1:]
		p.whole()
	}
	for i := 0; i < len(text); {
		if !utf8.FullRuneInString(text[i:]) {
			p.rest = append(p.rest, text[i:]...)
			break
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		p.step(r, text[i:i+n])
		i += n
	}
	return p.told()
}

// whole takes the characters that are whole by now from the rest.
func (p *Parser) whole() {
	for len(p.rest) > 0 && utf8.FullRune(p.rest) {
		r, n := utf8.DecodeRune(p.rest)
		raw := string(p.rest[:n])
		p.rest = p.rest[:copy(p.rest, p.rest[n:])]
		p.step(r, raw)
	}
}

// Special takes a special token in the place where it stands, such as "<|python_start|>". No call goes beyond it, and none
// of it is content.
func (p *Parser) Special(name string) []Delta {
	p.deltas = p.deltas[:0]
	p.ill()
	if p.form != nil {
		p.breakOff()
	}
	if name == "<|python_start|>" {
		p.code.reset()
	}
	p.code.prev = 0
	return p.told()
}

// Flush ends the text and returns what was held back.
func (p *Parser) Flush() []Delta {
	p.deltas = p.deltas[:0]
	p.ill()
	if f := p.form; f != nil {
		p.incomplete = p.incomplete || !f.foreign && (f.named || f.count > 0)
		p.breakOff()
	}
	p.content = append(p.content, p.sep...)
	p.sep = nil
	return p.told()
}

// Result returns everything so far, after Flush what Parse returns.
func (p *Parser) Result() Result {
	r := Result{Content: p.text.String(), Calls: slices.Clone(p.calls), Incomplete: p.incomplete}
	for i := range r.Calls {
		r.Calls[i].Arguments = bytes.Clone(r.Calls[i].Arguments)
	}
	return r
}

// ill takes a character that was never finished, a byte at a time.
func (p *Parser) ill() {
	for _, b := range p.rest {
		p.step(utf8.RuneError, string([]byte{b}))
	}
	p.rest = p.rest[:0]
}

// step takes one character; raw is its text.
func (p *Parser) step(r rune, raw string) {
	f := p.form
	if f == nil {
		p.plain(r, raw)
		return
	}
	if p.begun && f.tokenStarts() {
		p.held = p.held[:0]
	}
	if len(p.held) > maxForm || !f.step(r) {
		token := string(p.held)
		if p.begun {
			p.breakOff()
			p.plainText(token)
		} else {
			p.breakOff()
		}
		p.plain(r, raw)
		return
	}
	p.held = append(p.held, raw...)
	p.follow(f)
}

// plain takes a character between the forms.
func (p *Parser) plain(r rune, raw string) {
	if (r == '[' || r == '{') && p.code.callAt(r) {
		p.form = newForm(p.tools, r)
		p.held = append(append(p.held[:0], p.sep...), raw...)
		p.sep = p.sep[:0]
		return
	}
	if p.gap {
		switch {
		case unicode.IsSpace(r) && (len(p.calls) == 0 || len(p.sep) > 0):
			p.sep = append(p.sep, raw...)
			return
		case unicode.IsSpace(r):
			p.code.step(r)
			return
		case (r == ';' || r == ',') && len(p.calls) > 0 && len(p.sep) == 0:
			p.sep = append(p.sep, raw...)
			return
		}
	}
	p.plainText(raw)
}

// plainText makes a text content, and the separator before it.
func (p *Parser) plainText(s string) {
	if len(p.sep) > 0 {
		s = string(p.sep) + s
		p.sep = p.sep[:0]
	}
	p.gap = false
	p.content = append(p.content, s...)
	for _, r := range s {
		p.code.step(r)
	}
}

// follow tells what a step in a form has made certain.
func (p *Parser) follow(f *form) {
	if f.foreign {
		p.release()
	}
	if p.tools != nil && !p.begun && f.named && f.started {
		p.begin(f.name)
	}
	if f.ended {
		if p.begun {
			p.arguments(string(f.args.take()))
			p.end("", false)
		} else {
			p.queue = append(p.queue, Call{Name: f.name, Arguments: f.args.take()})
		}
		f.next()
	}
	if f.done {
		p.finish()
	}
}

// finish leaves a form at its last bracket.
func (p *Parser) finish() {
	for _, c := range p.queue {
		p.begin(c.Name)
		p.arguments(string(c.Arguments))
		p.end("", false)
	}
	p.queue = p.queue[:0]
	if !p.form.foreign {
		p.gap = true
		p.code.afterForm()
	}
	p.form, p.held = nil, p.held[:0]
}

// breakOff leaves a form before its end.
func (p *Parser) breakOff() {
	f := p.form
	if p.begun {
		p.incomplete = true
		p.arguments(string(f.args.take()))
		p.end(f.closers(), true)
		p.gap = false
		p.code.afterForm()
	} else {
		p.release()
	}
	p.form = nil
}

// release makes what was held content.
func (p *Parser) release() {
	p.queue = p.queue[:0]
	if len(p.held) > 0 {
		p.plainText(string(p.held))
		p.held = p.held[:0]
	}
}

func (p *Parser) begin(name string) {
	p.begun = true
	p.held = p.held[:0]
	p.calls = append(p.calls, Call{Name: name})
	p.tell(Delta{Kind: Begin, Index: len(p.calls) - 1, Text: name})
}

// arguments tells more of the arguments of the last call.
func (p *Parser) arguments(s string) {
	if s == "" {
		return
	}
	p.calls[len(p.calls)-1].Arguments = append(p.calls[len(p.calls)-1].Arguments, s...)
	p.tell(Delta{Kind: Arguments, Index: len(p.calls) - 1, Text: s})
}

// end tells the end of the call that was begun.
func (p *Parser) end(closers string, incomplete bool) {
	c := &p.calls[len(p.calls)-1]
	c.Arguments = append(c.Arguments, closers...)
	c.Incomplete = incomplete
	p.tell(Delta{Kind: End, Index: len(p.calls) - 1, Text: closers, Incomplete: incomplete})
	p.begun = false
	p.held = p.held[:0]
}

// tell adds a delta that is no content, after the content before it.
func (p *Parser) tell(d Delta) {
	p.tellContent()
	p.deltas = append(p.deltas, d)
}

func (p *Parser) tellContent() {
	if len(p.content) == 0 {
		return
	}
	s := string(p.content)
	p.content = p.content[:0]
	p.text.WriteString(s)
	p.deltas = append(p.deltas, Delta{Kind: Content, Text: s})
}

// told returns the deltas of a call.
func (p *Parser) told() []Delta {
	p.tellContent()
	if p.begun {
		p.arguments(string(p.form.args.take()))
	}
	return p.deltas
}
