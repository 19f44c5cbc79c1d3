package grammar

import "unicode/utf8"

type byteRange struct{ lo, hi byte }

// byteRanges calls yield with sequences of byte ranges that together make up the
// UTF-8 encodings of the characters of c, none twice.
func (c class) byteRanges(yield func([]byteRange)) {
	for _, r := range c {
		// Encodings of the same length differ by rule, those of different lengths
		// have nothing in common.
		for _, top := range []rune{0x7f, 0x7ff, 0xffff, utf8.MaxRune} {
			if r.lo > r.hi {
				break
			}
			if r.lo <= top {
				splitRange(r.lo, min(r.hi, top), yield)
				r.lo = top + 1
			}
		}
	}
}

// splitRange cuts lo to hi, of one length, so that each part is a product of
// ranges of bytes.
func splitRange(lo, hi rune, yield func([]byteRange)) {
	for bits := 6; bits <= 18; bits += 6 {
		mask := rune(1)<<bits - 1
		if lo&^mask == hi&^mask {
			break // they differ below this byte only
		}
		if lo&mask != 0 {
			splitRange(lo, lo|mask, yield)
			splitRange((lo|mask)+1, hi, yield)
			return
		}
		if hi&mask != mask {
			splitRange(lo, hi&^mask-1, yield)
			splitRange(hi&^mask, hi, yield)
			return
		}
	}
	var a, b [utf8.UTFMax]byte
	n := utf8.EncodeRune(a[:], lo)
	utf8.EncodeRune(b[:], hi)
	out := make([]byteRange, n)
	for i := range out {
		out[i] = byteRange{a[i], b[i]}
	}
	yield(out)
}
