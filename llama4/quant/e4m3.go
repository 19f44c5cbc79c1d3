package quant

import "math"

// F8Max is the largest number of e4m3.
const F8Max = 448

// E4M3 rounds to the nearest 8-bit float, ties to even. What lies past the largest
// becomes the largest; NaN stays NaN.
func E4M3(x float32) byte {
	bits := math.Float32bits(x)
	sign := byte(bits >> 24 & 0x80)
	magnitude := bits &^ (1 << 31)
	switch {
	case magnitude > 0x7f800000:
		return sign | 0x7f
	case math.Float32frombits(magnitude) >= F8Max:
		return sign | 0x7e
	case math.Float32frombits(magnitude) < 1.0/64:
		// Subnormal: steps of 2^-9. The scaling is exact.
		return sign | byte(math.RoundToEven(float64(math.Float32frombits(magnitude))*512))
	}
	// Keep 3 bits of the fraction; a carry goes to the exponent as it should.
	magnitude += 1<<19 - 1 + magnitude>>20&1
	code := magnitude>>20 - (127-7)<<3
	return sign | byte(min(code, 0x7e))
}

// FromE4M3 returns the number that an 8-bit float stands for.
func FromE4M3(b byte) float32 {
	exponent, fraction := b>>3&15, float64(b&7)
	value := math.Ldexp(1+fraction/8, int(exponent)-7)
	switch {
	case exponent == 15 && b&7 == 7:
		value = math.NaN()
	case exponent == 0:
		value = fraction / 512
	}
	if b&0x80 != 0 {
		value = math.Copysign(value, -1)
	}
	return float32(value)
}
