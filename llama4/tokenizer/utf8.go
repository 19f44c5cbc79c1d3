package tokenizer

import (
	"strings"
	"unicode/utf8"
)

const replacement = "\uFFFD"

// sequence returns the length of the UTF-8 sequence at the start of b, which
// must not be empty. If it is ill-formed or cut off, whole is false and n is
// the length of its maximal subpart (Unicode 16.0, section 3.9, U+FFFD
// Substitution of Maximal Subparts).
func sequence(b []byte) (n int, whole bool) {
	lo, hi, need := byte(0x80), byte(0xBF), 0
	switch c := b[0]; {
	case c < 0x80:
		return 1, true
	case c < 0xC2:
		return 1, false
	case c < 0xE0:
		need = 2
	case c < 0xF0:
		need = 3
		switch c {
		case 0xE0:
			lo = 0xA0 // overlong
		case 0xED:
			hi = 0x9F // surrogates
		}
	case c < 0xF5:
		need = 4
		switch c {
		case 0xF0:
			lo = 0x90 // overlong
		case 0xF4:
			hi = 0x8F // past U+10FFFF
		}
	default:
		return 1, false
	}
	for n = 1; n < need; n++ {
		if n == len(b) || b[n] < lo || b[n] > hi {
			return n, false
		}
		lo, hi = 0x80, 0xBF
	}
	return need, true
}

// wholeLen returns how much of b can be decoded now: all of it except a cut-off
// sequence at the end that more bytes could complete.
func wholeLen(b []byte) int {
	for k := len(b) - 1; k >= 0 && k >= len(b)-3; k-- {
		c := b[k]
		if c < 0x80 {
			break
		}
		if c >= 0xC0 {
			n, whole := sequence(b[k:])
			if !whole && k+n == len(b) && c >= 0xC2 && c < 0xF5 {
				return k
			}
			break
		}
	}
	return len(b)
}

// text returns b as a string, with U+FFFD for each maximal ill-formed subpart.
func text(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var sb strings.Builder
	sb.Grow(len(b) + 8)
	for i := 0; i < len(b); {
		n, whole := sequence(b[i:])
		if whole {
			_, _ = sb.Write(b[i : i+n])
		} else {
			_, _ = sb.WriteString(replacement)
		}
		i += n
	}
	return sb.String()
}
