package vision

import "encoding/binary"

// picture is a picture of pseudo-random bytes, as in goldens.py.
func picture(width, height, seed, kind int) *RGB {
	n := 3 * width * height
	b := make([]byte, (n+7)/8*8)
	for i := 0; i < len(b); i += 8 {
		x := uint64(i/8+seed*1000003+1) * 0x9e3779b97f4a7c15
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(b[i:], x^x>>31)
	}
	b = b[:n]
	for i, v := range b {
		switch kind {
		case 1:
			b[i] = -(v >> 7) // 0 or 255
		case 2:
			b[i] = 252 + v>>6
		}
	}
	return &RGB{Width: width, Height: height, Pix: b}
}
