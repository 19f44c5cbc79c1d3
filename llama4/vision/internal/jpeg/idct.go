package jpeg

// The constants of libjpeg's jidctint: round(x * 2^13).
const (
	fix0_298631336 = 2446
	fix0_390180644 = 3196
	fix0_541196100 = 4433
	fix0_765366865 = 6270
	fix0_899976223 = 7373
	fix1_175875602 = 9633
	fix1_501321110 = 12299
	fix1_847759065 = 15137
	fix1_961570560 = 16069
	fix2_053119869 = 16819
	fix2_562915447 = 20995
	fix3_072711026 = 25172
)

const (
	constBits = 13
	passBits  = 2 // fraction bits kept between the passes
)

// inverseDCT writes the 8x8 samples of dequantized coefficients. It is the algorithm of
// Loeffler, Ligtenberg and Moschytz, rounded where libjpeg rounds: columns first.
func inverseDCT(b *[blockSize]int32, out []byte, stride int) {
	for x := range 8 {
		s := b[x : x+57 : x+57]
		if s[8]|s[16]|s[24]|s[32]|s[40]|s[48]|s[56] == 0 {
			dc := s[0] << passBits
			s[0], s[8], s[16], s[24], s[32], s[40], s[48], s[56] = dc, dc, dc, dc, dc, dc, dc, dc
			continue
		}
		e0, e1, e2, e3 := even(s[0], s[16], s[32], s[48])
		o0, o1, o2, o3 := odd(s[8], s[24], s[40], s[56])
		const shift, half = constBits - passBits, 1 << (constBits - passBits - 1)
		s[0], s[56] = (e0+o0+half)>>shift, (e0-o0+half)>>shift
		s[8], s[48] = (e1+o1+half)>>shift, (e1-o1+half)>>shift
		s[16], s[40] = (e2+o2+half)>>shift, (e2-o2+half)>>shift
		s[24], s[32] = (e3+o3+half)>>shift, (e3-o3+half)>>shift
	}
	for y := range 8 {
		s := b[8*y : 8*y+8 : 8*y+8]
		to := out[y*stride : y*stride+8 : y*stride+8]
		e0, e1, e2, e3 := even(s[0], s[2], s[4], s[6])
		o0, o1, o2, o3 := odd(s[1], s[3], s[5], s[7])
		const shift = constBits + passBits + 3
		const half = 1<<(shift-1) + 128<<shift // rounding and the level shift
		to[0], to[7] = clamp((e0+o0+half)>>shift), clamp((e0-o0+half)>>shift)
		to[1], to[6] = clamp((e1+o1+half)>>shift), clamp((e1-o1+half)>>shift)
		to[2], to[5] = clamp((e2+o2+half)>>shift), clamp((e2-o2+half)>>shift)
		to[3], to[4] = clamp((e3+o3+half)>>shift), clamp((e3-o3+half)>>shift)
	}
}

func even(s0, s2, s4, s6 int32) (e0, e1, e2, e3 int32) {
	z := (s2 + s6) * fix0_541196100
	t2 := z - s6*fix1_847759065
	t3 := z + s2*fix0_765366865
	t0 := (s0 + s4) << constBits
	t1 := (s0 - s4) << constBits
	return t0 + t3, t1 + t2, t1 - t2, t0 - t3
}

func odd(s1, s3, s5, s7 int32) (o0, o1, o2, o3 int32) {
	z5 := (s7 + s3 + s5 + s1) * fix1_175875602
	z1 := -(s7 + s1) * fix0_899976223
	z2 := -(s5 + s3) * fix2_562915447
	z3 := z5 - (s7+s3)*fix1_961570560
	z4 := z5 - (s5+s1)*fix0_390180644
	o3 = s7*fix0_298631336 + z1 + z3
	o2 = s5*fix2_053119869 + z2 + z4
	o1 = s3*fix3_072711026 + z2 + z3
	o0 = s1*fix1_501321110 + z1 + z4
	return o0, o1, o2, o3
}

// fill writes the samples of a block that has nothing but its DC.
func fill(dc int32, out []byte, stride int) {
	v := clamp((dc+4)>>3 + 128)
	for y := range 8 {
		to := out[y*stride : y*stride+8 : y*stride+8]
		for x := range to {
			to[x] = v
		}
	}
}

func clamp(v int32) byte {
	if uint32(v) > 255 {
		return byte(^v >> 31)
	}
	return byte(v)
}
