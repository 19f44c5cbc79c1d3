package jpeg

import (
	"errors"
	"fmt"
)

// frame reads a frame header and takes the memory for its planes.
func (d *decoder) frame(marker byte, body []byte) error {
	if name := unsupported(marker); name != "" {
		return fmt.Errorf("%s is not supported: save it as baseline or progressive", name)
	}
	if len(d.components) != 0 {
		return errors.New("two frame headers")
	}
	if len(body) < 6 || len(body) != 6+3*int(body[5]) {
		return errors.New("the frame header has a wrong length")
	}
	if body[0] != 8 {
		return fmt.Errorf("%d bits a sample are not supported: save it with 8", body[0])
	}
	d.height = int(body[1])<<8 | int(body[2])
	d.width = int(body[3])<<8 | int(body[4])
	if err := d.check(d.width, d.height); err != nil {
		return err
	}
	if n := body[5]; n != 1 && n != 3 && n != 4 {
		return fmt.Errorf("%d components are neither gray, colour nor CMYK", n)
	}
	d.progressive = marker == markerSOF2
	if err := d.samplings(body[6:]); err != nil {
		return err
	}
	return d.planes()
}

// unsupported names the coding of a frame header that is not read, "" if it is.
func unsupported(marker byte) string {
	switch {
	case marker <= markerSOF2:
		return ""
	case marker == 0xc3:
		return "lossless JPEG"
	case marker < 0xc8:
		return "hierarchical JPEG"
	}
	return "arithmetic coding"
}

func (d *decoder) samplings(body []byte) error {
	d.components = make([]component, len(body)/3)
	for i := range d.components {
		c := &d.components[i]
		for k := range c.missing {
			c.missing[k] = -1
		}
		c.id, c.h, c.v, c.tq = body[3*i], int(body[3*i+1]>>4), int(body[3*i+1]&15), body[3*i+2]
		for j := range i {
			if d.components[j].id == c.id {
				return fmt.Errorf("two components are called %d", c.id)
			}
		}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.tq > 3 {
			return fmt.Errorf("component %d has sampling %dx%d and table %d", i+1, c.h, c.v, c.tq)
		}
		d.maxH, d.maxV = max(d.maxH, c.h), max(d.maxV, c.v)
	}
	for i := range d.components {
		if c := &d.components[i]; d.maxH%c.h != 0 || d.maxV%c.v != 0 {
			return fmt.Errorf("component %d is sampled %dx%d against %dx%d: no whole ratio", i+1, c.h, c.v, d.maxH, d.maxV)
		}
	}
	return nil
}

// planes takes memory for the samples, and for the coefficients of a progressive file.
func (d *decoder) planes() error {
	d.mcusWide, d.mcusHigh = ceilDiv(d.width, 8*d.maxH), ceilDiv(d.height, 8*d.maxV)
	blocks := 0
	for i := range d.components {
		c := &d.components[i]
		c.width, c.height = ceilDiv(d.width*c.h, d.maxH), ceilDiv(d.height*c.v, d.maxV)
		c.blocksWide, c.blocksHigh = ceilDiv(c.width, 8), ceilDiv(c.height, 8)
		blocks += c.blocksWide * c.blocksHigh
	}
	// Each block's DC takes a bit at least, so a short file cannot ask for much memory.
	if blocks > 8*(len(d.data)-d.pos) {
		return errTruncated
	}
	for i := range d.components {
		c := &d.components[i]
		c.stride = d.mcusWide * c.h
		n := c.stride * d.mcusHigh * c.v
		c.plane = make([]byte, n*blockSize)
		if d.progressive {
			c.coefficients = make([]block, n)
		}
	}
	return nil
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
