package tokenizer

import (
	"iter"
	"unicode/utf8"
)

// A Tokenizer turns text into token ids and back. It does not change once it
// is loaded, so any number of goroutines may use it.
type Tokenizer struct {
	tokens  []string // the bytes of each id; an added token's are its name
	added   map[string]int32
	special []bool // by id
	pieces  pieceTable
	merger  *merger

	// Added tokens to look for, in rounds: what the first leaves as text is
	// searched by the second. Encode looks only for those not special.
	all, plain []*matcher
}

// VocabSize returns the number of ids: they run from 0 to VocabSize()-1.
func (t *Tokenizer) VocabSize() int { return len(t.tokens) }

func (t *Tokenizer) known(id int32) bool { return id >= 0 && int(id) < len(t.tokens) }

// Bytes returns a copy of the bytes that id stands for, for an added token
// those of its name. It returns false for an id outside the vocabulary.
func (t *Tokenizer) Bytes(id int32) ([]byte, bool) {
	if !t.known(id) {
		return nil, false
	}
	return []byte(t.tokens[id]), true
}

// Token returns id for display: the name of an added token, and the text of any
// other, with U+FFFD where its bytes are not UTF-8. An id outside the
// vocabulary gives "".
func (t *Tokenizer) Token(id int32) string {
	if !t.known(id) {
		return ""
	}
	if s := t.tokens[id]; utf8.ValidString(s) {
		return s
	}
	return text(bytesOf(t.tokens[id]))
}

// Special returns the id of the special token of that name, as in
// Special("<|eot|>").
func (t *Tokenizer) Special(name string) (int32, bool) {
	id, ok := t.added[name]
	if !ok || !t.special[id] {
		return 0, false
	}
	return id, true
}

// IsSpecial says whether id is a special token.
func (t *Tokenizer) IsSpecial(id int32) bool { return t.known(id) && t.special[id] }

// Encode returns the ids of s. Special tokens spelled out in s are plain text.
func (t *Tokenizer) Encode(s string) []int32 {
	return t.AppendEncode(make([]int32, 0, len(s)/4+4), s)
}

// AppendEncode appends the ids that Encode returns to dst.
func (t *Tokenizer) AppendEncode(dst []int32, s string) []int32 {
	return t.appendSplit(dst, s, t.plain)
}

// EncodeSpecial returns the ids of s and reads the special tokens in it: the
// leftmost first and, of those that start there, the longest. Never give it
// text that a user wrote.
func (t *Tokenizer) EncodeSpecial(s string) []int32 {
	return t.appendSplit(make([]int32, 0, len(s)/4+4), s, t.all)
}

func (t *Tokenizer) appendSplit(dst []int32, s string, rounds []*matcher) []int32 {
	if len(rounds) == 0 {
		return t.appendText(dst, bytesOf(s))
	}
	split(s, rounds, func(p Piece) bool {
		if p.ID >= 0 {
			dst = append(dst, p.ID)
		} else {
			dst = t.appendText(dst, bytesOf(p.Text))
		}
		return true
	})
	return dst
}

func (t *Tokenizer) appendText(dst []int32, b []byte) []int32 {
	var w workspace
	for i := 0; i < len(b); {
		j := pieceEnd(b, i)
		if id := t.pieces.get(b, i, j); id >= 0 {
			dst = append(dst, id)
		} else {
			dst = t.merger.merge(dst, b[i:j], &w)
		}
		i = j
	}
	return dst
}

// A Piece is a part of a text: an added token, or text between two.
type Piece struct {
	Text string
	ID   int32 // -1 for text
}

// SplitSpecial splits s where EncodeSpecial would, at special tokens. The texts
// of the pieces make up s; none is empty.
func (t *Tokenizer) SplitSpecial(s string) iter.Seq[Piece] {
	return func(yield func(Piece) bool) { split(s, t.all, yield) }
}
