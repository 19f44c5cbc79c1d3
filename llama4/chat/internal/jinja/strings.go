package jinja

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

func lower(s string) string { return mapRunes(s, unicode.ToLower) }

// upper maps character by character, and "ß" to "SS" as Python does.
func upper(s string) string {
	return strings.ReplaceAll(mapRunes(s, unicode.ToUpper), "ß", "SS")
}

func capitalize(s string) string {
	first := true
	return mapRunes(s, func(r rune) rune {
		if first {
			first = false
			return unicode.ToTitle(r)
		}
		return unicode.ToLower(r)
	})
}

// jinjaTitle capitalises the words between the characters - ( { [ < and white space.
func jinjaTitle(s string) string {
	return titleBy(s, func(r rune) bool { return isSpace(r) || strings.ContainsRune("-({[<", r) })
}

// pyTitle is str.title: a word is a run of letters.
func pyTitle(s string) string { return titleBy(s, func(r rune) bool { return !unicode.IsLetter(r) }) }

func titleBy(s string, breaks func(r rune) bool) string {
	var b strings.Builder
	start := true
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		piece := s[i : i+n]
		plain := firstRune(piece)
		switch {
		case breaks(plain):
			start = true
		case start:
			piece, start = mapRunes(piece, unicode.ToTitle), false
		default:
			piece = string(unicode.ToLower(r))
			if n == 1 && r == utf8.RuneError {
				piece = s[i : i+n]
			}
		}
		b.WriteString(piece)
		i += n
	}
	return b.String()
}

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }

// hasCase is str.isupper and str.islower: there are cased letters and all are of that case.
func hasCase(s string, up bool) bool {
	cased := false
	for _, r := range s {
		switch {
		case unicode.IsUpper(r) || unicode.IsTitle(r):
			cased = true
			if !up {
				return false
			}
		case unicode.IsLower(r):
			cased = true
			if up {
				return false
			}
		}
	}
	return cased
}

// strip removes white space, or the characters of a string, from the ends.
func strip(st *state, s string, chars Value, left, right bool) (Value, error) {
	in, cost := isSpace, 1
	switch c := chars.(type) {
	case nil:
	case string:
		set := Unmark(c)
		in = func(r rune) bool { return strings.ContainsRune(set, r) }
		cost += len(set) / 16
	default:
		return nil, fmt.Errorf("strip arg must be None or str, not %s", typeName(chars))
	}
	for left && s != "" && in(firstRune(s)) {
		_, n := utf8.DecodeRuneInString(s)
		s = s[n:]
		if err := st.spend(cost); err != nil {
			return nil, err
		}
	}
	for right && s != "" {
		_, n := utf8.DecodeLastRuneInString(s)
		if !in(firstRune(s[len(s)-n:])) {
			break
		}
		s = s[:len(s)-n]
		if err := st.spend(cost); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// find returns the places of sep in s, up to max of them (-1 for all), not overlapping. Marks compare as characters,
// and as they are single bytes the places hold for the marked text.
func find(s, sep string, max int64) []int {
	s, sep = Unmark(s), Unmark(sep)
	var at []int
	for from := 0; max < 0 || int64(len(at)) < max; {
		i := strings.Index(s[from:], sep)
		if i < 0 {
			break
		}
		at = append(at, from+i)
		from += i + len(sep)
	}
	return at
}

func replace(st *state, s, old, repl string, count int64) (Value, error) {
	if old == "" {
		return replaceEmpty(st, s, repl, count)
	}
	at := find(s, old, count)
	if err := st.growTimes(len(repl)+16, int64(len(at))); err != nil {
		return nil, err
	}
	if err := st.grow(len(s)); err != nil {
		return nil, err
	}
	var b strings.Builder
	from := 0
	for _, i := range at {
		b.WriteString(s[from:i])
		b.WriteString(repl)
		from = i + len(old)
	}
	b.WriteString(s[from:])
	return b.String(), nil
}

// replaceEmpty puts repl before every character and at the end, as Python does for an empty search string.
func replaceEmpty(st *state, s, repl string, count int64) (Value, error) {
	chars := runes(s)
	n := int64(len(chars) + 1)
	if count >= 0 {
		n = min(n, count)
	}
	if err := st.growTimes(len(repl)+cell, n); err != nil {
		return nil, err
	}
	var b strings.Builder
	for i := range int64(len(chars) + 1) {
		if i < n {
			b.WriteString(repl)
		}
		if i < int64(len(chars)) {
			b.WriteString(chars[i])
		}
	}
	return b.String(), st.grow(len(s))
}

// splitLines splits at Python's line boundaries.
func splitLines(s string, keep bool) []string {
	var lines []string
	for s != "" {
		i := strings.IndexFunc(s, isLineEnd)
		if i < 0 {
			return append(lines, s)
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		if strings.HasPrefix(s[i:], "\r\n") {
			n = 2
		}
		end := i
		if keep {
			end += n
		}
		lines, s = append(lines, s[:end]), s[i+n:]
	}
	return lines
}

func isLineEnd(r rune) bool {
	return r >= '\n' && r <= '\r' || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
}

type padSide uint8

const (
	padLeft padSide = iota
	padRight
	padBoth
)

// pad fills s up to width characters.
func pad(st *state, s string, width int64, fill string, side padSide) (Value, error) {
	if utf8.RuneCountInString(fill) != 1 {
		return nil, errors.New("the fill character must be exactly one character long")
	}
	n := width - int64(utf8.RuneCountInString(s))
	if n <= 0 {
		return s, nil
	}
	if err := st.growTimes(len(fill), n); err != nil {
		return nil, err
	}
	if err := st.grow(len(s)); err != nil {
		return nil, err
	}
	left := int64(0)
	switch side {
	case padLeft:
		left = n
	case padBoth:
		left = n/2 + n&width&1 // as CPython divides an odd remainder
	}
	if n > math.MaxInt32 {
		return nil, fmt.Errorf("%w: the width is too large", ErrLimit)
	}
	return strings.Repeat(fill, int(left)) + s + strings.Repeat(fill, int(n-left)), nil
}
