package toolcall

import "unicode/utf8"

// maxDepth bounds the brackets within each other.
const maxDepth = 100

// kind is what a bracket opened.
type kind uint8

const (
	kCalls  kind = iota // [ of a list of calls
	kParams             // ( of a call in Python's form
	kObject             // { of a call in JSON's form, or of the function in it
	kList
	kParen // a tuple, or a value in brackets
	kDict
)

// state is what may come next in a bracket.
type state uint8

const (
	sItem  state = iota // an element, an argument or a key, or the closing bracket
	sNamed              // after a word: the bracket of a call, the = of an argument
	sColon              // after a key
	sValue              // the value of a key or an argument
	sAfter              // a comma or the closing bracket
)

type frame struct {
	kind  kind
	state state
	n     int  // elements so far
	at    int  // the place of its opening bracket in the arguments
	tuple bool // a paren that holds a comma
}

// form reads one form, a character at a time: the lexer in lexer.go cuts it into tokens, which go to punct, word,
// openString, char and closeString. Each of them returns false where no form goes on like this.
type form struct {
	tools map[string][]string
	lexer lexer
	stack []frame

	// foreign is set once it is clear that this is a value but no call. The rest of it is read so that nothing within it
	// is taken for a call.
	foreign bool
	done    bool // the last bracket was read
	count   int  // calls read

	name    string // of the call being read
	named   bool   // name is certain
	started bool   // the first value has begun, or there is none
	ended   bool   // the call ended in this step
	args    arguments
	object  object
	python  params
}

// newForm starts a form with its bracket.
func newForm(tools map[string][]string, bracket rune) *form {
	f := &form{tools: tools}
	if bracket == '[' {
		f.push(kCalls)
	} else {
		f.push(kObject)
	}
	return f
}

// next forgets the call that ended.
func (f *form) next() {
	f.name, f.named, f.started, f.ended = "", false, false, false
	f.args, f.object, f.python = arguments{}, object{}, params{}
}

func (f *form) top() *frame { return &f.stack[len(f.stack)-1] }

func (f *form) push(k kind) bool {
	if len(f.stack) >= maxDepth {
		return false
	}
	f.stack = append(f.stack, frame{kind: k, at: f.args.len()})
	return true
}

// pop leaves a bracket, which for the one that holds it is an element read.
func (f *form) pop() {
	f.stack = f.stack[:len(f.stack)-1]
	if len(f.stack) == 0 {
		f.done = true
		return
	}
	f.top().state = sAfter
	f.args.mark()
}

// allowed reports whether a tool has this name.
func (f *form) allowed(name string) bool {
	if f.tools == nil {
		return isName(name)
	}
	_, ok := f.tools[name]
	return ok
}

// alien turns the brackets so far into those of a value that is no call. There is no way back if the call was certain.
func (f *form) alien() bool {
	if f.tools != nil && f.named && f.started {
		return false
	}
	f.foreign = true
	for i := range f.stack {
		switch f.stack[i].kind {
		case kCalls:
			f.stack[i].kind = kList
		case kObject:
			f.stack[i].kind = kDict
		}
	}
	f.args = arguments{off: true}
	return true
}

// punct takes a bracket, comma, colon or equals sign.
func (f *form) punct(r rune) bool {
	switch f.top().kind {
	case kCalls:
		return f.callsPunct(r)
	case kParams:
		return f.paramsPunct(r)
	case kObject:
		return f.objectPunct(r)
	}
	return f.valuePunct(r)
}

// callsPunct takes punctuation in a list of calls.
func (f *form) callsPunct(r rune) bool {
	t := f.top()
	switch {
	case t.state == sItem && r == '{':
		t.n++
		return f.push(kObject)
	case t.state == sNamed && r == '(':
		return f.openCall()
	case t.state == sNamed: // the word may be a value of a list that is no call
		word := f.python.word
		t.state = sItem
		return f.alien() && f.word(word) && f.punct(r)
	case t.state == sAfter && r == ',':
		t.state = sItem
		return true
	case r == ']' && (t.state == sAfter || t.n > 0):
		f.pop()
		return true
	}
	return f.alien() && f.punct(r)
}

// word takes a name, a number or a constant.
func (f *form) word(word string) bool {
	t := f.top()
	switch {
	case t.kind == kCalls && t.state == sItem:
		f.python.word = word
		t.state = sNamed
		return true
	case t.kind == kParams && t.state == sItem:
		f.python.word = word
		t.state = sNamed
		return true
	case t.kind == kCalls || t.kind == kObject:
		return f.alien() && f.word(word)
	case t.kind == kDict && t.state == sItem:
		key, ok := wordKey(word)
		if !ok {
			return false
		}
		f.openKey()
		f.args.text(key)
		f.args.byte('"')
		t.state = sColon
		return true
	}
	value, ok := literal(word)
	if !ok || !f.openValue() {
		return false
	}
	f.args.text(value)
	f.closeValue()
	return true
}

