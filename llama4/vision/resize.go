package vision

import (
	"encoding/binary"
	"runtime"
	"sync"
)

// resampler resizes a picture in two passes, as torch does with bytes: each row to
// the new width, rounded to bytes, then the columns of these rows.
//
// Both passes take a pair of rows at a time, of the even one what concerns it in
// the low half of a 64-bit word and of the odd one below it in the high half. Sums
// of products of bytes and weights stay below 2^31, so the halves do not meet.
type resampler struct {
	src          *RGB
	dst          target
	width        int // of the result
	across, down *kernel
}

// lowBytes are the low bytes of both halves.
const lowBytes = 0xff | 0xff<<32

// resize resizes a picture to width x height and stores it in dst.
func resize(p *RGB, width, height int, dst target) {
	if p.Width == width && p.Height == height {
		divide(height, func(from, to int) {
			for y := from; y < to; y++ {
				dst.copy(y, p.row(y))
			}
		})
		return
	}
	r := &resampler{src: p, dst: dst, width: width}
	r.across, r.down = newKernel(p.Width, width), newKernel(p.Height, height)
	divide(height, r.rows)
}

// divide calls work for ranges that together are n rows, in several goroutines if
// there are enough rows.
func divide(n int, work func(from, to int)) {
	const least = 16 // what two ranges both need, the rows between them, stays a small part
	parts := max(min(runtime.GOMAXPROCS(0), n/least), 1)
	var wg sync.WaitGroup
	for i := range parts - 1 {
		wg.Go(func() { work(i*n/parts, (i+1)*n/parts) })
	}
	work((parts-1)*n/parts, n)
	wg.Wait()
}

// rows computes a range of rows of the result.
func (r *resampler) rows(from, to int) {
	wide := make([]uint64, r.src.Width)
	narrow := make([][]uint64, r.down.pairs()) // the last pairs of rows in the new width
	for i := range narrow {
		narrow[i] = make([]uint64, 3*r.width)
	}
	sums := make([]uint64, 3*r.width)
	weights := make([]uint64, 0, len(narrow))
	next := 0 // pair that narrow gets next
	for y := from; y < to; y++ {
		first := int(r.down.first[y]) / 2
		weights = r.down.pairWeights(weights[:0], y)
		for next = max(next, first); next < first+len(weights); next++ {
			r.pair(narrow[next%len(narrow)], wide, next)
		}
		clear(sums)
		for i, w := range weights {
			add(sums, narrow[(first+i)%len(narrow)], w)
		}
		r.dst.store(y, sums, r.down.precision)
	}
}

// pair resizes a pair of rows. dst gets their red, then their green, then their
// blue.
func (r *resampler) pair(dst, wide []uint64, i int) {
	even := r.src.row(2 * i)
	odd := even // below the picture, where the weight is 0
	if 2*i+1 < r.src.Height {
		odd = r.src.row(2*i + 1)
	}
	widen(wide, even, odd)
	k := r.across
	half := uint64(1)<<(k.precision-1) | uint64(1)<<(k.precision+31)
	reds, greens, blues := dst[:r.width], dst[r.width:][:r.width], dst[2*r.width:][:r.width]
	for x := range reds {
		n := k.counts[x]
		red, green, blue := dot(k.weights[x*k.taps:][:n], wide[k.first[x]:][:n])
		reds[x] = saturate((red + half) >> k.precision)
		greens[x] = saturate((green + half) >> k.precision)
		blues[x] = saturate((blue + half) >> k.precision)
	}
}

// widen puts the pixels of a pair of rows into words, red lowest in both halves.
func widen(dst []uint64, even, odd []byte) {
	last := len(dst) - 1
	for i := range last { // a fourth byte is read, and ignored by dot
		dst[i] = uint64(binary.LittleEndian.Uint32(even[3*i:])) | uint64(binary.LittleEndian.Uint32(odd[3*i:]))<<32
	}
	a, b := even[3*last:][:3], odd[3*last:][:3]
	dst[last] = uint64(a[0]) | uint64(a[1])<<8 | uint64(a[2])<<16 | uint64(b[0])<<32 | uint64(b[1])<<40 | uint64(b[2])<<48
}

// dot returns the sums of the products of weights and as many pixels of a pair of
// rows.
//
//go:noinline // in its caller the loop does not fit the registers
func dot(weights []uint32, pixels []uint64) (red, green, blue uint64) {
	pixels = pixels[:len(weights)]
	for i, weight := range weights {
		w, p := uint64(weight), pixels[i]
		red += w * (p & lowBytes)
		green += w * (p >> 8 & lowBytes)
		blue += w * (p >> 16 & lowBytes)
	}
	return red, green, blue
}

// saturate returns the lowest nine bits of each half of v, at most 255: weights are
// rounded, and many of them can sum to more than 1.
func saturate(v uint64) uint64 {
	const over = 1<<8 | 1<<40
	v &= over | lowBytes
	if v&over != 0 {
		v = min(v&0x1ff, 255) | min(v>>32, 255)<<32
	}
	return v
}

// add adds the products of a pair of rows and their weights. The weight of the odd
// row is in the low half, so that a product has the sum of both in its high half.
func add(sums, pair []uint64, weights uint64) {
	pair = pair[:len(sums)]
	for i := range sums {
		sums[i] += pair[i] * weights
	}
}
