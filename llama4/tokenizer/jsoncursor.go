package tokenizer

import (
	"encoding/json"
	"strings"
)

// A cursor reads JSON that is known to be well-formed. It exists because
// encoding/json takes several times as long for a large vocabulary and hides
// keys that come twice.
type cursor struct {
	s string
	i int
}

// peek returns the next byte that is not white space, or 0 at the end.
func (c *cursor) peek() byte {
	for c.i < len(c.s) {
		switch x := c.s[c.i]; x {
		case ' ', '\t', '\n', '\r':
			c.i++
		default:
			return x
		}
	}
	return 0
}

// take steps over x if that is next.
func (c *cursor) take(x byte) bool {
	if c.peek() != x {
		return false
	}
	c.i++
	return true
}

// str reads a string.
func (c *cursor) str() (string, bool) {
	if c.peek() != '"' {
		return "", false
	}
	start, plain := c.i, true
	for c.i++; c.s[c.i] != '"'; c.i++ {
		if c.s[c.i] == '\\' {
			plain = false
			c.i++
		}
	}
	c.i++
	if plain {
		return c.s[start+1 : c.i-1], true
	}
	var s string
	err := json.Unmarshal([]byte(c.s[start:c.i]), &s)
	return s, err == nil
}

// word reads a number or a literal; of anything else it returns one byte.
func (c *cursor) word() string {
	c.peek()
	start := c.i
	for c.i < len(c.s) {
		switch c.s[c.i] {
		case ',', '}', ']', ' ', '\t', '\n', '\r':
			return c.s[start:c.i]
		case '"', '{', '[':
			return c.s[c.i : c.i+1]
		}
		c.i++
	}
	return c.s[start:]
}

// pair reads a merge: "a b" or ["a", "b"].
func (c *cursor) pair() (a, b string, ok bool) {
	if s, ok := c.str(); ok {
		a, b, ok = strings.Cut(s, " ")
		return a, b, ok && !strings.Contains(b, " ")
	}
	if !c.take('[') {
		return "", "", false
	}
	a, okA := c.str()
	ok = okA && c.take(',')
	b, okB := c.str()
	return a, b, ok && okB && c.take(']')
}
