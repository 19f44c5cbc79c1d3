package safetensors

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/x448/float16"
)

// Tensor is one tensor of a file.
type Tensor struct {
	Name  string
	DType DType
	// Shape is empty for a scalar; a dimension may be 0.
	Shape []int64
	// Data holds the elements in row-major order, little-endian. It is a view of
	// the file (see the package documentation for alignment and lifetime), and nil
	// if only headers were read.
	Data []byte
	// Shard is the name of the file that holds the tensor.
	Shard string
}

// Elements returns the product of the shape: 1 for a scalar. It returns -1 for a
// shape that has a negative dimension or overflows, which no file yields.
func (t Tensor) Elements() int64 {
	n, ok := elements(t.Shape)
	if !ok {
		return -1
	}
	return n
}

// Bytes returns the size of the tensor's data, loaded or not; -1 like Elements.
func (t Tensor) Bytes() int64 {
	n, ok := dataSize(t.DType, t.Shape)
	if !ok {
		return -1
	}
	return n
}

func elements(shape []int64) (int64, bool) {
	n := int64(1)
	for _, d := range shape {
		if d < 0 {
			return 0, false
		}
		hi, lo := bits.Mul64(uint64(n), uint64(d))
		if hi != 0 || lo > math.MaxInt64 {
			return 0, false
		}
		n = int64(lo)
	}
	return n, true
}

func dataSize(d DType, shape []int64) (int64, bool) {
	n, ok := elements(shape)
	if !ok || n > math.MaxInt64/8 {
		return 0, false
	}
	return n * int64(d.size()), true
}

// Float32s returns the elements as float32, in dst if its capacity suffices.
// F16, BF16 and the 8-bit floats convert exactly; F64 and the wide integers are
// rounded to nearest; BOOL gives 0 and 1. The result has len(Data)/element size
// elements, none for a tensor without data or type.
func (t Tensor) Float32s(dst []float32) []float32 {
	size := t.DType.size()
	if size == 0 {
		return dst[:0]
	}
	n := len(t.Data) / size
	dst = slices.Grow(dst[:0], n)[:n]
	switch src := t.Data; t.DType {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	case F16:
		for i := range dst {
			dst[i] = float16.Frombits(binary.LittleEndian.Uint16(src[2*i:])).Float32()
		}
	case F8_E4M3, F8_E5M2:
		for i := range dst {
			dst[i] = float8(t.DType, src[i])
		}
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
		}
	default:
		integers(dst, t.DType, src)
	}
	return dst
}

func integers(dst []float32, d DType, src []byte) {
	le := binary.LittleEndian
	for i := range dst {
		switch d {
		case I8:
			dst[i] = float32(int8(src[i]))
		case I16:
			dst[i] = float32(int16(le.Uint16(src[2*i:])))
		case U16:
			dst[i] = float32(le.Uint16(src[2*i:]))
		case I32:
			dst[i] = float32(int32(le.Uint32(src[4*i:])))
		case U32:
			dst[i] = float32(le.Uint32(src[4*i:]))
		case I64:
			dst[i] = float32(int64(le.Uint64(src[8*i:])))
		case U64:
			dst[i] = float32(le.Uint64(src[8*i:]))
		default: // U8, BOOL
			dst[i] = float32(src[i])
		}
	}
}

// float8 decodes the two formats of "FP8 Formats for Deep Learning"
// (arXiv:2209.05433): E5M2 is an F16 without its low byte; E4M3 has bias 7 and
// spends its top code on NaN alone.
func float8(d DType, b byte) float32 {
	if d == F8_E5M2 {
		return float16.Frombits(uint16(b) << 8).Float32()
	}
	sign, exp, frac := uint32(b>>7)<<31, uint32(b>>3)&15, uint32(b)&7
	switch {
	case exp == 15 && frac == 7:
		return math.Float32frombits(sign | 0x7fc00000)
	case exp == 0:
		return math.Float32frombits(sign | math.Float32bits(float32(frac)/512))
	}
	return math.Float32frombits(sign | (exp+127-7)<<23 | frac<<20)
}
