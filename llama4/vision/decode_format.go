package vision

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// format is a kind of file that can be decoded.
type format struct {
	name   string
	is     func(data []byte) bool
	decode func(data []byte, check checker) (*decoded, error)
}

var formats = [...]format{
	{"JPEG", starts("\xff\xd8\xff"), decodeJPEG},
	{"PNG", starts("\x89PNG\r\n\x1a\n"), decodePNG},
	{"WebP", func(data []byte) bool { return at(data, 0, "RIFF") && at(data, 8, "WEBP") }, decodeWebP},
	{"GIF", func(data []byte) bool { return at(data, 0, "GIF87a") || at(data, 0, "GIF89a") }, decodeGIF},
}

// formatOf tells a file's format from its content.
func formatOf(data []byte) (*format, error) {
	for i := range formats {
		if formats[i].is(data) {
			return &formats[i], nil
		}
	}
	if len(data) == 0 {
		return nil, fmt.Errorf("the picture is empty: JPEG, PNG, WebP and GIF are read")
	}
	return nil, fmt.Errorf("not a picture that can be read, it looks like %s: JPEG, PNG, WebP and GIF are read", guess(data))
}

// others are the names of what is often taken for a picture that can be read.
var others = [...]struct {
	name string
	is   func(data []byte) bool
}{
	{"an AVIF picture", brand("avif", "avis")},
	{"a HEIC picture", brand("heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1")},
	{"a video", func(data []byte) bool { return at(data, 4, "ftyp") || at(data, 0, "\x1aE\xdf\xa3") }},
	{"a video or sound", starts("RIFF")},
	{"a TIFF picture", func(data []byte) bool { return at(data, 0, "II*\x00") || at(data, 0, "MM\x00*") }},
	{"a BMP picture", func(data []byte) bool { return at(data, 0, "BM") && at(data, 6, "\x00\x00\x00\x00") }},
	{"a JPEG XL picture", func(data []byte) bool { return at(data, 0, "\xff\x0a") || at(data, 4, "JXL \r\n") }},
	{"a JPEG 2000 picture", func(data []byte) bool { return at(data, 4, "jP  \r\n") || at(data, 0, "\xff\x4f\xff\x51") }},
	{"an icon", starts("\x00\x00\x01\x00")},
	{"a Photoshop picture", starts("8BPS")},
	{"a PDF document", starts("%PDF-")},
	{"a gzip file", starts("\x1f\x8b")},
	{"a ZIP archive or an Office document", starts("PK\x03\x04")},
	{"a JPEG picture without its start", starts("\xff\xe1")},
	{"an SVG drawing", contains("<svg")},
	{"an HTML page", contains("<!doctype html", "<html", "<head", "<body")},
	{"an XML document", contains("<?xml")},
	{"base64 of a picture", func(data []byte) bool {
		return at(data, 0, "data:image") || at(data, 0, "/9j/") || at(data, 0, "iVBORw0KGgo")
	}},
}

// guess says what a file seems to be.
func guess(data []byte) string {
	for _, other := range others {
		if other.is(data) {
			return other.name
		}
	}
	head := data[:min(len(data), 512)]
	for len(head) > 509 && !utf8.Valid(head) { // the cut may be in a character
		head = head[:len(head)-1]
	}
	if bytes.IndexByte(head, 0) < 0 && utf8.Valid(head) {
		return "text"
	}
	return fmt.Sprintf("data that starts with % x", data[:min(len(data), 8)])
}

func at(data []byte, offset int, text string) bool {
	return len(data) >= offset && bytes.HasPrefix(data[offset:], []byte(text))
}

func starts(text string) func([]byte) bool {
	return func(data []byte) bool { return at(data, 0, text) }
}

// brand matches ISO media files, by the major brand.
func brand(names ...string) func([]byte) bool {
	return func(data []byte) bool {
		for _, name := range names {
			if at(data, 4, "ftyp"+name) {
				return true
			}
		}
		return false
	}
}

// contains matches files with a tag near their start, in any case.
func contains(tags ...string) func([]byte) bool {
	return func(data []byte) bool {
		head := bytes.ToLower(data[:min(len(data), 512)])
		for _, tag := range tags {
			if bytes.Contains(head, []byte(tag)) {
				return true
			}
		}
		return false
	}
}
