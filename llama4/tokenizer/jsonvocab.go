package tokenizer

import (
	"errors"
	"fmt"
	"strconv"
)

// letterBytes maps the letters of a byte-level vocabulary back to bytes: a
// printable Latin-1 byte stands for itself, the others take the characters from
// U+0100 on, in order (bytes_to_unicode in GPT-2's encoder.py).
var letterBytes = func() (m [0x144]int16) {
	for i := range m {
		m[i] = -1
	}
	next := 0x100
	for c := range 256 {
		if c >= '!' && c <= '~' || c >= 0xA1 && c <= 0xAC || c >= 0xAE {
			m[c] = int16(c)
		} else {
			m[next] = int16(c)
			next++
		}
	}
	return m
}()

// appendBytes appends the bytes that the letters of s stand for.
func appendBytes(dst []byte, s string) ([]byte, error) {
	for _, r := range s {
		if int(r) >= len(letterBytes) || letterBytes[r] < 0 {
			return dst, fmt.Errorf("%U is not a letter of the byte-level alphabet", r)
		}
		dst = append(dst, byte(letterBytes[r]))
	}
	return dst, nil
}

// tokens returns all tokens by id and the added ones.
func (f *jsonFile) tokens() ([]string, []addedToken, error) {
	byName, err := f.addedByName()
	if err != nil {
		return nil, nil, err
	}
	entries, err := f.readVocab(byName)
	if err != nil {
		return nil, nil, fmt.Errorf("model.%w", err)
	}
	total := len(entries)
	for _, a := range f.AddedTokens {
		if !a.shared {
			total++
		}
	}
	if total > maxIDs {
		return nil, nil, fmt.Errorf("model.vocab: %d tokens; this package takes %d", total, maxIDs)
	}
	tokens := make([]string, total)
	owner := make([]int32, total) // 1 + the entry or, after those, the added token of an id
	where := func(k int) string {
		if k < len(entries) {
			return "model." + vocabKey(entries[k].letters)
		}
		k -= len(entries)
		return fmt.Sprintf("added_tokens[%d] %.40q", k, f.AddedTokens[k].Content)
	}
	place := func(k int, id int64, token string) error {
		if id < 0 || id >= int64(total) {
			return fmt.Errorf("%s: id %d is out of range: the file has %d tokens, so ids run from 0 to %d without a hole", where(k), id, total, total-1)
		}
		if owner[id] != 0 {
			return fmt.Errorf("%s: id %d is already taken by %s", where(k), id, where(int(owner[id])-1))
		}
		tokens[id], owner[id] = token, int32(k)+1
		return nil
	}
	for k, e := range entries {
		if err := place(k, e.id, e.bytes); err != nil {
			return nil, nil, err
		}
	}
	added := make([]addedToken, 0, len(f.AddedTokens))
	for i, a := range f.AddedTokens {
		k := len(entries) + i
		if a.shared {
			if tokens[*a.ID] != a.Content {
				return nil, nil, fmt.Errorf("%s: in model.vocab, that spells %q", where(k), tokens[*a.ID])
			}
		} else if err := place(k, *a.ID, a.Content); err != nil {
			return nil, nil, err
		}
		added = append(added, addedToken{int32(*a.ID), a.Content, a.Special, a.Normalized, a.shared})
	}
	return tokens, added, nil
}

// addedByName checks the added tokens and indexes them.
func (f *jsonFile) addedByName() (map[string]int, error) {
	index := make(map[string]int, len(f.AddedTokens))
	for i, a := range f.AddedTokens {
		var problem string
		switch _, twice := index[a.Content]; {
		case a.Content == "":
			problem = "content is missing or empty"
		case a.ID == nil:
			problem = "id is missing"
		case twice:
			problem = "content is there twice"
		case a.SingleWord, a.LStrip, a.RStrip:
			problem = "single_word, lstrip and rstrip are not supported"
		default:
			index[a.Content] = i
			continue
		}
		return nil, fmt.Errorf("added_tokens[%d] %q: %s", i, a.Content, problem)
	}
	return index, nil
}

