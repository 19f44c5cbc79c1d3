package tokenizer

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
)

// ParseTiktoken reads Meta's tokenizer.model: on each line a token in base64, a
// space and its rank, which is its id. The special tokens of Llama 4 take the
// ids after the last rank. An error names the line.
func ParseTiktoken(data []byte) (*Tokenizer, error) {
	ranks, err := parseRanks(data)
	if err != nil {
		return nil, fmt.Errorf("tokenizer.model: %w", err)
	}
	t, err := fromRanks(ranks)
	if err != nil {
		return nil, fmt.Errorf("tokenizer.model: %w", err)
	}
	return t, nil
}

// maxToken bounds the time that deriving the merges takes. The longest token of
// Llama 4 has 113 bytes.
const maxToken = 1024

// A rankedToken is a line of the file.
type rankedToken struct {
	token string
	rank  int
	line  int
}

func parseRanks(data []byte) ([]rankedToken, error) {
	out := make([]rankedToken, 0, bytes.Count(data, []byte{'\n'})+1)
	var token []byte
	line := 0
	for l := range bytes.Lines(data) {
		line++
		fields := bytes.Fields(l)
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 2 {
			return nil, fmt.Errorf("line %d: %d fields, want a token in base64 and its rank", line, len(fields))
		}
		var err error
		token, err = base64.StdEncoding.Strict().AppendDecode(token[:0], fields[0])
		if err != nil {
			return nil, fmt.Errorf("line %d: token: %w", line, err)
		}
		if n := len(token); n == 0 || n > maxToken {
			return nil, fmt.Errorf("line %d: a token of %d bytes; 1 to %d are allowed", line, n, maxToken)
		}
		rank, err := strconv.Atoi(string(fields[1]))
		if err != nil {
			return nil, fmt.Errorf("line %d: rank %q is not a number", line, fields[1])
		}
		out = append(out, rankedToken{string(token), rank, line})
	}
	if len(out)+numSpecial > maxIDs {
		return nil, fmt.Errorf("%d tokens; this package takes %d", len(out), maxIDs-numSpecial)
	}
	return out, nil
}

func fromRanks(ranks []rankedToken) (*Tokenizer, error) {
	n := len(ranks)
	tokens := make([]string, n, n+numSpecial)
	lines := make([]int, n)
	for _, r := range ranks {
		if r.rank < 0 || r.rank >= n {
			return nil, fmt.Errorf("line %d: rank %d is out of range: the file has %d tokens, so ranks run from 0 to %d", r.line, r.rank, n, n-1)
		}
		if first := lines[r.rank]; first != 0 {
			return nil, fmt.Errorf("line %d: rank %d is already on line %d", r.line, r.rank, first)
		}
		tokens[r.rank], lines[r.rank] = r.token, r.line
	}
	var added []addedToken
	for i, name := range llama4Special() {
		added = append(added, addedToken{id: int32(n + i), name: name, special: true})
		tokens = append(tokens, name)
	}
	where := func(id int32) string { return fmt.Sprintf("line %d", lines[id]) }
	t, err := newTokenizer(tokens, added, where)
	if err != nil {
		return nil, err
	}
	t.mergesOfRanks(n)
	return t, nil
}

// mergesOfRanks derives merges from the ranks: tiktoken merges two tokens if
// their bytes together are one, in order of its rank. That is one merge for
// every way to cut a token into two others, all of the same rank.
func (t *Tokenizer) mergesOfRanks(n int) {
	made := make([]int32, n)
	merges := make([]merge, 0, 3*n)
	for id, s := range t.tokens[:n] {
		made[id] = int32(id)
		b := bytesOf(s)
		for k := 1; k < len(b); k++ {
			left := t.pieces.get(b, 0, k)
			if left < 0 {
				continue
			}
			if right := t.pieces.get(b, k, len(b)); right >= 0 {
				merges = append(merges, merge{left, right, uint32(id)})
			}
		}
	}
	t.merger.setMerges(merges, made)
}
