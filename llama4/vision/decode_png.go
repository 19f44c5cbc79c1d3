package vision

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"image"
	"image/png"
	"io"
	"strings"
)

const (
	// maxDeflate is the most that zlib can shrink its input.
	maxDeflate = 1032
	// maxText is the most bytes that are inflated of a text, as in Pillow.
	maxText = 1 << 20
)

// The kinds of colour of a PNG that matter here.
const (
	pngGray    = 0
	pngPalette = 3
)

func decodePNG(data []byte, check checker) (*decoded, error) {
	if len(data) < 33 {
		return nil, errTruncated
	}
	if string(data[12:16]) != "IHDR" {
		return nil, errors.New("no header")
	}
	width, height := binary.BigEndian.Uint32(data[16:]), binary.BigEndian.Uint32(data[20:])
	if width > 1<<31-1 || height > 1<<31-1 {
		return nil, errors.New("the size is malformed")
	}
	depth, kind := int(data[24]), data[25]
	if err := check(int(width), int(height)); err != nil {
		return nil, err
	}
	samples := map[byte]int{pngGray: 1, 2: 3, pngPalette: 1, 4: 2, 6: 4}[kind]
	row := (int(width)*samples*depth+7)/8 + 1
	if int(height)*row > maxDeflate*len(data) {
		return nil, errTruncated
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var rgb *RGB
	if kind == pngGray && depth == 16 {
		rgb = clipped(img)
	} else {
		rgb = overWhite(img)
	}
	exif, xmp := pngMetadata(data)
	return &decoded{rgb, exif, xmp}, nil
}

// clipped converts 16-bit gray as Pillow does: values above 255 become 255. Its pictures of
// 16-bit gray are nearly white, but they are what the reference shows the model.
func clipped(img image.Image) *RGB {
	p := newRGB(img.Bounds())
	for i := range p.Width * p.Height {
		var v, a uint16
		switch m := img.(type) {
		case *image.Gray16:
			v, a = binary.BigEndian.Uint16(m.Pix[2*i:]), 0xffff
		case *image.NRGBA64: // one value is transparent
			v, a = binary.BigEndian.Uint16(m.Pix[8*i:]), binary.BigEndian.Uint16(m.Pix[8*i+6:])
		}
		b := blend(byte(min(v, 255)), byte(a>>8))
		p.Pix[3*i], p.Pix[3*i+1], p.Pix[3*i+2] = b, b, b
	}
	return p
}

// pngMetadata returns the EXIF data and the XMP packet of a file that was decoded without
// fault. ImageMagick puts EXIF data into a text, in hexadecimal. Of several chunks the last
// one counts, and only that one is inflated.
func pngMetadata(data []byte) (exif, xmp []byte) {
	var profile, deflated, international []byte
	for rest := data[8:]; len(rest) >= 12; {
		n := int64(binary.BigEndian.Uint32(rest))
		if n > int64(len(rest)-12) || string(rest[4:8]) == "IEND" {
			break
		}
		body := rest[8 : 8+n]
		switch string(rest[4:8]) {
		case "eXIf":
			exif = body
		case "tEXt":
			if text, ok := bytes.CutPrefix(body, []byte("Raw profile type exif\x00")); ok {
				profile, deflated = text, nil
			}
		case "zTXt":
			if text, ok := bytes.CutPrefix(body, []byte("Raw profile type exif\x00\x00")); ok {
				deflated = text
			}
		case "iTXt":
			if text, ok := bytes.CutPrefix(body, []byte("XML:com.adobe.xmp\x00")); ok {
				international = text
			}
		}
		rest = rest[12+n:]
	}
	if deflated != nil {
		profile = inflate(deflated)
	}
	if exif == nil {
		exif = rawProfile(profile)
	}
	return exif, internationalText(international)
}

// internationalText returns the text of an iTXt chunk without its keyword: whether it is
// compressed and how, the language and the translated keyword come before it.
func internationalText(body []byte) []byte {
	if len(body) < 2 {
		return nil
	}
	fields := bytes.SplitN(body[2:], []byte{0}, 3)
	if len(fields) < 3 {
		return nil
	}
	if body[0] == 0 {
		return fields[2]
	}
	return inflate(fields[2])
}

// rawProfile returns the bytes of a profile in text form: a line break, its name, its
// length, and lines of hexadecimal digits.
func rawProfile(text []byte) []byte {
	lines := strings.Split(string(text), "\n")
	if len(lines) < 4 {
		return nil
	}
	profile, err := hex.DecodeString(strings.Join(lines[3:], ""))
	if err != nil {
		return nil
	}
	return profile
}

// inflate returns a compressed text, nil if it is damaged or too long.
func inflate(data []byte) []byte {
	r, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(r, maxText+1))
	if err != nil || len(text) > maxText {
		return nil
	}
	return text
}
