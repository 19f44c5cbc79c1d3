package bindings

import (
	"fmt"
	"math"
	"strings"

	"github.com/x448/float16"
)

// DType is the type of a tensor's elements. The zero value is none.
type DType int32

// The element types, ll4_dtype of llama4.h.
const (
	F32  DType = 1
	BF16 DType = 2
	F16  DType = 3
	I32  DType = 4
	F8   DType = 5 // e4m3fn: no infinities, the largest is 448
	I8   DType = 6
	I4   DType = 7 // two to a byte, the even index low, value + 8; a row begins at a byte of its own
)

// Bits returns the size of an element, 0 for an unknown type.
func (d DType) Bits() int64 {
	switch d {
	case F32, I32:
		return 32
	case BF16, F16:
		return 16
	case F8, I8:
		return 8
	case I4:
		return 4
	}
	return 0
}

// Size returns the bytes that an element takes where it stands alone, 0 for an
// unknown type: see RowBytes for more than one.
func (d DType) Size() int64 { return d.RowBytes(1) }

// RowBytes returns the bytes of n elements in a row.
func (d DType) RowBytes(n int64) int64 { return (n*d.Bits() + 7) / 8 }

// String returns the type as llama4.h writes it, in lower case: "f32", "bf16".
func (d DType) String() string {
	switch d {
	case F32:
		return "f32"
	case BF16:
		return "bf16"
	case F16:
		return "f16"
	case I32:
		return "i32"
	case F8:
		return "f8"
	case I8:
		return "i8"
	case I4:
		return "i4"
	}
	return fmt.Sprintf("dtype %d", int32(d))
}

// Compute is how a matmul works: the precision of its operands. Sums are fp32
// always.
type Compute int32

// The kinds of computation, ll4_compute of llama4.h.
const (
	// ComputeAuto is bf16 where the device multiplies bf16 natively
	// ([Info.BF16Dot]), else f32.
	ComputeAuto Compute = 0
	// ComputeF32 leaves activations as they are: parity mode.
	ComputeF32 Compute = 1
	// ComputeBF16 rounds activations to bf16 first.
	ComputeBF16 Compute = 2
)

// String returns "auto", "f32" or "bf16".
func (c Compute) String() string {
	switch c {
	case ComputeAuto:
		return "auto"
	case ComputeF32:
		return "f32"
	case ComputeBF16:
		return "bf16"
	}
	return fmt.Sprintf("compute %d", int32(c))
}

// ParseCompute is the inverse of [Compute.String], in any case.
func ParseCompute(s string) (Compute, error) {
	for _, c := range []Compute{ComputeAuto, ComputeF32, ComputeBF16} {
		if strings.EqualFold(s, c.String()) {
			return c, nil
		}
	}
	return 0, fmt.Errorf("compute %q: want auto, f32 or bf16", s)
}

// Activation is what a matmul applies to its results.
type Activation int32

// The activations, ll4_activation of llama4.h.
const (
	ActivationNone Activation = 0
	// ActivationGELU is x (1 + erf(x / sqrt(2))) / 2, not its approximation by tanh.
	ActivationGELU Activation = 1
)

// String returns "none" or "gelu".
func (a Activation) String() string {
	switch a {
	case ActivationNone:
		return "none"
	case ActivationGELU:
		return "gelu"
	}
	return fmt.Sprintf("activation %d", int32(a))
}

// Layout is the order of a weight's dimensions.
type Layout int32

// The layouts, ll4_layout of llama4.h.
const (
	// LayoutNK is [N, K]: one row an output, as linear layers are stored.
	LayoutNK Layout = 0
	// LayoutKN is [K, N]: one row an input, as fused experts are stored.
	LayoutKN Layout = 1
)

// String returns "nk" or "kn".
func (l Layout) String() string {
	switch l {
	case LayoutNK:
		return "nk"
	case LayoutKN:
		return "kn"
	}
	return fmt.Sprintf("layout %d", int32(l))
}

// BFloat16 is the upper half of a float32: 8 bits of exponent, 7 of fraction.
type BFloat16 uint16

// BF16FromFloat32 rounds to the nearest BFloat16, ties to even. A NaN stays a
// NaN and becomes quiet.
func BF16FromFloat32(f float32) BFloat16 {
	bits := math.Float32bits(f)
	if f != f {
		return BFloat16(bits>>16) | 0x40
	}
	return BFloat16((bits + 0x7fff + bits>>16&1) >> 16)
}

// Float32 returns the value, exactly.
func (b BFloat16) Float32() float32 {
	return math.Float32frombits(uint32(b) << 16)
}

// String returns the value in decimal.
func (b BFloat16) String() string { return fmt.Sprint(b.Float32()) }

// Element is a Go type that a tensor's elements are read and written as.
type Element interface {
	float32 | int32 | BFloat16 | float16.Float16
}

// dtypeOf returns the DType of a Go type.
func dtypeOf[T Element]() DType {
	var zero T
	switch any(zero).(type) {
	case float32:
		return F32
	case BFloat16:
		return BF16
	case float16.Float16:
		return F16
	default:
		return I32
	}
}
