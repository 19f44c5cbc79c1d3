package chat

import (
	"strings"

	"github.com/llama4go/llama4go/llama4/chat/internal/jinja"
)

// maxName bounds the search for the end of a special token's name, in bytes.
const maxName = 128

// Encoder is what a prompt needs of a tokenizer.
type Encoder interface {
	// AppendEncode appends the tokens of plain text, in which no special token is read.
	AppendEncode(dst []int32, text string) []int32
	// Special returns the id of a special token by its name, such as "<|eot|>".
	Special(name string) (int32, bool)
}

// Prompt is a rendered conversation.
type Prompt struct {
	marked string
	names  []string
	bos    string
}

// Segment is a special token or a stretch of plain text between two of them.
type Segment struct {
	Text    string
	Special bool
}

// String returns the text as the reference would render it. Special tokens typed by users look like those of the template
// in it, so it must not be tokenized with special tokens allowed; use Encode.
func (p *Prompt) String() string { return jinja.Unmark(p.marked) }

// HasBOS reports whether the prompt starts with the bos_token, so that none must be put before it. Encode adds none.
func (p *Prompt) HasBOS() bool { return p.bos != "" && strings.HasPrefix(p.marked, p.bos) }

// Segments splits the prompt at the special tokens that the template wrote. isSpecial says which names are special
// tokens; at one place the longest name counts.
func (p *Prompt) Segments(isSpecial func(name string) bool) []Segment {
	var starts [256]bool
	starts['<'] = true
	for _, name := range p.names {
		starts[name[0]] = true
	}
	var out []Segment
	text := p.marked
	from := 0
	for i := 0; i < len(text); {
		n := 0
		if starts[text[i]] {
			n = p.specialAt(text[i:], isSpecial)
		}
		if n == 0 {
			i++
			continue
		}
		if i > from {
			out = append(out, Segment{Text: jinja.Unmark(text[from:i])})
		}
		out = append(out, Segment{Text: text[i : i+n], Special: true})
		i += n
		from = i
	}
	if from < len(text) {
		out = append(out, Segment{Text: jinja.Unmark(text[from:])})
	}
	return out
}

// specialAt returns the length of the special token at the start of s, or 0.
func (p *Prompt) specialAt(s string, isSpecial func(string) bool) int {
	best := 0
	if strings.HasPrefix(s, "<|") {
		if end := strings.Index(s[2:min(len(s), maxName)], "|>"); end >= 0 && isSpecial(s[:end+4]) {
			best = end + 4
		}
	}
	for _, name := range p.names {
		if len(name) > best && strings.HasPrefix(s, name) && isSpecial(name) {
			return len(name)
		}
	}
	return best
}

// isDelimited reports whether a name has the form <|name|>.
func isDelimited(name string) bool {
	return len(name) > 4 && len(name) <= maxName && strings.HasPrefix(name, "<|") && strings.Index(name, "|>") == len(name)-2
}

// Encode returns the tokens of the prompt: the ids of the special tokens that the template wrote, and the encoded
// stretches between them, each as one text, as the reference tokenizes the whole. It adds no token of its own.
func (p *Prompt) Encode(enc Encoder) []int32 {
	return p.EncodeFunc(enc, func(dst []int32, _ string, id int32) []int32 { return append(dst, id) })
}

// EncodeFunc is Encode with a say in what the special tokens become: special appends it to dst, given a token's name and id.
func (p *Prompt) EncodeFunc(enc Encoder, special func(dst []int32, name string, id int32) []int32) []int32 {
	var ids []int32
	for _, seg := range p.Segments(func(name string) bool { _, ok := enc.Special(name); return ok }) {
		if seg.Special {
			id, _ := enc.Special(seg.Text)
			ids = special(ids, seg.Text, id)
			continue
		}
		ids = enc.AppendEncode(ids, seg.Text)
	}
	return ids
}
