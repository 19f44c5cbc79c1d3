package safetensors

import "fmt"

// DType is the type of a tensor's elements. The zero value is no type.
//
// The constants are in the order in which [Write] lays tensors out, last first:
// wider types come first, so that each tensor starts at a multiple of its
// element size. It is the order of the reference implementation too.
type DType uint8

// The element types, named as the format names them.
const (
	BOOL    DType = iota + 1 // one byte, 0 or 1
	U8                       // 8-bit unsigned integer
	I8                       // 8-bit signed integer
	F8_E5M2                  // 8-bit float, 5 exponent bits, with infinities
	F8_E4M3                  // 8-bit float, 4 exponent bits, NaN but no infinities, up to 448
	I16                      // 16-bit signed integer
	U16                      // 16-bit unsigned integer
	F16                      // IEEE 754 half precision
	BF16                     // the upper half of an F32
	I32                      // 32-bit signed integer
	U32                      // 32-bit unsigned integer
	F32                      // IEEE 754 single precision
	F64                      // IEEE 754 double precision
	I64                      // 64-bit signed integer
	U64                      // 64-bit unsigned integer
)

var dtypes = [...]struct {
	name string
	bits int
}{
	BOOL: {"BOOL", 8}, U8: {"U8", 8}, I8: {"I8", 8}, F8_E5M2: {"F8_E5M2", 8}, F8_E4M3: {"F8_E4M3", 8},
	I16: {"I16", 16}, U16: {"U16", 16}, F16: {"F16", 16}, BF16: {"BF16", 16},
	I32: {"I32", 32}, U32: {"U32", 32}, F32: {"F32", 32},
	F64: {"F64", 64}, I64: {"I64", 64}, U64: {"U64", 64},
}

// String returns the name that the format gives the type, such as "BF16".
func (d DType) String() string {
	if !d.valid() {
		return fmt.Sprintf("DType(%d)", uint8(d))
	}
	return dtypes[d].name
}

// Bits returns the width of one element in bits, 0 for no type.
func (d DType) Bits() int {
	if !d.valid() {
		return 0
	}
	return dtypes[d].bits
}

func (d DType) valid() bool { return d > 0 && int(d) < len(dtypes) }

// size returns the width of one element in bytes.
func (d DType) size() int { return d.Bits() / 8 }

// ParseDType returns the type of that name.
func ParseDType(name string) (DType, error) {
	for d := BOOL; d <= U64; d++ {
		if dtypes[d].name == name {
			return d, nil
		}
	}
	return 0, fmt.Errorf("unknown dtype %q", name)
}
