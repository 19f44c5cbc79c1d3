package quant

import (
	"encoding/binary"
	"math"

	"github.com/x448/float16"
)

// Quantize quantizes rows of k values, as a device does: for each group of a row
//
//	F8: scale = max |w| / 448, q = e4m3(w / scale), saturating
//	I4: scale = max(max |w|, 1e-6) / 8, q = round(w / scale) in -8 .. 7, ties to even
//
// in fp32 with the scale as it is stored; an F8 group of zeros has scale 1. A group
// with a value that is not finite becomes NaN. The values and scales returned fill
// rows one after the other. It is meant for tests: it is not fast.
func Quantize(f Format, w []float32, k int64) (values, scales []byte) {
	group := f.GroupOf(k)
	for ; len(w) > 0; w = w[k:] {
		row := make([]byte, 0, k)
		for rest := w[:k]; len(rest) > 0; {
			n := min(group, int64(len(rest)))
			codes, scale := quantizeGroup(f, rest[:n])
			row, scales = append(row, codes...), append(scales, scale...)
			rest = rest[n:]
		}
		if f.Type == I4 {
			row = PackI4(row)
		}
		values = append(values, row...)
	}
	return values, scales
}

// quantizeGroup returns a byte a value, of I4 the value + 8, and the scale.
func quantizeGroup(f Format, w []float32) (codes, scale []byte) {
	largest, finite := float32(0), true
	for _, v := range w {
		a := float32(math.Abs(float64(v)))
		finite = finite && a <= math.MaxFloat32
		largest = max(largest, a)
	}
	s := largest / F8Max
	if f.Type == I4 {
		s = max(largest, 1e-6) / 8
	} else if largest == 0 {
		s = 1
	}
	if !finite {
		s = 1
		if f.Type == I4 {
			s = float32(math.NaN())
		}
	}
	scale = make([]byte, f.Scale.RowBytes(1))
	PutFloat(scale, f.Scale, s)
	s = Float(f.Scale, scale)
	codes = make([]byte, len(w))
	for i, v := range w {
		switch {
		case f.Type == I4 && !finite:
			codes[i] = 8
		case f.Type == I4:
			codes[i] = byte(min(max(math.RoundToEven(float64(v/s)), -8), 7) + 8)
		case !finite:
			codes[i] = 0x7f
		default:
			codes[i] = E4M3(v / s)
		}
	}
	return codes, scale
}

// Dequantize returns the numbers that rows of k values stand for, computed in fp32.
// The offsets are nil if the format has none.
func Dequantize(f Format, values, scales, offsets []byte, k int64) []float32 {
	rowBytes, _ := f.RowBytes(k)
	group, groups, size := f.GroupOf(k), f.Groups(k), f.Scale.RowBytes(1)
	var w []float32
	for row := int64(0); int64(len(values)) >= (row+1)*rowBytes; row++ {
		q := values[row*rowBytes : (row+1)*rowBytes]
		for i := range k {
			at := (row*groups + i/group) * size
			v := float32(Float(f.Scale, scales[at:]) * code(f.Type, q, i)) // rounded, not fused
			if offsets != nil {
				v += Float(f.Scale, offsets[at:])
			}
			w = append(w, v)
		}
	}
	return w
}

// code returns value i of a row.
func code(t Type, q []byte, i int64) float32 {
	switch t {
	case F8:
		return FromE4M3(q[i])
	case I8:
		return float32(int8(q[i]))
	default:
		return float32(int(q[i/2]>>(i%2*4)&15) - 8)
	}
}

// PackI4 packs values + 8, a byte each, two to a byte, the even index low. The upper
// half of a last byte that is not full is 0.
func PackI4(codes []byte) []byte {
	packed := make([]byte, (len(codes)+1)/2)
	for i, c := range codes {
		packed[i/2] |= c & 15 << (i % 2 * 4)
	}
	return packed
}

// Float reads a number of type F32, BF16 or F16, little-endian.
func Float(t Type, b []byte) float32 {
	switch t {
	case F32:
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	case F16:
		return float16.Frombits(binary.LittleEndian.Uint16(b)).Float32()
	default:
		return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
	}
}

// PutFloat writes a number of type F32, BF16 or F16, rounded to nearest, ties to even.
// A NaN stays one.
func PutFloat(b []byte, t Type, v float32) {
	switch t {
	case F32:
		binary.LittleEndian.PutUint32(b, math.Float32bits(v))
	case F16:
		binary.LittleEndian.PutUint16(b, float16.Fromfloat32(v).Bits())
	default:
		binary.LittleEndian.PutUint16(b, BF16Bits(v))
	}
}

// BF16Bits rounds to BF16, to nearest, ties to even. A NaN stays one.
func BF16Bits(v float32) uint16 {
	bits := math.Float32bits(v)
	if v != v {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}
