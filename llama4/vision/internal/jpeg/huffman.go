package jpeg

import (
	"encoding/binary"
	"errors"
)

// lookupBits is how many bits one table lookup decodes at most. Longer codes are rare.
const lookupBits = 10

// huffman is the decoding table of a code.
type huffman struct {
	// lookup holds length<<8 | symbol for the codes of at most lookupBits, 0 for longer ones.
	lookup [1 << lookupBits]uint16
	// whole holds value<<16 | run<<8 | length for AC codes that fit into lookupBits
	// together with their value's bits, 0 for others.
	whole [1 << lookupBits]int32

	symbols []byte
	limit   [18]int32 // first code past those of a length, aligned to 16 bits
	offset  [17]int32 // index of a length's first symbol, less its first code
}

var errHuffman = errors.New("a Huffman table is malformed")

// huffmanCodes keeps the codes of a segment. Their tables are built by the scans that use
// them, for a file may define any number of codes and use none.
func (d *decoder) huffmanCodes(body []byte) error {
	for len(body) > 0 {
		if len(body) < 17 {
			return errHuffman
		}
		class, id, n := body[0]>>4, body[0]&15, 17
		for _, c := range body[1:17] {
			n += int(c)
		}
		if class > 1 || id > 3 || len(body) < n {
			return errHuffman
		}
		d.codes[class][id] = body[1:n]
		body = body[n:]
	}
	return nil
}

// newHuffman builds the table of a code: how many symbols have 1 to 16 bits, and the symbols.
func newHuffman(definition []byte) (*huffman, error) {
	if definition == nil {
		return nil, errors.New("a Huffman table is missing")
	}
	counts, symbols := definition[:16], definition[16:]
	h := &huffman{symbols: symbols}
	code, index := int32(0), int32(0)
	for length := 1; length <= 16; length++ {
		h.offset[length] = index - code
		for range counts[length-1] {
			if code >= 1<<length {
				return nil, errHuffman
			}
			if length <= lookupBits {
				first := code << (lookupBits - length)
				for i := range int32(1) << (lookupBits - length) {
					h.lookup[first+i] = uint16(length)<<8 | uint16(symbols[index])
				}
			}
			code++
			index++
		}
		h.limit[length] = code << (16 - length)
		code <<= 1
	}
	h.limit[17] = 1 << 16 // ends every search
	h.addWhole()
	return h, nil
}

// addWhole adds the codes that a single lookup decodes with their value. A DC table has no
// use for them.
func (h *huffman) addWhole() {
	for i, entry := range h.lookup {
		length, run, size := int(entry>>8), int32(entry>>4&15), int(entry&15)
		if length == 0 || size == 0 || length+size > lookupBits {
			continue
		}
		raw := uint64(i) << (64 - lookupBits + length)
		h.whole[i] = extend(raw>>(64-size), size)<<16 | run<<8 | int32(length+size)
	}
}

// extend turns the size bits of a coefficient into its value.
func extend(bits uint64, size int) int32 {
	v := int32(bits)
	if v < 1<<size>>1 {
		v += -1<<size + 1
	}
	return v
}

// bitReader reads the bits of entropy-coded data. The bits at hand are the upper n of acc.
// Past a marker or the end it gives zeros: padding says how many of the n bits are such,
// so that one test a block, n < padding, finds out that data was missing.
type bitReader struct {
	acc      uint64
	n        int
	padding  int
	restarts byte // the number of the next restart marker
	data     []byte
	pos      int
}

// fill makes at least 48 bits available.
func (r *bitReader) fill() {
	if r.pos+8 <= len(r.data) {
		w := binary.BigEndian.Uint64(r.data[r.pos:])
		if (^w-0x0101010101010101)&w&0x8080808080808080 == 0 { // no byte is 0xff
			// The part of a byte that does not count yet is what the next fill puts there again.
			r.acc |= w >> uint(r.n)
			k := (64 - r.n) >> 3
			r.pos += k
			r.n += 8 * k
			return
		}
	}
	r.fillSlow()
}

func (r *bitReader) fillSlow() {
	for r.n <= 56 {
		b, ok := r.next()
		if !ok {
			r.padding += 8
		}
		r.acc |= uint64(b) << uint(56-r.n)
		r.n += 8
	}
}

// next returns a byte of the entropy-coded data, false at a marker or the end.
func (r *bitReader) next() (byte, bool) {
	if r.pos >= len(r.data) {
		return 0, false
	}
	b := r.data[r.pos]
	if b != 0xff {
		r.pos++
		return b, true
	}
	i := r.pos + 1
	for i < len(r.data) && r.data[i] == 0xff {
		i++
	}
	if i == len(r.data) || r.data[i] != 0 {
		return 0, false
	}
	r.pos = i + 1
	return 0xff, true
}

// symbol decodes one symbol. At least 16 bits must be available.
func (r *bitReader) symbol(h *huffman) (int, bool) {
	if e := h.lookup[r.acc>>(64-lookupBits)]; e != 0 {
		r.take(int(e >> 8))
		return int(e & 255), true
	}
	code := int32(r.acc >> 48)
	length := lookupBits + 1
	for code >= h.limit[length] {
		length++
	}
	if length > 16 {
		return 0, false
	}
	i := int(h.offset[length] + code>>(16-length))
	if i < 0 || i >= len(h.symbols) {
		return 0, false
	}
	r.take(length)
	return int(h.symbols[i]), true
}

func (r *bitReader) take(n int) {
	r.acc <<= uint(n)
	r.n -= n
}

// receive returns the value of a coefficient of size bits. They must be available.
func (r *bitReader) receive(size int) int32 {
	if size == 0 {
		return 0
	}
	v := extend(r.acc>>uint(64-size), size)
	r.take(size)
	return v
}

// bit returns one bit.
func (r *bitReader) bit() bool {
	if r.n == 0 {
		r.fill()
	}
	b := r.acc>>63 != 0
	r.take(1)
	return b
}
