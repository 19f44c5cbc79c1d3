package jpeg

import (
	"errors"
	"fmt"
)

// blockSize is the number of coefficients or samples in a block.
const blockSize = 64

// block holds the quantized coefficients of a block in natural order.
type block [blockSize]int16

const (
	// maxBlocksInMCU is the most that a unit of an interleaved scan may hold, by the standard.
	maxBlocksInMCU = 10
	// maxScans bounds the time for a progressive file: a scan of a few bytes can pass over
	// every block. Encoders write about ten.
	maxScans = 200
)

// natural maps zigzag order to natural order.
var natural = [blockSize]uint8{
	0, 1, 8, 16, 9, 2, 3, 10,
	17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34,
	27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36,
	29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46,
	53, 60, 61, 54, 47, 55, 62, 63,
}

var errCode = errors.New("the coded data is damaged")

// scan is the header of a scan and what its blocks are decoded with.
type scan struct {
	parts      []part
	start, end int // spectral selection
	high, low  int // successive approximation
	decode     func(d *decoder, s *scan, p *part, x, y int) error
}

// part is one component of a scan.
type part struct {
	*component
	dc, ac *huffman
}

// scan reads a scan's header and its data.
func (d *decoder) scan(body []byte) error {
	s, err := d.scanHeader(body)
	if err != nil {
		return err
	}
	if d.scans++; d.scans > maxScans {
		return fmt.Errorf("more than %d scans", maxScans)
	}
	for i := range s.parts {
		c := s.parts[i].component
		if c.scanned && !d.progressive {
			return fmt.Errorf("component %d is coded twice", c.id)
		}
		if c.quant == nil {
			c.quant = d.quant[c.tq]
		}
		if c.quant == nil {
			return fmt.Errorf("quantization table %d is missing", c.tq)
		}
		for k := s.start; k <= min(s.end, guessed-1); k++ {
			c.missing[k] = int8(s.low)
		}
		c.scanned = true
	}
	d.bits = bitReader{data: d.data, pos: d.pos}
	d.reset()
	if len(s.parts) == 1 {
		err = d.plainScan(s)
	} else {
		err = d.interleavedScan(s)
	}
	d.pos = d.bits.pos
	return err
}

func (d *decoder) scanHeader(body []byte) (*scan, error) {
	if len(d.components) == 0 {
		return nil, errors.New("a scan comes before the frame header")
	}
	if len(body) < 4 || body[0] < 1 || body[0] > 4 || len(body) != 4+2*int(body[0]) {
		return nil, errors.New("a scan's header has a wrong length")
	}
	n := int(body[0])
	s := &scan{start: 0, end: blockSize - 1, decode: (*decoder).sequential}
	if d.progressive {
		tail := body[1+2*n:]
		s.start, s.end, s.high, s.low = int(tail[0]), int(tail[1]), int(tail[2]>>4), int(tail[2]&15)
		if err := s.progression(n); err != nil {
			return nil, err
		}
	}
	blocks := 0
	for i := range n {
		p, err := d.part(s, body[1+2*i], body[2+2*i])
		if err != nil {
			return nil, err
		}
		s.parts = append(s.parts, p)
		blocks += p.h * p.v
	}
	if n > 1 && blocks > maxBlocksInMCU {
		return nil, fmt.Errorf("%d blocks in a unit of a scan are over the %d allowed", blocks, maxBlocksInMCU)
	}
	return s, nil
}

// progression checks a progressive scan's parameters and chooses its decoder.
func (s *scan) progression(components int) error {
	switch {
	case s.start == 0 && s.end != 0,
		s.start > s.end, s.end >= blockSize,
		s.start > 0 && components > 1,
		s.high != 0 && s.high != s.low+1, s.low > 13:
		return fmt.Errorf("a scan of coefficients %d to %d, bits %d to %d: not allowed", s.start, s.end, s.high, s.low)
	case s.start == 0 && s.high == 0:
		s.decode = (*decoder).firstDC
	case s.start == 0:
		s.decode = (*decoder).refineDC
	case s.high == 0:
		s.decode = (*decoder).firstAC
	default:
		s.decode = (*decoder).refineAC
	}
	return nil
}

func (d *decoder) part(s *scan, id, tables byte) (part, error) {
	for i := range d.components {
		c := &d.components[i]
		if c.id != id {
			continue
		}
		for _, other := range s.parts {
			if other.component == c {
				return part{}, fmt.Errorf("component %d is twice in a scan", id)
			}
		}
		if tables>>4 > 3 || tables&15 > 3 {
			return part{}, errHuffman
		}
		p := part{component: c}
		var err error
		if s.start == 0 && s.high == 0 {
			p.dc, err = newHuffman(d.codes[0][tables>>4])
		}
		if s.end > 0 && err == nil {
			p.ac, err = newHuffman(d.codes[1][tables&15])
		}
		return p, err
	}
	return part{}, fmt.Errorf("a scan has a component %d that the frame lacks", id)
}

// plainScan decodes a scan of one component: its blocks row by row, without padding.
func (d *decoder) plainScan(s *scan) error {
	p := &s.parts[0]
	left := d.restart
	for y := range p.blocksHigh {
		for x := range p.blocksWide {
			if err := d.restartIfDue(&left); err != nil {
				return err
			}
			if err := s.decode(d, s, p, x, y); err != nil {
				return err
			}
		}
	}
	return nil
}

// interleavedScan decodes units that hold h x v blocks of each component.
func (d *decoder) interleavedScan(s *scan) error {
	left := d.restart
	for my := range d.mcusHigh {
		for mx := range d.mcusWide {
			if err := d.restartIfDue(&left); err != nil {
				return err
			}
			for i := range s.parts {
				p := &s.parts[i]
				for y := range p.v {
					for x := range p.h {
						if err := s.decode(d, s, p, mx*p.h+x, my*p.v+y); err != nil {
							return err
						}
					}
				}
			}
		}
	}
	return nil
}

// restartIfDue passes a restart marker once left units were decoded, before the next one.
func (d *decoder) restartIfDue(left *int) error {
	if d.restart == 0 {
		return nil
	}
	if *left > 0 {
		*left--
		return nil
	}
	d.pos = d.bits.pos
	marker, err := d.nextMarker()
	if err != nil {
		return err
	}
	if marker != markerRST0+d.bits.restarts {
		return fmt.Errorf("restart marker %d is missing", d.bits.restarts)
	}
	restarts := (d.bits.restarts + 1) & 7
	d.bits = bitReader{data: d.data, pos: d.pos, restarts: restarts}
	d.reset()
	*left = d.restart - 1
	return nil
}

// reset forgets what blocks hand on to later blocks.
func (d *decoder) reset() {
	d.eobRun = 0
	for i := range d.components {
		d.components[i].predicted = 0
	}
}
