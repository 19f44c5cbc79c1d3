package webp

import "image"

// convert writes the RGB of a frame's planes, its first pixel at pixel at of the canvas.
//
// Chroma has half the size. libwebp takes a chroma sample for the middle of 2x2 pixels and
// weighs the four nearest ones 9:3:3:1: so it works on pairs of rows that lie between the
// same two rows of chroma. The first row, and the last of an even height, have only one.
func (p *Picture) convert(m *image.YCbCr, at int) {
	width, height := m.Rect.Dx(), m.Rect.Dy()
	up := upsampler{width: width, u: make([]byte, width), v: make([]byte, width)}
	for y := range height {
		near := y / 2
		far := min(max(near-1+2*(y&1), 0), (height+1)/2-1)
		up.chroma(m.Cb[near*m.CStride:], m.Cb[far*m.CStride:], up.u)
		up.chroma(m.Cr[near*m.CStride:], m.Cr[far*m.CStride:], up.v)
		colors(p.Pix[3*(at+y*p.Width):][:3*width], m.Y[y*m.YStride:], up.u, up.v)
	}
}

type upsampler struct {
	width int
	u, v  []byte
}

// chroma writes a row of chroma at full width from its nearest row and the one on the
// other side. libwebp computes 9:3:3:1 in two steps, each rounded down.
func (up *upsampler) chroma(near, far, out []byte) {
	n, f := int(near[0]), int(far[0])
	out[0] = byte((3*n + f + 2) >> 2)
	for x := 1; 2*x-1 < up.width; x++ {
		if 2*x == up.width { // the last pixel of an even width has nothing to its right
			out[2*x-1] = byte((3*n + f + 2) >> 2)
			break
		}
		n1, f1 := int(near[x]), int(far[x])
		sum := n + n1 + f + f1 + 8
		// Each pixel mixes its own sample with the mean along the other diagonal.
		out[2*x-1] = byte(((sum+2*(n1+f))>>3 + n) >> 1)
		out[2*x] = byte(((sum+2*(n+f1))>>3 + n1) >> 1)
		n, f = n1, f1
	}
}

// colors converts a row from the limited range of BT.601, in 14 bits of which 6 are dropped.
func colors(out, luma, u, v []byte) {
	for x := range len(out) / 3 {
		y, cb, cr := int32(luma[x])*19077>>8, int32(u[x]), int32(v[x])
		o := out[3*x:][:3:3]
		o[0] = clamp(y + cr*26149>>8 - 14234)
		o[1] = clamp(y - cb*6419>>8 - cr*13320>>8 + 8708)
		o[2] = clamp(y + cb*33050>>8 - 17685)
	}
}

func clamp(v int32) byte { return byte(min(max(v, 0)>>6, 255)) }
