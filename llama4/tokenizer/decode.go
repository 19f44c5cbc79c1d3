package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Decode returns the text of ids. Special tokens appear by name; ids outside
// the vocabulary are left out. Bytes that are not UTF-8 become U+FFFD, one for
// each maximal ill-formed subpart, as in Python's errors="replace".
func (t *Tokenizer) Decode(ids []int32) string {
	n := 0
	for _, id := range ids {
		if t.known(id) {
			n += len(t.tokens[id])
		}
	}
	var sb strings.Builder
	sb.Grow(n)
	for _, id := range ids {
		if t.known(id) {
			_, _ = sb.WriteString(t.tokens[id])
		}
	}
	s := sb.String()
	if utf8.ValidString(s) {
		return s
	}
	return text(bytesOf(s))
}

// A Decoder turns a stream of ids into text, whole characters at a time. Use
// one for each stream.
type Decoder struct {
	// ShowSpecial makes special tokens appear by name. By default they leave no
	// trace in the text.
	ShowSpecial bool

	t    *Tokenizer
	held []byte // the start of a character
}

// NewDecoder returns a Decoder at the start of a stream.
func NewDecoder(t *Tokenizer) *Decoder { return &Decoder{t: t} }

// Next takes the next id and returns the text that is certain by now. The start
// of a character is held back until the rest arrives or cannot arrive any more.
// What Next returned so far and Flush returns make up what Decode returns for
// all ids (for the ids that are not special, unless ShowSpecial is set).
func (d *Decoder) Next(id int32) string {
	if !d.t.known(id) || !d.ShowSpecial && d.t.special[id] {
		return ""
	}
	s := d.t.tokens[id]
	if len(d.held) == 0 && utf8.ValidString(s) {
		return s
	}
	d.held = append(d.held, s...)
	n := wholeLen(d.held)
	out := text(d.held[:n])
	d.held = d.held[:copy(d.held, d.held[n:])]
	return out
}

// Flush ends the stream: it returns U+FFFD for a character that was never
// finished, else "". The Decoder is then ready for another stream.
func (d *Decoder) Flush() string {
	out := text(d.held)
	d.held = d.held[:0]
	return out
}
