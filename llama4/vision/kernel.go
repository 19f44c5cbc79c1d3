package vision

import "math"

// kernel is what the resampling along one axis multiplies with: for each output a
// range of inputs with a weight for each.
type kernel struct {
	first     []int32  // input of each output
	counts    []int32  // of inputs of each output
	weights   []uint32 // taps for each output, of which counts are used, in units of 2^-precision
	taps      int
	precision uint
}

// newKernel returns the weights of torch's antialiased bilinear interpolation of
// bytes (_compute_index_ranges_int16_weights in ATen's UpSampleKernel.cpp): a
// triangle as wide as two inputs or two outputs, whichever is more, in float64,
// then rounded to 15 bits. Every conversion to float64 is there to keep a compiler
// for a machine with fused multiply-add from using it.
func newKernel(in, out int) *kernel {
	scale := float64(in) / float64(out)
	support := max(scale, 1)
	k := &kernel{first: make([]int32, out), counts: make([]int32, out), taps: int(math.Ceil(support))*2 + 1}
	k.weights = make([]uint32, out*k.taps)
	exact := make([]float64, out*k.taps)
	largest := 0.0
	for i := range out {
		center := float64(scale * (float64(i) + 0.5))
		first := max(int(center-support+0.5), 0)
		count := min(int(center+support+0.5), in) - first
		count = max(min(count, k.taps), 0)
		k.first[i], k.counts[i] = int32(first), int32(count)
		largest = max(largest, triangle(exact[i*k.taps:][:count], first, center, 1/support))
	}
	for k.precision < 22 && int(0.5+float64(largest*float64(int(2)<<k.precision))) < 1<<15 {
		k.precision++
	}
	for i, w := range exact {
		k.weights[i] = uint32(0.5 + float64(w*float64(int(1)<<k.precision)))
	}
	return k
}

// triangle fills w with the weights of the inputs from first on for an output that
// lies at center, and returns the largest.
func triangle(w []float64, first int, center, inverse float64) (largest float64) {
	total := 0.0
	for j := range w {
		x := math.Abs(float64((float64(first+j) - center + 0.5) * inverse))
		w[j] = max(1-x, 0)
		total += w[j]
	}
	if total == 0 {
		return 0
	}
	for j := range w {
		w[j] /= total
		largest = max(largest, w[j])
	}
	return largest
}

// pairs returns the most pairs of inputs, an even one and the next, that an output
// needs.
func (k *kernel) pairs() int { return k.taps/2 + 1 }

// pairWeights appends the weights of the pairs of inputs of an output: that of the
// even one in the high half, that of the odd one in the low half.
func (k *kernel) pairWeights(dst []uint64, output int) []uint64 {
	first, count := int(k.first[output]), int(k.counts[output])
	weights := k.weights[output*k.taps:][:count]
	if first%2 == 1 && count > 0 {
		dst = append(dst, uint64(weights[0]))
		weights = weights[1:]
	}
	for ; len(weights) > 1; weights = weights[2:] {
		dst = append(dst, uint64(weights[0])<<32|uint64(weights[1]))
	}
	if len(weights) > 0 {
		dst = append(dst, uint64(weights[0])<<32)
	}
	return dst
}
