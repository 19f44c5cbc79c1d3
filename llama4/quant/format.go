package quant

import "fmt"

// Type is the type of a matrix's values or scales.
type Type uint8

// The types. F8 is e4m3fn: no infinities, the largest is 448. I4 is two to a byte,
// the even index low, each value + 8; a row begins at a byte of its own.
const (
	BF16 Type = iota
	F32
	F16
	F8
	I8
	I4
)

var types = [...]struct {
	name string
	bits int64
}{BF16: {"bf16", 16}, F32: {"f32", 32}, F16: {"f16", 16}, F8: {"f8", 8}, I8: {"i8", 8}, I4: {"i4", 4}}

// String returns the type in lower case: "f8".
func (t Type) String() string {
	if int(t) >= len(types) {
		return fmt.Sprintf("type %d", uint8(t))
	}
	return types[t].name
}

// RowBytes returns the size of n values in a row.
func (t Type) RowBytes(n int64) int64 { return (n*types[t].bits + 7) / 8 }

// Format is how the values of a matrix are kept. The zero value is BF16, not
// quantized.
type Format struct {
	// Type is F8, I8 or I4; BF16 for what is not quantized.
	Type Type
	// Group is the number of values along K that share a scale; 0 is a whole row. The
	// last group of a row may be shorter.
	Group int64
	// Scale is the type of scales and offsets: F32, BF16 or F16.
	Scale Type
	// Offset says that groups have an offset.
	Offset bool
}

// Quantized reports whether the format is that of a quantized matrix.
func (f Format) Quantized() bool { return f.Type != BF16 }

// Groups returns the number of groups in a row of k values, 0 if the format is not
// quantized.
func (f Format) Groups(k int64) int64 {
	if !f.Quantized() || k == 0 {
		return 0
	}
	group := f.GroupOf(k)
	return (k + group - 1) / group
}

// GroupOf returns the length of a group in rows of k values.
func (f Format) GroupOf(k int64) int64 {
	if f.Group == 0 {
		return k
	}
	return f.Group
}

// RowBytes returns the sizes of a row of k values: of the values, and of the scales
// alone. Offsets, where there are any, take as much as scales.
func (f Format) RowBytes(k int64) (values, scales int64) {
	return f.Type.RowBytes(k), f.Scale.RowBytes(f.Groups(k))
}

// Bytes returns the size of rows of k values with their scales and offsets.
func (f Format) Bytes(rows, k int64) int64 {
	values, scales := f.RowBytes(k)
	if f.Offset {
		scales *= 2
	}
	return rows * (values + scales)
}

// Activations is how a layer's input is quantized before it is multiplied.
type Activations uint8

// The kinds of activations; all but plain ones belong to F8.
const (
	// PlainActivations are not quantized.
	PlainActivations Activations = iota
	// RowActivations are e4m3 with a scale a row, min(max |x|, Limit) / 448.
	RowActivations
	// GroupActivations have one for each Group values of a row.
	GroupActivations
	// TensorActivations have the scale Limit for all.
	TensorActivations
)

// Scheme is how a linear layer is quantized. The zero value is not at all.
type Scheme struct {
	// Name is for people: "int4", "compressed-tensors group_0". Empty for none.
	Name string
	Format
	Activations Activations
	// Limit bounds max |x| of RowActivations and GroupActivations, 0 for none; it is
	// the scale of TensorActivations.
	Limit float32
}
