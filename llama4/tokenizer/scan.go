package tokenizer

// pattern is the o200k pattern as Llama 4's files spell it. The scanner below
// is written for it by hand; a file with another pattern is refused.
//
// Its alternatives, in order, with P = [^\r\n\p{L}\p{N}], U and L the two word
// classes and C the English contractions:
//
//	1  P? U* L+ C?
//	2  P? U+ L* C?
//	3  \p{N}{1,3}
//	4  \x20?[^\s\p{L}\p{N}]+[\r\n/]*
//	5  \s*[\r\n]+
//	6  \s+(?!\S)
//	7  \s+
const pattern = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
	`|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
	`|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`

// pieceEnd returns the end of the match of the pattern at b[i:]. Every
// character is in some alternative, so the matches cover the text. Looking for
// the end reads at most one piece further than it, so a scan is linear.
func pieceEnd(b []byte, i int) int {
	c, n := classAt(b, i)
	if c&inWord != 0 {
		// A mark is in P and in both word classes; taken as P or as the
		// first of the word, the match ends at the same place.
		return wordEnd(b, i)
	}
	if c == classNumber {
		return numberEnd(b, i+n)
	}
	j := i + n
	if j < len(b) && c != classNewline {
		d, m := classAt(b, j)
		if d&inWord != 0 {
			return wordEnd(b, j)
		}
		if d == classOther && b[i] == ' ' {
			return symbolsEnd(b, j+m)
		}
	}
	if c == classOther {
		return symbolsEnd(b, j)
	}
	return spaceEnd(b, i)
}

// wordEnd finishes alternatives 1 and 2 for a word whose first letter or mark
// is at b[i]. U* takes all it can. If a lower-case letter follows, L+ goes on
// from there. If not, U* has to give back until L+ finds a character that is in
// both classes, so the word ends after the last one of those; if there is none,
// alternative 2 takes the whole run.
func wordEnd(b []byte, i int) int {
	both := -1
	for i < len(b) {
		c, n := classAt(b, i)
		if c&inUpper == 0 {
			if c&inLower != 0 {
				return contractionEnd(b, lowerEnd(b, i+n))
			}
			break
		}
		i += n
		if c&inLower != 0 {
			both = i
		}
	}
	if both >= 0 {
		i = both
	}
	return contractionEnd(b, i)
}

func lowerEnd(b []byte, i int) int {
	for i < len(b) {
		c, n := classAt(b, i)
		if c&inLower == 0 {
			break
		}
		i += n
	}
	return i
}

// contractionEnd matches (?i:'s|'t|'re|'ve|'m|'ll|'d)? at b[i:]. Besides its
// capital, only s has another character that folds to it: U+017F.
func contractionEnd(b []byte, i int) int {
	if len(b)-i < 2 || b[i] != '\'' {
		return i
	}
	second := byte(0)
	switch b[i+1] | 0x20 {
	case 's', 't', 'm', 'd':
		return i + 2
	case 'r', 'v':
		second = 'e'
	case 'l':
		second = 'l'
	}
	if len(b)-i < 3 {
		return i
	}
	if second != 0 && b[i+2]|0x20 == second || b[i+1] == 0xC5 && b[i+2] == 0xBF {
		return i + 3
	}
	return i
}

// numberEnd takes up to two more characters of alternative 3.
func numberEnd(b []byte, i int) int {
	for k := 0; k < 2 && i < len(b); k++ {
		c, n := classAt(b, i)
		if c != classNumber {
			break
		}
		i += n
	}
	return i
}

// symbolsEnd finishes alternative 4.
func symbolsEnd(b []byte, i int) int {
	for i < len(b) {
		c, n := classAt(b, i)
		if c != classOther && c != classMark {
			break
		}
		i += n
	}
	for i < len(b) && (b[i] == '\n' || b[i] == '\r' || b[i] == '/') {
		i++
	}
	return i
}

// spaceEnd matches alternatives 5 to 7 at b[i:]: up to the last newline of the
// run of white space; without a newline, the whole run at the end of the text,
// and elsewhere all but its last character, if more than one.
func spaceEnd(b []byte, i int) int {
	start, last, newline := i, i, -1
	for i < len(b) {
		c, n := classAt(b, i)
		if c&inSpace == 0 {
			break
		}
		last = i
		i += n
		if c == classNewline {
			newline = i
		}
	}
	switch {
	case newline >= 0:
		return newline
	case i < len(b) && last > start:
		return last
	}
	return i
}