// A vocabEntry is a key of model.vocab.
type vocabEntry struct {
	letters string
	bytes   string
	id      int64
}

func vocabKey(s string) string { return fmt.Sprintf("vocab[%.40q]", s) }

// readVocab reads model.vocab. An added token may stand there too, with the
// same id. One that is special is left out then, so that no plain text can
// become it; any other is marked as shared.
func (f *jsonFile) readVocab(added map[string]int) ([]vocabEntry, error) {
	c := &cursor{s: string(f.Model.Vocab)}
	if !c.take('{') {
		return nil, errors.New("vocab: not an object")
	}
	var out []vocabEntry
	var buf []byte
	for !c.take('}') {
		c.take(',')
		letters, _ := c.str()
		c.take(':')
		word := c.word()
		id, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %.40s is not an id", vocabKey(letters), word)
		}
		if k, ok := added[letters]; ok {
			a := &f.AddedTokens[k]
			if id != *a.ID {
				return nil, fmt.Errorf("%s: id %d, but added_tokens says %d", vocabKey(letters), id, *a.ID)
			}
			if a.Special {
				continue
			}
			a.shared = true
		}
		if letters == "" {
			return nil, fmt.Errorf("%s: an empty token", vocabKey(letters))
		}
		buf, err = appendBytes(buf[:0], letters)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", vocabKey(letters), err)
		}
		out = append(out, vocabEntry{letters, string(buf), id})
	}
	return out, nil
}

// readMerges reads model.merges, the elements "a b" or ["a", "b"].
func (t *Tokenizer) readMerges(raw []byte) error {
	c := &cursor{s: string(raw)}
	if !c.take('[') {
		return errors.New("merges: not a list")
	}
	list := mergeList{tokenizer: t}
	for !c.take(']') {
		c.take(',')
		a, b, ok := c.pair()
		if !ok {
			return fmt.Errorf(`merges[%d]: neither "a b" nor ["a", "b"]`, len(list.made))
		}
		if err := list.add(a, b); err != nil {
			return err
		}
	}
	list.done()
	return nil
}

// A mergeList collects merges in order of rank.
type mergeList struct {
	tokenizer *Tokenizer
	merges    []merge
	made      []int32
	buf       []byte
}

// add appends the merge of two tokens in letters.
func (l *mergeList) add(a, b string) error {
	rank := len(l.made)
	if rank >= noRank {
		return fmt.Errorf("merges: more than the %d that this package takes", noRank)
	}
	var ids [3]int32
	var err error
	l.buf, ids, err = l.tokenizer.mergeIDs(l.buf, a, b)
	if err != nil {
		return fmt.Errorf("merges[%d]: %w", rank, err)
	}
	l.merges = append(l.merges, merge{ids[0], ids[1], uint32(rank)})
	l.made = append(l.made, ids[2])
	return nil
}

func (l *mergeList) done() { l.tokenizer.merger.setMerges(l.merges, l.made) }

// mergeIDs returns the ids of a, b and the token that they make. It works in
// buf, which it returns.
func (t *Tokenizer) mergeIDs(buf []byte, a, b string) ([]byte, [3]int32, error) {
	var ids [3]int32
	buf, err := appendBytes(buf[:0], a)
	if err != nil {
		return buf, ids, fmt.Errorf("%.40q: %w", a, err)
	}
	mid := len(buf)
	buf, err = appendBytes(buf, b)
	if err != nil {
		return buf, ids, fmt.Errorf("%.40q: %w", b, err)
	}
	if mid == 0 || mid == len(buf) {
		return buf, ids, errors.New("an empty token")
	}
	for i, span := range [3][2]int{{0, mid}, {mid, len(buf)}, {0, len(buf)}} {
		ids[i] = t.pieces.get(buf, span[0], span[1])
		if ids[i] < 0 {
			return buf, ids, fmt.Errorf("token %.40q is not in the vocabulary", buf[span[0]:span[1]])
		}
	}
	return buf, ids, nil
}
