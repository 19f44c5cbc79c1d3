package gguf

import (
	"encoding/binary"

	"github.com/llama4go/llama4go/llama4/quant"
)

// block describes a type: how many elements share how many bytes, and how they are
// taken apart.
type block struct {
	values, bytes int

	// Of quantized types, where w = scale*q + offset:
	bits     int  // of q
	unsigned bool // q counts from 0
	group    int  // values that share a scale
	offset   bool
	wide     bool // scales and offsets need fp32
	// unpack fills q of a block, int8 as bytes, and scales the scale and the offset of
	// each group; offset is to be left alone by types without.
	unpack func(src, q []byte)
	scales func(src []byte, scale, offset []float32)
}

func (b *block) quantized() bool { return b.unpack != nil }

var blocks = map[Type]block{
	F32:  {values: 1, bytes: 4},
	F16:  {values: 1, bytes: 2},
	BF16: {values: 1, bytes: 2},
	Q4_0: {32, 18, 4, false, 32, false, false, unpackQ4_0, scale},
	Q4_1: {32, 20, 4, true, 32, true, true, unpackQ4_1, scaleAndMinimum},
	Q5_0: {32, 22, 5, false, 32, false, false, unpackQ5_0, scale},
	Q5_1: {32, 24, 5, true, 32, true, false, unpackQ5_1, scaleAndMinimum},
	Q8_0: {32, 34, 8, false, 32, false, false, unpackQ8_0, scale},
	Q4_K: {256, 144, 4, true, 32, true, true, unpackQ4_K, scalesK},
	Q5_K: {256, 176, 5, true, 32, true, true, unpackQ5_K, scalesK},
	Q6_K: {256, 210, 6, false, 16, false, true, unpackQ6_K, scalesQ6_K},
}

func half(src []byte) float32 {
	return quant.Float(quant.F16, src)
}

// Eight bytes at a time are taken apart as one word.

func word(b []byte) uint64       { return binary.LittleEndian.Uint64(b) }
func putWord(b []byte, w uint64) { binary.LittleEndian.PutUint64(b, w) }

// ones has 1 in each byte, so that n*ones has n.
const ones = 0x0101010101010101

// nibbles spreads the low halves of src over the first of two runs of q, and the
// high halves over the second.
func nibbles(src, q []byte) {
	low, high := q[:len(src)], q[len(src):2*len(src)]
	for i := 0; i+8 <= len(src); i += 8 {
		w := word(src[i:])
		putWord(low[i:], w&(15*ones))
		putWord(high[i:], w>>4&(15*ones))
	}
}

// minus takes n from all of q, which are under 128. The top bits are there to be
// borrowed from.
func minus(q []byte, n uint64) {
	for i := 0; i+8 <= len(q); i += 8 {
		putWord(q[i:], (word(q[i:])|128*ones)-n*ones^128*ones)
	}
}

// scale reads that of a block of one group, the first thing there.
func scale(src []byte, scale, _ []float32) { scale[0] = half(src) }

// scaleAndMinimum reads a scale and what the values begin at.
func scaleAndMinimum(src []byte, scale, offset []float32) {
	scale[0], offset[0] = half(src), half(src[2:])
}

func unpackQ4_0(src, q []byte) {
	nibbles(src[2:18], q)
	minus(q, 8)
}

func unpackQ4_1(src, q []byte) { nibbles(src[4:20], q) }

// fifths adds a fifth bit to 32 values: each byte of src has those of eight.
func fifths(src, q []byte) {
	for i, bits := range src[:4] {
		each := uint64(bits) * ones & 0x8040201008040201 // a bit in its own byte, at its own place
		each = (each + 127*ones) & (128 * ones)          // at the top
		putWord(q[8*i:], word(q[8*i:])|each>>3)
	}
}

func unpackQ5_0(src, q []byte) {
	nibbles(src[6:22], q)
	fifths(src[2:], q)
	minus(q, 16)
}

func unpackQ5_1(src, q []byte) {
	nibbles(src[8:24], q)
	fifths(src[4:], q)
}

func unpackQ8_0(src, q []byte) { copy(q, src[2:34]) }

// scalesK takes apart the start of a Q4_K or Q5_K block: a scale and a minimum of
// fp16 for all, times 6 bits of each for every group. The first four groups have
// theirs in the low 6 bits of bytes 0 to 7; the others have the low 4 bits in bytes
// 8 to 11 and the rest in the bits that the first leave.
func scalesK(src []byte, scale, offset []float32) {
	d, dmin := half(src), half(src[2:])
	packed := src[4:16]
	for j := range 4 {
		s, m, both := packed[j], packed[j+4], packed[j+8]
		scale[j], scale[j+4] = d*float32(s&63), d*float32(both&15|s>>6<<4)
		offset[j], offset[j+4] = -dmin*float32(m&63), -dmin*float32(both>>4|m>>6<<4)
	}
}

func unpackQ4_K(src, q []byte) {
	for c := range 4 {
		nibbles(src[16+32*c:48+32*c], q[64*c:])
	}
}

func unpackQ5_K(src, q []byte) {
	for c := range 4 {
		nibbles(src[48+32*c:80+32*c], q[64*c:])
	}
	for i := 0; i < 32; i += 8 {
		bits := word(src[16+i:])
		for g := range 8 {
			q := q[32*g+i:]
			putWord(q, word(q)|bits>>g&ones<<4)
		}
	}
}

func unpackQ6_K(src, q []byte) {
	for h := range 2 { // 128 values, from 64 bytes of low bits and 32 of high ones
		q := q[128*h : 128*h+128]
		nibbles(src[64*h:64*h+64], q)
		for i := 0; i < 32; i += 8 {
			bits := word(src[128+32*h+i:])
			for r := range 4 {
				q := q[32*r+i:]
				putWord(q, word(q)|bits>>(2*r)&(3*ones)<<4)
			}
		}
		minus(q, 32)
	}
}

func scalesQ6_K(src []byte, scale, _ []float32) {
	d := half(src[208:])
	for g, s := range src[192:208] {
		scale[g] = d * float32(int8(s))
	}
}
