package jpeg

// weights are the products of YCbCr to RGB, with 16 fraction bits, as libjpeg's jdcolor
// tabulates them: those of red and blue are rounded, those of green are added up first.
type weights struct {
	crToR, cbToB [256]int32
	crToG, cbToG [256]int32
}

var ycc = func() *weights {
	const half = 1 << 15
	var w weights
	for i := range int32(256) {
		x := i - 128
		w.crToR[i] = (91881*x + half) >> 16  // 1.40200
		w.cbToB[i] = (116130*x + half) >> 16 // 1.77200
		w.crToG[i] = -46802 * x              // 0.71414
		w.cbToG[i] = -22554*x + half         // 0.34414
	}
	return &w
}()

// render returns the picture in RGB.
func (d *decoder) render() []byte {
	pix := make([]byte, 3*d.width*d.height)
	ups := make([]*upsampler, len(d.components))
	for i := range ups {
		ups[i] = newUpsampler(&d.components[i], d.maxH, d.maxV)
	}
	rows := make([][]byte, len(ups))
	convert := d.converter()
	for y := range d.height {
		for i, u := range ups {
			rows[i] = u.at(y)[:d.width]
		}
		convert(pix[3*y*d.width:][:3*d.width], rows)
	}
	return pix
}

// converter chooses by the markers and the components' names, as libjpeg does.
func (d *decoder) converter() func(out []byte, rows [][]byte) {
	switch len(d.components) {
	case 1:
		return fromGray
	case 4:
		if d.adobe && d.adobeTransform != 0 {
			return fromYCCK
		}
		return fromCMYK
	}
	names := string([]byte{d.components[0].id, d.components[1].id, d.components[2].id})
	switch {
	case d.jfif:
		return fromYCC
	case d.adobe && d.adobeTransform == 0, !d.adobe && names == "RGB":
		return fromRGB
	}
	return fromYCC
}

func fromGray(out []byte, rows [][]byte) {
	for _, v := range rows[0] {
		o := out[:3:3]
		o[0], o[1], o[2] = v, v, v
		out = out[3:]
	}
}

func fromRGB(out []byte, rows [][]byte) {
	g, b := rows[1], rows[2]
	for x, r := range rows[0] {
		o := out[3*x:][:3:3]
		o[0], o[1], o[2] = r, g[x], b[x]
	}
}

func fromYCC(out []byte, rows [][]byte) {
	luma := rows[0]
	blue, red := rows[1][:len(luma)], rows[2][:len(luma)]
	w := ycc
	for x, y := range luma {
		o := out[3*x:][:3:3]
		o[0], o[1], o[2] = w.rgb(y, blue[x], red[x])
	}
}

func (w *weights) rgb(y, cb, cr byte) (r, g, b byte) {
	v := int32(y)
	return clamp(v + w.crToR[cr]), clamp(v + (w.cbToG[cb]+w.crToG[cr])>>16), clamp(v + w.cbToB[cb])
}

// fromCMYK converts as Pillow does, which takes every CMYK file for an inverted one, as
// Adobe writes them: an ink at 255 is no ink.
func fromCMYK(out []byte, rows [][]byte) {
	for x, c := range rows[0] {
		inked(out[3*x:][:3:3], c, rows[1][x], rows[2][x], rows[3][x])
	}
}

// fromYCCK converts what is inverted CMYK once its first three parts are RGB.
func fromYCCK(out []byte, rows [][]byte) {
	for x, y := range rows[0] {
		// libjpeg makes C of 255 - R, and Pillow inverts it again.
		r, g, b := ycc.rgb(y, rows[1][x], rows[2][x])
		inked(out[3*x:][:3:3], 255-r, 255-g, 255-b, rows[3][x])
	}
}

func inked(out []byte, c, m, y, k byte) {
	out[0], out[1], out[2] = ink(c, k), ink(m, k), ink(y, k)
}

// ink is the light left by an ink and black, both inverted: k less (255-v) parts of it.
func ink(v, k byte) byte {
	t := int32(255-v)*int32(k) + 128
	return k - byte((t>>8+t)>>8)
}
