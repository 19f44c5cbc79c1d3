package jpeg

// upsampler gives a component's rows at the picture's full size.
type upsampler struct {
	*component
	h, v int // full size over the component's
	row  []byte
	sums []int32
	fill func(u *upsampler, y int) []byte
}

// newUpsampler chooses as libjpeg does: triangle filters where a direction is halved
// (but not for components at most two samples wide), repetition for the rest.
func newUpsampler(c *component, maxH, maxV int) *upsampler {
	u := &upsampler{component: c, h: maxH / c.h, v: maxV / c.v}
	u.row = make([]byte, c.width*u.h)
	switch {
	case u.h == 1 && u.v == 1:
		u.fill = (*upsampler).same
	case u.h == 2 && u.v == 1 && c.width > 2:
		u.fill = (*upsampler).halfWidth
	case u.h == 1 && u.v == 2:
		u.fill = (*upsampler).halfHeight
	case u.h == 2 && u.v == 2 && c.width > 2:
		u.fill = (*upsampler).half
		u.sums = make([]int32, c.width)
	default:
		u.fill = (*upsampler).repeat
	}
	return u
}

// at returns row y of the picture. It is valid until the next call.
func (u *upsampler) at(y int) []byte { return u.fill(u, y) }

// samples returns row y of the plane.
func (u *upsampler) samples(y int) []byte {
	at := y * 8 * u.stride
	return u.plane[at : at+u.width : at+u.width]
}

// nearRows returns the plane's row for row y of the picture and its second nearest one;
// past the edges that is the edge again.
func (u *upsampler) nearRows(y int) (near, far []byte) {
	other := y/2 - 1 + 2*(y&1)
	return u.samples(y / 2), u.samples(min(max(other, 0), u.height-1))
}

func (u *upsampler) same(y int) []byte { return u.samples(y) }

func (u *upsampler) repeat(y int) []byte {
	for x, v := range u.samples(y / u.v) {
		for i := range u.h {
			u.row[x*u.h+i] = v
		}
	}
	return u.row
}

// halfWidth weighs the two nearest samples 3:1, rounding down and up by turns.
func (u *upsampler) halfWidth(y int) []byte {
	in, n := u.samples(y), u.width
	out := u.row[:2*n]
	out[0], out[2*n-1] = in[0], in[n-1]
	for x := 1; x < n; x++ {
		left, right := int32(in[x-1]), int32(in[x])
		out[2*x-1] = byte((3*left + right + 2) >> 2)
		out[2*x] = byte((3*right + left + 1) >> 2)
	}
	return out
}

// halfHeight weighs the two nearest rows 3:1.
func (u *upsampler) halfHeight(y int) []byte {
	near, far := u.nearRows(y)
	bias := int32(1 + y&1)
	for x, v := range near {
		u.row[x] = byte((3*int32(v) + int32(far[x]) + bias) >> 2)
	}
	return u.row
}

// half weighs the four nearest samples 9:3:3:1.
func (u *upsampler) half(y int) []byte {
	near, far := u.nearRows(y)
	n := u.width
	sums := u.sums[:n]
	far = far[:len(sums)]
	for x, v := range near[:len(sums)] {
		sums[x] = 3*int32(v) + int32(far[x])
	}
	out := u.row[:2*n]
	left := sums[0]
	out[0], out[2*n-1] = byte((4*left+8)>>4), byte((4*sums[n-1]+7)>>4)
	pairs := out[1 : 2*n-1]
	for _, right := range sums[1:] {
		if len(pairs) < 2 {
			break
		}
		pairs[0] = byte((3*left + right + 7) >> 4)
		pairs[1] = byte((3*right + left + 8) >> 4)
		pairs = pairs[2:]
		left = right
	}
	return out
}
