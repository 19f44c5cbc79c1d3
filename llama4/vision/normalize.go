package vision

import "math"

// Normalized returns what the vision tower gets for each value of a byte, channel
// by channel, as the bits of a bfloat16: (value*Rescale - Mean) / Std. As in the
// reference, the mean, the deviation and the result of each step are rounded to
// bfloat16.
func (s *Settings) Normalized() [3][256]uint16 {
	var table [3][256]uint16
	for c := range table {
		mean, std := bfloat16(float32(s.Mean[c])), bfloat16(float32(s.Std[c]))
		for v := range table[c] {
			x := bfloat16(float32(v) * float32(s.Rescale))
			x = bfloat16(bfloat16(x-mean) / std)
			table[c][v] = uint16(math.Float32bits(x) >> 16)
		}
	}
	return table
}

// bfloat16 rounds to the nearest bfloat16, ties to even.
func bfloat16(x float32) float32 {
	b := math.Float32bits(x)
	b += 0x7fff + b>>16&1
	return math.Float32frombits(b &^ 0xffff)
}
