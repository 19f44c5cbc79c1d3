package toolcall

import (
	"encoding/json"
	"unicode"
)

// params is what was read of a call in Python's form.
type params struct {
	word  string          // a word that may be a name
	name  string          // the argument being read
	given map[string]bool // the arguments so far
	keyed bool            // one of them had its name
}

// openCall takes the bracket after the name of a call.
func (f *form) openCall() bool {
	name := f.python.word
	if !f.allowed(name) {
		return false
	}
	if f.tools == nil && !isIdentifier(name) {
		return false
	}
	f.name, f.named = name, true
	t := f.top()
	t.n++
	t.state = sAfter
	f.python = params{given: make(map[string]bool)}
	return f.openArguments(kParams)
}

// paramsPunct takes punctuation between the brackets of a call.
func (f *form) paramsPunct(r rune) bool {
	t := f.top()
	switch {
	case t.state == sNamed && r == '=':
		name := f.python.word
		if !isIdentifier(name) || f.python.given[name] {
			return false
		}
		f.python.name, f.python.keyed = name, true
		t.state = sValue
		return true
	case t.state == sNamed: // the word was a value
		t.state = sValue
		return f.positional() && f.word(f.python.word) && f.punct(r)
	case t.state == sAfter && r == ',':
		t.state = sItem
		return true
	case r == ')' && (t.state == sAfter || t.state == sItem):
		f.args.byte('}')
		f.started, f.ended = true, true
		f.count++
		f.pop()
		return true
	}
	return f.valuePunct(r)
}

// positional gives the argument that comes the name of the parameter at its place.
func (f *form) positional() bool {
	names := f.tools[f.name]
	n := f.top().n
	if f.python.keyed || n >= len(names) || f.python.given[names[n]] {
		return false
	}
	f.python.name = names[n]
	return true
}

// openParam writes the name of the argument whose value begins.
func (f *form) openParam() bool {
	t := f.top()
	if t.state == sItem && !f.positional() {
		return false
	}
	f.comma()
	key, err := json.Marshal(f.python.name)
	if err != nil {
		return false
	}
	f.args.text(string(key))
	f.args.byte(':')
	f.python.given[f.python.name] = true
	f.started = true
	return true
}

// isIdentifier reports whether Python takes a word for a name.
func isIdentifier(s string) bool {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r) && !unicode.IsMark(r)) {
			return false
		}
	}
	return s != ""
}

// isName reports whether a word may be the name of a tool: an identifier with dots and dashes.
func isName(s string) bool {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r) && !unicode.IsMark(r) && r != '.' && r != '-') {
			return false
		}
	}
	return s != ""
}
