package jpeg

// sequential decodes a block of a baseline or extended file and its samples.
func (d *decoder) sequential(_ *scan, p *part, x, y int) error {
	var coefficients [blockSize]int32 // dequantized
	r := &d.bits
	if !r.dc(p) {
		return errCode
	}
	coefficients[0] = p.predicted * p.quant[0]
	last, ok := r.ac(p.ac, p.quant, &coefficients)
	if !ok {
		return errCode
	}
	if err := r.check(); err != nil {
		return err
	}
	p.store(&coefficients, x, y, last)
	return nil
}

// dc decodes by how much the DC of a block differs from that of the one before.
func (r *bitReader) dc(p *part) bool {
	if r.n < 32 {
		r.fill()
	}
	size, ok := r.symbol(p.dc)
	if !ok || size > 15 {
		return false
	}
	p.predicted += r.receive(size)
	return true
}

// ac decodes the AC coefficients of a sequential block and returns where the last one is.
func (r *bitReader) ac(h *huffman, quant, out *[blockSize]int32) (last int, ok bool) {
	for k := 1; k < blockSize; k++ {
		if r.n < 32 {
			r.fill()
		}
		if e := h.whole[r.acc>>(64-lookupBits)]; e != 0 {
			r.take(int(e & 255))
			k += int(e >> 8 & 15)
			if k >= blockSize {
				return 0, false
			}
			out[natural[k]&63] = e >> 16 * quant[k]
			last = k
			continue
		}
		symbol, ok := r.symbol(h)
		if !ok {
			return 0, false
		}
		run, size := symbol>>4, symbol&15
		if size == 0 {
			if run < 15 {
				break
			}
			k += 15
			continue
		}
		k += run
		if k >= blockSize {
			return 0, false
		}
		out[natural[k]&63] = r.receive(size) * quant[k]
		last = k
	}
	return last, true
}

// store puts the samples of a block into its component's plane.
func (c *component) store(coefficients *[blockSize]int32, x, y, last int) {
	stride := 8 * c.stride
	out := c.plane[8*(y*stride+x):]
	if last == 0 {
		fill(coefficients[0], out, stride)
		return
	}
	inverseDCT(coefficients, out, stride)
}

// firstDC decodes the upper bits of a block's DC.
func (d *decoder) firstDC(s *scan, p *part, x, y int) error {
	r := &d.bits
	if !r.dc(p) {
		return errCode
	}
	p.coefficients[y*p.stride+x][0] = int16(p.predicted << s.low)
	return r.check()
}

// refineDC decodes one more bit of a block's DC.
func (d *decoder) refineDC(s *scan, p *part, x, y int) error {
	if d.bits.bit() {
		p.coefficients[y*p.stride+x][0] |= 1 << s.low
	}
	return d.bits.check()
}

// firstAC decodes the upper bits of some of a block's AC coefficients.
func (d *decoder) firstAC(s *scan, p *part, x, y int) error {
	if d.eobRun > 0 {
		d.eobRun--
		return nil
	}
	r, b := &d.bits, &p.coefficients[y*p.stride+x]
	for k := s.start; k <= s.end; k++ {
		if r.n < 32 {
			r.fill()
		}
		symbol, ok := r.symbol(p.ac)
		if !ok {
			return errCode
		}
		run, size := symbol>>4, symbol&15
		if size == 0 {
			if run < 15 {
				d.eobRun = r.endOfBand(run) - 1
				break
			}
			k += 15
			continue
		}
		k += run
		if k > s.end {
			return errCode
		}
		b[natural[k]] = int16(r.receive(size) << s.low)
	}
	return r.check()
}

// refineAC decodes one more bit of some of a block's AC coefficients: of those that
// are not zero yet, and the sign of those that become so.
func (d *decoder) refineAC(s *scan, p *part, x, y int) error {
	r, b := &d.bits, &p.coefficients[y*p.stride+x]
	k, bit := s.start, int16(1)<<s.low
	for d.eobRun == 0 && k <= s.end {
		if r.n < 32 {
			r.fill()
		}
		symbol, ok := r.symbol(p.ac)
		if !ok || symbol&15 > 1 {
			return errCode
		}
		run, value := symbol>>4, int16(0)
		if symbol&15 == 1 {
			if value = -bit; r.bit() {
				value = bit
			}
		} else if run < 15 {
			d.eobRun = r.endOfBand(run)
			break
		}
		k = r.refine(b, k, s.end, run, bit)
		if value != 0 {
			if k > s.end {
				return errCode
			}
			b[natural[k]] = value
		}
		k++
	}
	if d.eobRun > 0 {
		r.refine(b, k, s.end, -1, bit)
		d.eobRun--
	}
	return r.check()
}

// refine reads a bit for every coefficient from k on that is not zero, and stops at
// the zero after zeros others, or past end.
func (r *bitReader) refine(b *block, k, end, zeros int, bit int16) int {
	for ; k <= end; k++ {
		v := &b[natural[k]]
		if *v == 0 {
			if zeros == 0 {
				break
			}
			zeros--
			continue
		}
		if !r.bit() || *v&bit != 0 {
			continue
		}
		if *v > 0 {
			*v += bit
		} else {
			*v -= bit
		}
	}
	return k
}

// endOfBand reads how many blocks, this one included, have no more coefficients.
func (r *bitReader) endOfBand(size int) int {
	n := 1 << size
	if size > 0 {
		n += int(r.acc >> uint(64-size))
		r.take(size)
	}
	return n
}

func (r *bitReader) check() error {
	if r.n < r.padding {
		return errTruncated
	}
	return nil
}

// reconstruct turns a progressive file's coefficients into samples.
func (d *decoder) reconstruct() {
	smooths := d.smooths()
	for i := range d.components {
		c := &d.components[i]
		for y := range c.blocksHigh {
			rows := c.rowsAround(y, d.mcusHigh)
			for x := range c.blocksWide {
				var coefficients [blockSize]int32
				b, last := &c.coefficients[y*c.stride+x], 0
				if smooths {
					smoothed := *b
					b = &smoothed
					c.smooth(b, c.dcs(x, rows))
				}
				for k := range blockSize {
					n := natural[k] & 63
					if b[n] != 0 {
						coefficients[n], last = int32(b[n])*c.quant[k], k
					}
				}
				c.store(&coefficients, x, y, last)
			}
		}
		c.coefficients = nil
	}
}
