package gguf

import (
	"fmt"
	"math"
	"strings"
)

// Type is how a tensor's elements are stored, by ggml's number.
type Type uint32

// The types that are read.
const (
	F32  Type = 0
	F16  Type = 1
	Q4_0 Type = 2
	Q4_1 Type = 3
	Q5_0 Type = 6
	Q5_1 Type = 7
	Q8_0 Type = 8
	Q4_K Type = 12
	Q5_K Type = 13
	Q6_K Type = 14
	BF16 Type = 30
)

// names are those of ggml, for errors too.
var names = [...]string{
	0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K",
	12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
	20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64",
	29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4",
}

// String returns ggml's name: "Q4_K".
func (t Type) String() string {
	if int64(t) < int64(len(names)) && names[t] != "" {
		return names[t]
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// Tensor is one tensor of a file.
type Tensor struct {
	Name string
	Type Type
	// Shape has the slowest dimension first, as in PyTorch: a linear layer is
	// [outputs, inputs]. (The file, and llama.cpp's messages, have it last.)
	Shape []int64
	// Data is a view of the file: blocks of elements, row by row.
	Data []byte
}

// Columns returns the length of a row, the last dimension: 1 for a scalar.
func (t *Tensor) Columns() int64 {
	if len(t.Shape) == 0 {
		return 1
	}
	return t.Shape[len(t.Shape)-1]
}

// Rows returns the number of rows, the product of all dimensions but the last.
func (t *Tensor) Rows() int64 {
	n := int64(1)
	for _, d := range t.Shape[:max(len(t.Shape)-1, 0)] {
		n *= d
	}
	return n
}

// size checks type and shape and returns the bytes of the data.
func (t *Tensor) size() (uint64, error) {
	b, ok := blocks[t.Type]
	if !ok {
		return 0, invalid(t.Name, "%v is not supported, only %s", t.Type, strings.Join(supported(), ", "))
	}
	elements := int64(1)
	for _, d := range t.Shape {
		if d <= 0 || elements > math.MaxInt64/8/d { // 8: an element has at most 4 bytes
			return 0, invalid(t.Name, "impossible shape %v", t.Shape)
		}
		elements *= d
	}
	if t.Columns()%int64(b.values) != 0 {
		return 0, invalid(t.Name, "shape %v: a row is not made of whole blocks of %d, as %v has them", t.Shape, b.values, t.Type)
	}
	return uint64(elements / int64(b.values) * int64(b.bytes)), nil
}

func supported() []string {
	var list []string
	for i := range names {
		if _, ok := blocks[Type(i)]; ok {
			list = append(list, names[i])
		}
	}
	return list
}