// openString takes the opening quote of a string.
func (f *form) openString() bool {
	t := f.top()
	switch {
	case t.kind == kObject && f.object.takes(t.state):
		f.object.reading = true
		f.object.text = f.object.text[:0]
		return true
	case t.kind == kObject || t.kind == kCalls:
		return f.alien() && f.openString()
	case t.kind == kDict && t.state == sItem:
		f.openKey()
		return true
	}
	if !f.openValue() {
		return false
	}
	f.args.openString()
	return true
}

// char takes a character of a string; surrogates come one by one.
func (f *form) char(r rune) {
	switch {
	case f.object.reading:
		f.object.char(r)
	case !f.args.off:
		f.args.char(r)
		if f.args.inString {
			f.args.mark()
		}
	}
}

// closeString takes the end of a string.
func (f *form) closeString() bool {
	if f.object.reading {
		f.object.reading = false
		return f.objectString(string(f.object.text))
	}
	f.args.byte('"')
	t := f.top()
	if t.kind == kDict && t.state == sItem {
		t.state = sColon
		return true
	}
	f.args.inString = false
	f.closeValue()
	return true
}

// lineAllowed reports whether a line break may stand in the string being read.
func (f *form) lineAllowed() bool { return !f.foreign && f.args.inString }

// maxText bounds names and keys of calls, in bytes.
const maxText = 256

// object is what was read of a call in JSON's form.
type object struct {
	reading bool   // a string is being read that is no argument
	text    []byte // that string
	key     string
	seen    uint8 // bits of the keys
}

// The bits of object.seen.
const (
	seenName = 1 << iota
	seenArguments
	seenType
	seenID
	seenFunction
)

// keyBit returns the bit of a call's key, or 0.
func keyBit(key string) uint8 {
	switch key {
	case "name":
		return seenName
	case "parameters", "arguments":
		return seenArguments
	case "type":
		return seenType
	case "id":
		return seenID
	case "function":
		return seenFunction
	}
	return 0
}

// takes reports whether a string may come that is no argument: a key, or the value of one.
func (o *object) takes(s state) bool {
	switch s {
	case sItem:
		return true
	case sValue:
		return o.key == "name" || o.key == "type" || o.key == "id"
	}
	return false
}

func (o *object) char(r rune) {
	if len(o.text) < maxText {
		o.text = utf8.AppendRune(o.text, r)
	}
}

// objectString takes a key of a call or the value of one.
func (f *form) objectString(s string) bool {
	t, o := f.top(), &f.object
	if t.state == sItem {
		t.state = sColon
		bit := keyBit(s)
		if bit == 0 || o.seen&bit != 0 {
			return f.alien()
		}
		o.key = s
		o.seen |= bit
		return true
	}
	t.state = sAfter
	switch o.key {
	case "type":
		if s != "function" {
			return f.alien()
		}
	case "name":
		if len(s) >= maxText || !f.allowed(s) {
			return f.alien()
		}
		f.name, f.named = s, true
	}
	return true
}

// objectPunct takes punctuation in a call of JSON's form.
func (f *form) objectPunct(r rune) bool {
	t, o := f.top(), &f.object
	switch {
	case t.state == sColon && r == ':':
		t.state = sValue
		return true
	case t.state == sValue && r == '{' && o.key == "function":
		return f.push(kObject)
	case t.state == sValue && r == '{' && keyBit(o.key) == seenArguments:
		return f.openArguments(kDict)
	case t.state == sAfter && r == ',':
		t.state = sItem
		t.n++
		return true
	case r == '}' && (t.state == sAfter || t.state == sItem && t.n > 0):
		return f.closeObject()
	}
	return f.alien() && f.punct(r)
}

// closeObject takes the closing bracket of a call in JSON's form, or of the function in it.
func (f *form) closeObject() bool {
	if !f.inner() {
		if o := &f.object; o.seen&seenArguments == 0 || !f.named {
			return f.alien() && f.punct('}')
		}
		f.ended = true
		f.count++
	}
	f.pop()
	return true
}

// inner reports whether this is the function in a call of JSON's form.
func (f *form) inner() bool { return len(f.stack) > 1 && f.stack[len(f.stack)-2].kind == kObject }

// openArguments starts the arguments' object.
func (f *form) openArguments(k kind) bool {
	if !f.push(k) {
		return false
	}
	f.args.byte('{')
	f.args.mark()
	f.started = k == kDict
	return true
}
