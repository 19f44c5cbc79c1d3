package optest

import (
	"fmt"
	"math"
	"testing"

	"github.com/x448/float16"

	"github.com/llama4go/llama4go/bindings"
)

const (
	// unit32 is the relative error of rounding to fp32: half of 2^-23.
	unit32 = 0x1p-24
	// unit16 is the relative error of rounding to bf16: half of 2^-7.
	unit16 = 0x1p-8
	// tiny32 is the smallest normal fp32 number: what is below it may be flushed
	// to zero.
	tiny32 = 0x1p-126
	// elementary is the relative error granted to exp, log, sin, cos and 1/sqrt in
	// fp32: 4 units in the last place, which a short polynomial reaches.
	elementary = 8 * unit32
)

// Values are the results that an operation should give.
type Values struct {
	Want []float64
	Tol  []float64 // how far the result may be from Want, absolute
}

func newValues(n int) Values {
	return Values{Want: make([]float64, n), Tol: make([]float64, n)}
}

// Precision is what an operation rounds.
type Precision struct {
	// Out is the type of the result, F32 or BF16.
	Out bindings.DType
	// BF16 says that the operands of products are rounded to bf16, as
	// ComputeBF16 does.
	BF16 bool
	// Int8 says that activations are quantized to int8 before they meet weights of
	// I8 and I4.
	Int8 bool
}

// stored returns the bound of a result that was computed with the error err and
// then rounded to Out.
func (p Precision) stored(want, err float64) float64 {
	if p.Out == bindings.BF16 {
		return err + unit16*(math.Abs(want)+err) + 0x1p-134 // half the smallest bf16
	}
	return err + unit32*(math.Abs(want)+err) + 0x1p-150
}

// sum returns the bound of a sum of n products with the absolute sum abs. c
// further roundings happen to it or its operands, for scales and partial sums.
func (p Precision) sum(n int, abs float64, c float64) float64 {
	return (float64(n)+c)*unit32*abs + float64(n)*tiny32
}

// product is sum, and that of operands that are rounded to bf16.
func (p Precision) product(n int, abs float64, c float64) float64 {
	err := p.sum(n, abs, c)
	if p.BF16 {
		err += unit16 * abs
	}
	return err
}

// Difference compares results with what they should be. It returns nil when each
// is within its bound, and else an error that names the worst element. A NaN or
// an infinity is right only where one is wanted.
func Difference(got []float32, v Values) error {
	if len(got) != len(v.Want) {
		return fmt.Errorf("%d elements, want %d", len(got), len(v.Want))
	}
	worst, ratio, wrong := 0, 1.0, 0
	for i, g := range got {
		r := excess(float64(g), v.Want[i], v.Tol[i])
		if r > 1 {
			wrong++
		}
		if r > ratio {
			worst, ratio = i, r
		}
	}
	if wrong == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d elements are wrong, the worst at %d: %v, want %v, off by %.3g of %.3g allowed",
		wrong, len(got), worst, got[worst], v.Want[worst],
		math.Abs(float64(got[worst])-v.Want[worst]), v.Tol[worst])
}

// excess returns how many times the bound the result is off.
func excess(got, want, tol float64) float64 {
	switch {
	case math.IsNaN(want) || math.IsNaN(got):
		if math.IsNaN(want) && math.IsNaN(got) {
			return 0
		}
		return math.Inf(1)
	case got == want:
		return 0
	case math.IsInf(got, 0) || math.IsInf(want, 0) || !(tol > 0):
		return math.Inf(1)
	}
	return math.Abs(got-want) / tol
}

// Compare fails the test when results differ from what they should be.
func Compare(t testing.TB, what string, got []float32, v Values) {
	t.Helper()
	if err := Difference(got, v); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// Exact makes Values without tolerance.
func Exact(want []float64) Values {
	return Values{Want: want, Tol: make([]float64, len(want))}
}

// Rounded makes Values of numbers that are rounded to a type once. A number that
// the type holds must come back as it is.
func Rounded(want []float64, dtype bindings.DType) Values {
	v := newValues(len(want))
	for i, w := range want {
		v.Want[i] = Round(w, dtype)
	}
	return v
}

// Round returns the nearest number of a type, ties to even.
func Round(x float64, dtype bindings.DType) float64 {
	// Going through fp32 would round twice, so a number that fp32 does not hold is
	// first rounded to odd, which keeps every later rounding right (Boldo and
	// Melquiond, 2008).
	f := float32(x)
	if dtype == bindings.F32 {
		return float64(f)
	}
	if d := float64(f); d != x && !math.IsInf(d, 0) && !math.IsNaN(d) {
		if bits := math.Float32bits(f); bits&1 == 0 {
			away := math.Abs(d) < math.Abs(x)
			if away {
				f = math.Float32frombits(bits + 1)
			} else {
				f = math.Float32frombits(bits - 1)
			}
		}
	}
	if dtype == bindings.F16 {
		return float64(float16.Fromfloat32(f).Float32())
	}
	return float64(bindings.BF16FromFloat32(f).Float32())
}
