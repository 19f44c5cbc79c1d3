package toolcall

import "encoding/json"

// Call is the call of a tool.
type Call struct {
	Name string
	// Arguments is a JSON object, its keys in the order in which they were written.
	Arguments json.RawMessage
	// Incomplete marks a call that broke off, because the text ended or what followed is no value. Arguments then has what
	// was there, with every bracket closed. Such a call must not be run.
	Incomplete bool
}

// Result is an answer taken apart.
type Result struct {
	// Content is the text around the calls.
	Content string
	Calls   []Call
	// Incomplete says that a call is incomplete, or that the text ended in what may have become one: then the end of
	// Content may be the start of a call.
	Incomplete bool
}

// Options say what a call may be.
type Options struct {
	// Tools are those that can be called; nil takes every name for that of a tool.
	Tools []Tool
}

// Tool is what must be known of a tool to read its calls.
type Tool struct {
	Name string
	// Parameters are the names of its parameters in order, for arguments without a name.
	Parameters []string
}

// Parse takes a whole answer apart.
func Parse(text string, o Options) Result {
	p := NewParser(o)
	p.Feed(text)
	p.Flush()
	return p.Result()
}

// Kind says what a Delta adds.
type Kind int

// The kinds of Delta.
const (
	Content   Kind = iota // Text is more of the content
	Begin                 // a call of the tool Text begins
	Arguments             // Text is more of its arguments
	End                   // the call ends
)

// Delta is what a piece of text adds to the Result.
type Delta struct {
	Kind Kind
	// Index is the call's in Result.Calls, for all but Content.
	Index int
	// Text is content, name or arguments. That of the End of an incomplete call closes the brackets and quotes that are
	// still open in its arguments; it is empty for other calls.
	Text string
	// Incomplete is Call.Incomplete, at the End.
	Incomplete bool
}
