package jpeg

import (
	"bytes"
	"errors"
	"fmt"
)

// The markers that are treated in some way.
const (
	markerSOF0 = 0xc0
	markerSOF1 = 0xc1
	markerSOF2 = 0xc2
	markerDHT  = 0xc4
	markerSOFF = 0xcf
	markerRST0 = 0xd0
	markerRST7 = 0xd7
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda
	markerDQT  = 0xdb
	markerDRI  = 0xdd
	markerAPP0 = 0xe0
	markerAPP1 = 0xe1
	markerAPPE = 0xee
	markerTEM  = 0x01
)

var (
	exifPrefix = []byte("Exif\x00\x00")
	xmpPrefix  = []byte("http://ns.adobe.com/xap/1.0/\x00")
)

var errTruncated = errors.New("the file ends before the picture does")

// Picture is a decoded file.
type Picture struct {
	Width, Height int
	Pix           []byte // RGB, 3 bytes a pixel, row by row
	Exif          []byte // the TIFF structure, if the file has one
	XMP           []byte // the XMP packet, if the file has one
}

// Decode reads a whole file. The frame header is handed to check before memory is
// taken for the picture; its error is returned as it is.
func Decode(data []byte, check func(width, height int) error) (*Picture, error) {
	d := &decoder{data: data, check: check}
	if len(data) < 2 || data[0] != 0xff || data[1] != markerSOI {
		return nil, errors.New("no start of image")
	}
	d.pos = 2
	if err := d.segments(); err != nil {
		return nil, err
	}
	if d.progressive {
		d.reconstruct()
	}
	return &Picture{
		Width: d.width, Height: d.height, Pix: d.render(),
		Exif: d.exif, XMP: d.xmp,
	}, nil
}

type decoder struct {
	data  []byte
	pos   int
	check func(width, height int) error

	width, height int
	progressive   bool
	components    []component // empty before the frame header
	maxH, maxV    int
	mcusWide      int
	mcusHigh      int

	quant   [4]*[blockSize]int32 // in zigzag order
	codes   [2][4][]byte         // Huffman codes for DC and AC, as in the file
	scans   int
	restart int // MCUs between restart markers, 0 for none

	bits   bitReader
	eobRun int

	jfif, adobe    bool
	adobeTransform byte
	exif, xmp      []byte
}

type component struct {
	id, tq byte
	h, v   int // sampling factors

	width, height          int // in samples
	blocksWide, blocksHigh int // blocks that hold samples of the picture
	stride                 int // blocks in a row of the plane: whole MCUs
	plane                  []byte
	coefficients           []block           // progressive only
	missing                [guessed]int8     // lower bits that scans have yet to give, -1 for all
	quant                  *[blockSize]int32 // as it was at the component's first scan
	predicted              int32             // DC
	scanned                bool
}

// segments walks the file's segments up to the end of the picture.
func (d *decoder) segments() error {
	for {
		marker, err := d.nextMarker()
		if err != nil {
			return err
		}
		switch {
		case marker == markerEOI:
			return d.complete()
		case marker == markerSOI || marker == markerTEM || marker >= markerRST0 && marker <= markerRST7:
			continue // no payload
		}
		body, err := d.segment()
		if err != nil {
			return err
		}
		if err := d.apply(marker, body); err != nil {
			return err
		}
		// A sequential picture is whole with the last component's scan, whatever follows.
		if marker == markerSOS && !d.progressive && d.complete() == nil {
			return nil
		}
	}
}

func (d *decoder) apply(marker byte, body []byte) error {
	switch {
	case marker == markerDHT:
		return d.huffmanCodes(body)
	case marker == markerDQT:
		return d.quantTables(body)
	case marker == markerDRI:
		if len(body) != 2 {
			return errors.New("the restart interval has a wrong length")
		}
		d.restart = int(body[0])<<8 | int(body[1])
	case marker == markerSOS:
		return d.scan(body)
	case marker == markerAPP0:
		d.jfif = d.jfif || bytes.HasPrefix(body, []byte("JFIF\x00"))
	case marker == markerAPP1:
		d.metadata(body)
	case marker == markerAPPE:
		if len(body) >= 12 && bytes.HasPrefix(body, []byte("Adobe")) {
			d.adobe, d.adobeTransform = true, body[11]
		}
	case marker >= markerSOF0 && marker <= markerSOFF && marker != 0xc8 && marker != 0xcc:
		return d.frame(marker, body)
	}
	return nil
}

// metadata keeps what may hold the orientation. Long EXIF data goes on in further segments.
func (d *decoder) metadata(body []byte) {
	if tiff, ok := bytes.CutPrefix(body, exifPrefix); ok {
		d.exif = append(d.exif, tiff...)
	} else if packet, ok := bytes.CutPrefix(body, xmpPrefix); ok {
		d.xmp = packet
	}
}

// nextMarker skips to the next marker, past fill bytes and what a scan left over.
func (d *decoder) nextMarker() (byte, error) {
	for {
		i := bytes.IndexByte(d.data[d.pos:], 0xff)
		if i < 0 {
			return 0, errTruncated
		}
		d.pos += i
		for d.pos < len(d.data) && d.data[d.pos] == 0xff {
			d.pos++
		}
		if d.pos == len(d.data) {
			return 0, errTruncated
		}
		d.pos++
		if m := d.data[d.pos-1]; m != 0 {
			return m, nil
		}
	}
}

// segment returns the payload of the segment at hand.
func (d *decoder) segment() ([]byte, error) {
	if len(d.data)-d.pos < 2 {
		return nil, errTruncated
	}
	n := int(d.data[d.pos])<<8 | int(d.data[d.pos+1])
	if n < 2 {
		return nil, errors.New("a segment has a length below 2")
	}
	if n > len(d.data)-d.pos {
		return nil, errTruncated
	}
	body := d.data[d.pos+2 : d.pos+n]
	d.pos += n
	return body, nil
}

func (d *decoder) quantTables(body []byte) error {
	for len(body) > 0 {
		precision, id := body[0]>>4, body[0]&15
		size := blockSize * (1 + int(precision))
		if precision > 1 || id > 3 {
			return errors.New("a quantization table has a wrong number or precision")
		}
		body = body[1:]
		if len(body) < size {
			return errors.New("a quantization table is cut short")
		}
		table := new([blockSize]int32)
		for i := range table {
			if precision == 0 {
				table[i] = int32(body[i])
			} else {
				table[i] = int32(body[2*i])<<8 | int32(body[2*i+1])
			}
		}
		d.quant[id] = table
		body = body[size:]
	}
	return nil
}

// complete says whether every component was seen.
func (d *decoder) complete() error {
	if len(d.components) == 0 {
		return errors.New("no frame header")
	}
	for i := range d.components {
		if !d.components[i].scanned {
			return fmt.Errorf("component %d of %d has no data", i+1, len(d.components))
		}
	}
	return nil
}
