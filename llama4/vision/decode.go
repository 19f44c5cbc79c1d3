package vision

import (
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	// MaxFileBytes is the most bytes that an encoded picture may have.
	MaxFileBytes = 64 << 20
	// MaxPixels is the most pixels that a picture may have. It is the number at which
	// Pillow warns of a decompression bomb.
	MaxPixels = 89_478_485
)

var errTruncated = errors.New("the file ends before the picture does")

// decoded is what a decoder finds in a file: the pixels as they are stored, and the
// metadata that may say how the camera was held.
type decoded struct {
	*RGB
	exif []byte // a TIFF structure
	xmp  []byte // XML
}

// checker refuses pictures by their size.
type checker func(width, height int) error

// Decode decodes a JPEG, PNG, WebP or GIF file. It is told from its content. The
// pixels are those that the reference implementation reads: Pillow's, turned by the
// EXIF orientation, converted to RGB. Transparent pixels are composed onto white. Of an
// animation it is the first frame.
//
// A file that is damaged, cut short, or larger than [MaxFileBytes], [MaxPixels] or
// [MaxSide] is refused, the sizes before memory is taken for the pixels.
func Decode(data []byte) (*RGB, error) { return decode(data, checkSize) }

// decode is Decode with another judge of the size that a file declares.
func decode(data []byte, check checker) (*RGB, error) {
	if len(data) > MaxFileBytes {
		return nil, fmt.Errorf("a picture of %d bytes is over the limit of %d: save it smaller", len(data), MaxFileBytes)
	}
	f, err := formatOf(data)
	if err != nil {
		return nil, err
	}
	d, err := f.decode(data, check)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errTruncated
	}
	if err != nil {
		return nil, fmt.Errorf("%s picture: %w", f.name, err)
	}
	return d.turned(orientation(d.exif, d.xmp)), nil
}

// ReadFile reads an encoded picture for [Decode]. A file over [MaxFileBytes] is refused
// before it is read, as is what is no regular file.
func ReadFile(path string) ([]byte, error) {
	info, err := os.Stat(path) // before Open, which would wait for the writer of a pipe
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// One byte more shows a file that grew, or that has no size, as some of /proc.
	data, err := readAtMost(f, info.Size(), MaxFileBytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}

// readAtMost reads all of r, which should have size bytes, and fails beyond limit.
func readAtMost(r io.Reader, size, limit int64) ([]byte, error) {
	tooLarge := fmt.Errorf("over the limit of %d bytes for a picture: save it smaller", limit)
	if size > limit {
		return nil, tooLarge
	}
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, tooLarge
	}
	return data, nil
}

// checkSize refuses pictures that are empty or too large.
func checkSize(width, height int) error {
	switch {
	case width < 1 || height < 1:
		return fmt.Errorf("%dx%d pixels is empty", width, height)
	case width > MaxSide || height > MaxSide:
		return fmt.Errorf("%dx%d pixels is over the limit of %d a side: scale it down", width, height, MaxSide)
	case width*height > MaxPixels:
		return fmt.Errorf("%dx%d pixels is over the limit of %d: scale it down", width, height, MaxPixels)
	}
	return nil
}
