package vision

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// patched returns a file with other bytes somewhere.
func patched(data []byte, offset int, with ...byte) []byte {
	out := bytes.Clone(data)
	copy(out[offset:], with)
	return out
}

// pngSized returns a PNG that declares another size, with the right checksum.
func pngSized(data []byte, width, height uint32) []byte {
	out := bytes.Clone(data)
	binary.BigEndian.PutUint32(out[16:], width)
	binary.BigEndian.PutUint32(out[20:], height)
	binary.BigEndian.PutUint32(out[29:], crc32.ChecksumIEEE(out[12:29]))
	return out
}

// after returns the offset of the byte after a marker or tag.
func after(t testing.TB, data []byte, tag string) int {
	t.Helper()
	i := bytes.Index(data, []byte(tag))
	require.GreaterOrEqual(t, i, 0)
	return i + len(tag)
}

func TestDecodeRefusesOtherFormats(t *testing.T) {
	for name, c := range map[string]struct{ data, want string }{
		"nothing":       {"", "the picture is empty"},
		"one byte":      {"\xff", "data that starts with ff"},
		"BMP":           {"BM\x46\x00\x00\x00\x00\x00\x00\x00\x36", "a BMP picture"},
		"TIFF":          {"II*\x00\x08\x00\x00\x00", "a TIFF picture"},
		"HEIC":          {"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "a HEIC picture"},
		"AVIF":          {"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00", "an AVIF picture"},
		"MP4":           {"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00", "a video"},
		"WAVE":          {"RIFF\x24\x00\x00\x00WAVEfmt ", "a video or sound"},
		"JPEG XL":       {"\xff\x0a\x00\x10", "a JPEG XL picture"},
		"PDF":           {"%PDF-1.7\n", "a PDF document"},
		"SVG":           {"<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\">", "an SVG drawing"},
		"HTML":          {"\n<!DOCTYPE html><html>", "an HTML page"},
		"base64":        {"data:image/png;base64,iVBORw0KGgo", "base64 of a picture"},
		"text":          {"a cat, drawn in words: \xc3\xa4", "text"},
		"long text":     {strings.Repeat("ä", 1000), "text"},
		"binary":        {"\x01\x02\x03\x00\x04\x05\x06\x07\x08", "data that starts with 01 02 03 00 04 05 06 07"},
		"renamed WebP?": {"RIFF\x24\x00\x00\x00WEB", "a video or sound"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode([]byte(c.data))
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "JPEG, PNG, WebP and GIF are read")
		})
	}
}

