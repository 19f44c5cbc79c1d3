package tokenizer

import "unicode/utf8"

// A class says how the o200k pattern sees a character. The values are letters
// so that the generated tables can be read; their low bits answer the
// questions that the scanner asks.
const (
	classOther   = '@' // none of the below, and every ill-formed byte sequence
	classUpper   = 'A' // Lu Lt: in the first class of a word
	classLower   = 'B' // Ll: in the second class of a word
	classBoth    = 'C' // Lm Lo: in both
	classMark    = 'G' // M: in both, yet no letter
	classNumber  = 'H' // N
	classSpace   = 'P' // White_Space, except:
	classNewline = 'X' // \r \n

	inUpper = 0x01 // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
	inLower = 0x02 // [\p{Ll}\p{Lm}\p{Lo}\p{M}]
	inWord  = inUpper | inLower
	inSpace = 0x10 // \s
)

type classRange struct {
	lo, hi rune
	class  byte
}

const tableEnd = len(classIndex) * 128

// classOf returns the class of r.
func classOf(r rune) byte {
	if uint(r) < uint(tableEnd) {
		return classBlocks[int(classIndex[uint(r)>>7])<<7|int(r)&127]
	}
	for _, x := range classRanges {
		if r <= x.hi {
			if r >= x.lo {
				return x.class
			}
			break
		}
	}
	return classOther
}

// classAt returns the class and the length of the character at b[i]. An
// ill-formed sequence counts as one character, as if U+FFFD stood there.
func classAt(b []byte, i int) (class byte, n int) {
	if c := b[i]; c < utf8.RuneSelf {
		return classBlocks[c], 1
	}
	return classAtSlow(b[i:])
}

func classAtSlow(b []byte) (class byte, n int) {
	r, n := utf8.DecodeRune(b)
	if r == utf8.RuneError && n == 1 {
		n, _ = sequence(b)
		return classOther, n
	}
	return classOf(r), n
}
