package tokenizer

import (
	"cmp"
	"fmt"
	"slices"
)

// An addedToken is found by name in the text, before any pattern or merge.
type addedToken struct {
	id         int32
	name       string
	special    bool
	normalized bool // searched for in the second round
	shared     bool // a token that merges can make as well
}

// newTokenizer makes a tokenizer without merges. tokens are by id, those that
// added names among them; where says where in the file an id stands.
func newTokenizer(tokens []string, added []addedToken, where func(id int32) string) (*Tokenizer, error) {
	t := &Tokenizer{
		tokens:  tokens,
		added:   make(map[string]int32, len(added)),
		special: make([]bool, len(tokens)),
		pieces:  newPieceTable(tokens),
	}
	onlyAdded := make([]bool, len(tokens))
	for _, a := range added {
		t.added[a.name] = a.id
		t.special[a.id] = a.special
		onlyAdded[a.id] = !a.shared
	}
	for id, s := range tokens {
		if onlyAdded[id] {
			continue
		}
		if first := t.pieces.get(bytesOf(s), 0, len(s)); first >= 0 {
			return nil, fmt.Errorf("%s: token %q is the same as %s", where(int32(id)), s, where(first))
		}
		t.pieces.put(int32(id))
	}
	var single [256]int32
	for c := range single {
		single[c] = t.pieces.get([]byte{byte(c)}, 0, 1)
		if single[c] < 0 {
			return nil, fmt.Errorf("no token for byte 0x%02X; a byte-level vocabulary has all 256", c)
		}
	}
	t.merger = newMerger(single)
	t.all = rounds(added)
	t.plain = rounds(slices.DeleteFunc(slices.Clone(added), func(a addedToken) bool { return a.special }))
	return t, nil
}

// rounds sorts added tokens into the rounds in which Hugging Face searches.
func rounds(added []addedToken) []*matcher {
	var first, second []addedToken
	for _, a := range added {
		if a.normalized {
			second = append(second, a)
		} else {
			first = append(first, a)
		}
	}
	var out []*matcher
	for _, list := range [][]addedToken{first, second} {
		if len(list) > 0 {
			out = append(out, newMatcher(list))
		}
	}
	return out
}

// dropUnreachable takes the tokens that merging their own bytes does not give
// out of the table of pieces, for a file that says ignore_merges false: there,
// a piece that is a token becomes it only if the merges say so.
func (t *Tokenizer) dropUnreachable() {
	kept := newPieceTable(t.tokens)
	var w workspace
	var ids []int32
	for _, s := range t.pieces.slots {
		if s.len == 0 {
			continue
		}
		ids = t.merger.merge(ids[:0], bytesOf(t.tokens[s.id]), &w)
		if len(ids) == 1 {
			kept.put(s.id)
		}
	}
	t.pieces = kept
}

// A matcher finds the leftmost longest of some names in a text.
type matcher struct {
	added []addedToken // sorted by name
	first [256]bool    // the bytes that a name begins with
}

func newMatcher(added []addedToken) *matcher {
	m := &matcher{added: slices.Clone(added)}
	slices.SortFunc(m.added, func(a, b addedToken) int { return cmp.Compare(a.name, b.name) })
	for _, a := range m.added {
		m.first[a.name[0]] = true
	}
	return m
}

// find returns where the first match in s starts, its length and its id, which
// is -1 if there is none.
func (m *matcher) find(s string) (start, length int, id int32) {
	for i := 0; i < len(s); i++ {
		if m.first[s[i]] {
			if a := m.longest(s[i:]); a != nil {
				return i, len(a.name), a.id
			}
		}
	}
	return 0, 0, -1
}

// longest returns the longest of the names that s begins with. It narrows the
// sorted names down byte by byte.
func (m *matcher) longest(s string) *addedToken {
	var best *addedToken
	list := m.added // all begin with s[:d]
	for d := 0; len(list) > 0; d++ {
		if len(list[0].name) == d {
			best = &list[0]
			list = list[1:]
		}
		if d == len(s) {
			break
		}
		lo, _ := slices.BinarySearchFunc(list, s[d], func(a addedToken, c byte) int { return cmp.Compare(a.name[d], c) })
		list = list[lo:]
		hi, _ := slices.BinarySearchFunc(list, int(s[d])+1, func(a addedToken, c int) int { return cmp.Compare(int(a.name[d]), c) })
		list = list[:hi]
	}
	return best
}

// split cuts s at what the rounds find, one after the other, and yields the
// parts until yield says no; it returns false then.
func split(s string, rounds []*matcher, yield func(Piece) bool) bool {
	if s == "" {
		return true
	}
	if len(rounds) == 0 {
		return yield(Piece{Text: s, ID: -1})
	}
	for {
		start, length, id := rounds[0].find(s)
		if id < 0 {
			return split(s, rounds[1:], yield)
		}
		if !split(s[:start], rounds[1:], yield) {
			return false
		}
		if !yield(Piece{Text: s[start : start+length], ID: id}) {
			return false
		}
		s = s[start+length:]
	}
}
