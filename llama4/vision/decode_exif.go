package vision

import (
	"bytes"
	"encoding/binary"
	"regexp"
)

// tagOrientation is the EXIF tag that says how the camera was held.
const tagOrientation = 0x112

var xmpOrientation = regexp.MustCompile(`tiff:Orientation(?:="|>)([0-9])`)

// orientation returns a picture's EXIF orientation, 1 to 8. Without it in the EXIF data the
// XMP packet is asked, as Pillow does. Broken metadata counts as none: the pixels are there.
func orientation(exif, xmp []byte) int {
	value, ok := exifOrientation(exif)
	if !ok {
		if m := xmpOrientation.FindSubmatch(xmp); m != nil {
			value = int(m[1][0] - '0')
		}
	}
	if value < 1 || value > 8 {
		return 1
	}
	return value
}

// exifOrientation finds the orientation in the first directory of a TIFF structure.
func exifOrientation(data []byte) (value int, ok bool) {
	for range 2 { // a WebP or PNG file may hold JPEG's prefix too
		data = bytes.TrimPrefix(data, []byte("Exif\x00\x00"))
	}
	var order binary.ByteOrder
	switch {
	case at(data, 0, "II*\x00"):
		order = binary.LittleEndian
	case at(data, 0, "MM\x00*"):
		order = binary.BigEndian
	default:
		return 0, false
	}
	if len(data) < 8 {
		return 0, false
	}
	entries := from(data, order.Uint32(data[4:]))
	if len(entries) < 2 {
		return 0, false
	}
	n := int(order.Uint16(entries))
	for entries = entries[2:]; n > 0 && len(entries) >= 12; entries, n = entries[12:], n-1 {
		if order.Uint16(entries) == tagOrientation {
			return entryValue(data, entries[:12], order)
		}
	}
	return 0, false
}

// entryValue returns the first number of a directory entry, if it is an integer type that
// Pillow takes for a number.
func entryValue(data, entry []byte, order binary.ByteOrder) (value int, ok bool) {
	const short, long, signedShort, signedLong = 3, 4, 8, 9
	kind, count, at := order.Uint16(entry[2:]), order.Uint32(entry[4:]), entry[8:]
	size := uint64(4)
	if kind == short || kind == signedShort {
		size = 2
	}
	if size*uint64(count) > 4 { // what does not fit lies elsewhere
		at = from(data, order.Uint32(at))
	}
	if count == 0 || uint64(len(at)) < size*uint64(count) {
		return 0, false
	}
	switch kind {
	case short, signedShort:
		return int(order.Uint16(at)), true
	case long, signedLong:
		return int(min(order.Uint32(at), 1<<16)), true
	}
	return 0, false
}

// from returns data from an offset on, nothing past its end.
func from(data []byte, offset uint32) []byte {
	return data[min(uint64(offset), uint64(len(data))):]
}

// turned returns the picture as it is to be seen, by its EXIF orientation.
func (p *RGB) turned(orientation int) *RGB {
	if orientation <= 1 {
		return p
	}
	w, h := p.Width, p.Height
	// Where the first pixel comes from, and the steps from there along a row and down.
	steps := [...]struct{ first, right, down int }{
		2: {w - 1, -1, w},
		3: {w*h - 1, -1, -w},
		4: {w * (h - 1), 1, -w},
		5: {0, w, 1},
		6: {w * (h - 1), -w, 1},
		7: {w*h - 1, -w, -1},
		8: {w - 1, w, -1},
	}
	s := steps[orientation]
	q := &RGB{w, h, make([]byte, len(p.Pix))}
	if orientation >= 5 {
		q.Width, q.Height = h, w
	}
	const tile = 32 // of rows and columns, so that both pictures stay in the cache
	for y0 := 0; y0 < q.Height; y0 += tile {
		for x0 := 0; x0 < q.Width; x0 += tile {
			for y := y0; y < min(y0+tile, q.Height); y++ {
				out := q.row(y)[3*x0 : 3*min(x0+tile, q.Width)]
				from := 3 * (s.first + y*s.down + x0*s.right)
				for ; len(out) >= 3; out, from = out[3:], from+3*s.right {
					pixel := p.Pix[from : from+3 : from+3]
					out[0], out[1], out[2] = pixel[0], pixel[1], pixel[2]
				}
			}
		}
	}
	return q
}