func TestDecodeRefusesDamage(t *testing.T) {
	const frame = "\xff\xc0\x00\x11\x08"
	jpeg, png := encoded(t, "jpeg-444.jpg"), encoded(t, "png-8-kind2.png")
	gif, webp := encoded(t, "gif-plain.gif"), encoded(t, "webp-lossy-17x33.webp")
	progressive := encoded(t, "jpeg-444-progressive.jpg")
	size := after(t, jpeg, frame)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"PNG of no width":       {pngSized(png, 0, 5), "0x5 pixels is empty"},
		"PNG bomb":              {pngSized(png, 60000, 60000), "60000x60000 pixels is over the limit of 89478485"},
		"PNG too long":          {pngSized(png, 1<<30, 1), "over the limit of 65535 a side"},
		"PNG without the data":  {pngSized(png, 9000, 9000), "the file ends before"},
		"PNG size overflows":    {pngSized(png, 1<<31, 1), "malformed"},
		"PNG checksum":          {patched(png, len(png)-20, png[len(png)-20]^1), "checksum"},
		"PNG header only":       {png[:8], "the file ends before"},
		"PNG other first chunk": {patched(png, 12, 'I', 'D', 'A', 'T'), "no header"},
		"JPEG of no height":     {patched(jpeg, size, 0, 0), "17x0 pixels is empty"},
		"JPEG bomb":             {patched(jpeg, size, 255, 255, 255, 255), "over the limit of 89478485"},
		"JPEG without the data": {patched(jpeg, size, 0x20, 0, 0x20, 0), "the file ends before"},
		"JPEG of 12 bits":       {patched(jpeg, size-1, 12), "12 bits a sample"},
		"JPEG lossless":         {patched(jpeg, size-4, 0xc3), "lossless JPEG is not supported"},
		"JPEG arithmetic":       {patched(jpeg, size-4, 0xc9), "arithmetic coding is not supported"},
		"JPEG hierarchical":     {patched(jpeg, size-4, 0xc5), "hierarchical JPEG is not supported"},
		"JPEG sampling":         {patched(jpeg, size+6, 0x51), "sampl"},
		"JPEG no sampling":      {patched(jpeg, size+6, 0), "sampling 0x0"},
		"JPEG same names":       {patched(jpeg, size+5, jpeg[size+8]), "two components"},
		"JPEG no tables":        {bytes.ReplaceAll(jpeg, []byte("\xff\xc4"), []byte("\xff\xfe")), "a Huffman table is missing"},
		"JPEG no quantization":  {bytes.ReplaceAll(jpeg, []byte("\xff\xdb"), []byte("\xff\xfe")), "quantization table 0 is missing"},
		"JPEG of one marker":    {[]byte("\xff\xd8\xff"), "the file ends before"},
		"JPEG without scans":    {append(bytes.Clone(jpeg[:after(t, jpeg, "\xff\xda")-2]), 0xff, 0xd9), "has no data"},
		"JPEG ends early":       {append(bytes.Clone(jpeg[:len(jpeg)-20]), 0xff, 0xd9), "the file ends before"},
		"JPEG many scans":       {manyScans(t, progressive), "more than 200 scans"},
		"JPEG restart missing":  {bytes.Replace(encoded(t, "jpeg-scans-restart.jpg"), []byte("\xff\xd1"), []byte("\xff\xd5"), 1), "restart marker 1 is missing"},
		"GIF of no size":        {[]byte("GIF89a\x00\x00\x14\x00\x00\x00\x00;"), "0x20 pixels is empty"},
		"GIF frame too far":     {patched(gif, after(t, gif, "\x2c\x00\x00\x00\x00")-4, 255, 255), "over the limit of 65535 a side"},
		"GIF bomb":              {patched(gif, 6, 255, 255, 255, 255), "over the limit of 89478485"},
		"GIF header only":       {gif[:12], "the file ends before"},
		"GIF without a frame":   {gif[:13+3*16], "gif"},
		"WebP of no width":      {patched(webp, 26, 0, 0), "0x33 pixels is empty"},
		"WebP bomb":             {patched(webp, 26, 255, 255, 255, 255), "over the limit"},
		"WebP of nothing":       {[]byte("RIFF\x14\x00\x00\x00WEBPJUNK\x08\x00\x00\x00abcdefgh"), "no picture"},
		"WebP canvas":           {patched(encoded(t, "webp-exif.webp"), 24, 40), "on a canvas of 41x11"},
		"WebP huge canvas":      {patched(encoded(t, "webp-animated.webp"), 24, 255, 255, 255), "over the limit of 65535 a side"},
		"WebP frame outside":    {patched(encoded(t, "webp-animated.webp"), after(t, encoded(t, "webp-animated.webp"), "ANMF")+4, 9), "not inside the canvas"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(c.data)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// manyScans returns a progressive file whose first scan comes again and again.
func manyScans(t testing.TB, data []byte) []byte {
	t.Helper()
	first := after(t, data, "\xff\xda") - 2
	end := first + 2 + bytes.IndexByte(data[first+2:], 0xff)
	for data[end+1] == 0 {
		end += 2 + bytes.IndexByte(data[end+2:], 0xff)
	}
	out := append(bytes.Clone(data[:end]), bytes.Repeat(data[first:end], 300)...)
	return append(out, data[end:]...)
}

// Cut anywhere, a file is refused; only what follows the last pixel may be missing,
// and of an animation all but the first frame, which may end anywhere.
func TestDecodeRefusesTruncated(t *testing.T) {
	for name := range decodeGoldens(t) {
		if strings.Contains(name, "animated") {
			continue
		}
		data := encoded(t, name)
		for part := 1; part < 8; part++ {
			_, err := Decode(data[:len(data)*part/8])
			require.Error(t, err, "%s, %d of 8 parts", name, part)
		}
	}
}

func TestDecodeRefusesLargeFiles(t *testing.T) {
	_, err := Decode(make([]byte, MaxFileBytes+1))
	require.ErrorContains(t, err, "over the limit of 67108864")
}

func TestReadFile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "picture")
	_, err := ReadFile(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = ReadFile(folder)
	require.ErrorContains(t, err, "not a regular file")

	require.NoError(t, os.WriteFile(path, []byte("abc"), 0o600))
	data, err := ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "abc", string(data))

	require.NoError(t, os.Truncate(path, MaxFileBytes+1)) // a hole, it takes no space
	_, err = ReadFile(path)
	require.ErrorContains(t, err, "over the limit of 67108864 bytes")
}

// A file may grow while it is read, or not know its size.
func TestReadAtMostCountsWhatItReads(t *testing.T) {
	_, err := readAtMost(strings.NewReader("12345"), 2, 4)
	require.ErrorContains(t, err, "over the limit of 4")
	data, err := readAtMost(strings.NewReader("1234"), 0, 4)
	require.NoError(t, err)
	require.Equal(t, "1234", string(data))
}
