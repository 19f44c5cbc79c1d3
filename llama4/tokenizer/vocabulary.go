package tokenizer

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Kind is what a token of a [Vocabulary] is.
type Kind uint8

// The kinds of tokens.
const (
	Normal  Kind = iota // made by merges
	Special             // found by name, and only where special tokens are read
	Word                // found by name in any text
)

// Vocabulary is a byte-level BPE with the o200k pattern in parts, for formats that
// keep it among other things.
type Vocabulary struct {
	// Tokens are the tokens by id: normal ones in letters of the byte-level alphabet,
	// as tokenizer.json has them, the others as text.
	Tokens []string
	Kinds  []Kind   // of each token
	Merges []string // "a b", in order of rank
}

// New makes a tokenizer of a vocabulary. A piece of text that is a token becomes it
// whatever the merges say, as with ignore_merges in Llama 4's tokenizer.json.
func New(v *Vocabulary) (*Tokenizer, error) {
	t, err := v.tokenizer()
	if err != nil {
		return nil, fmt.Errorf("vocabulary: %w", err)
	}
	return t, nil
}

func (v *Vocabulary) tokenizer() (*Tokenizer, error) {
	switch {
	case len(v.Kinds) != len(v.Tokens):
		return nil, fmt.Errorf("%d tokens, but kinds of %d", len(v.Tokens), len(v.Kinds))
	case len(v.Tokens) > maxIDs:
		return nil, fmt.Errorf("%d tokens; this package takes %d", len(v.Tokens), maxIDs)
	}
	tokens := make([]string, len(v.Tokens))
	var added []addedToken
	names := make(map[string]bool)
	for id, s := range v.Tokens {
		var err error
		switch {
		case s == "":
			err = errors.New("an empty token")
		case v.Kinds[id] == Normal:
			var b []byte
			b, err = appendBytes(nil, s)
			tokens[id] = string(b)
		case !utf8.ValidString(s):
			err = errors.New("not UTF-8")
		case names[s]:
			err = errors.New("there twice")
		default:
			names[s], tokens[id] = true, s
			added = append(added, addedToken{id: int32(id), name: s, special: v.Kinds[id] == Special})
		}
		if err != nil {
			return nil, fmt.Errorf("tokens[%d] %.40q: %w", id, s, err)
		}
	}
	t, err := newTokenizer(tokens, added, func(id int32) string { return fmt.Sprintf("tokens[%d]", id) })
	if err != nil {
		return nil, err
	}
	list := mergeList{tokenizer: t}
	for i, m := range v.Merges {
		a, b, ok := strings.Cut(m, " ")
		if !ok || strings.Contains(b, " ") {
			return nil, fmt.Errorf(`merges[%d]: %.40q is not "a b"`, i, m)
		}
		if err := list.add(a, b); err != nil {
			return nil, err
		}
	}
	list.done()
	return t, nil
}
