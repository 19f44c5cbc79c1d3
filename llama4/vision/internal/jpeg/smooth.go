package jpeg

// guessed is the number of coefficients, in zigzag order, whose precision is kept account
// of: the DC and those that smoothing estimates.
const guessed = 10

// window holds a number for each block from two rows above to two rows below, and from
// two to the left to two to the right.
type window [5][5]int32

// aroundSome are the weights of DCs in the estimates of coefficients of a file whose scans
// give some AC, aroundNone of one that has the DC only; [0] is of the DC itself, which is
// then smoothed, too. They are libjpeg-turbo's.
var (
	aroundSome = [...]window{
		1: {2: {-7, 50, 0, -50, 7}},
		2: {{2: -7}, {2: 50}, {}, {2: -50}, {2: 7}},
		3: {{2: -1}, {2: 13}, {2: -24}, {2: 13}, {2: -1}},
		4: {{0, -1, 0, 1, 0}, {-1, 10, 0, -10, 1}, {}, {1, -10, 0, 10, -1}, {0, 1, 0, -1, 0}},
		5: {2: {-1, 13, -24, 13, -1}},
	}
	aroundNone = [guessed]window{
		{{-2, -6, -8, -6, -2}, {-6, 6, 42, 6, -6}, {-8, 42, 152, 42, -8}, {-6, 6, 42, 6, -6}, {-2, -6, -8, -6, -2}},
		{{-1, -1, 0, 1, 1}, {-3, 13, 0, -13, 3}, {-3, 38, 0, -38, 3}, {-3, 13, 0, -13, 3}, {-1, -1, 0, 1, 1}},
		{{-1, -3, -3, -3, -1}, {-1, 13, 38, 13, -1}, {}, {1, -13, -38, -13, 1}, {1, 3, 3, 3, 1}},
		{{2: 1}, {0, 2, 7, 2, 0}, {0, -5, -14, -5, 0}, {0, 2, 7, 2, 0}, {2: 1}},
		{{-1, 0, 0, 0, 1}, {0, 9, 0, -9, 0}, {}, {0, -9, 0, 9, 0}, {1, 0, 0, 0, -1}},
		{{}, {0, 2, -5, 2, 0}, {1, 7, -14, 7, 1}, {0, 2, -5, 2, 0}, {}},
		{{}, {0, 1, 0, -1, 0}, {0, 2, 0, -2, 0}, {0, 1, 0, -1, 0}, {}},
		{{}, {0, 1, -3, 1, 0}, {}, {0, -1, 3, -1, 0}, {}},
		{{}, {0, 1, 0, -1, 0}, {0, -3, 0, 3, 0}, {0, 1, 0, -1, 0}, {}},
		{{}, {0, 1, 2, 1, 0}, {}, {0, -1, -2, -1, 0}, {}},
	}
)

// smooths says whether the scans of a progressive file stop short of the first AC, so that
// libjpeg estimates them.
func (d *decoder) smooths() bool {
	short := false
	for i := range d.components {
		c := &d.components[i]
		if c.missing[0] < 0 {
			return false
		}
		for k, missing := range c.missing {
			if c.quant[k] == 0 {
				return false
			}
			short = short || k > 0 && missing != 0
		}
	}
	return short
}

// hasAC says whether a scan gave some of the coefficients that are estimated.
func (c *component) hasAC() bool {
	for _, missing := range c.missing[1:] {
		if missing >= 0 {
			return true
		}
	}
	return false
}

// smooth estimates the coefficients of a block that are zero so far and may be otherwise,
// from the DCs around it.
func (c *component) smooth(b *block, dcs *window) {
	weights := aroundSome[:]
	if !c.hasAC() {
		weights = aroundNone[:]
		b[0] = 0
	}
	for k := range weights {
		n := natural[k]
		if b[n] != 0 || k > 0 && c.missing[k] == 0 {
			continue
		}
		b[n] = c.estimate(k, weights[k].dot(dcs))
	}
}

// estimate divides a sum of DCs by 256, in the quantization of coefficient k. A value that
// scans gave as zero down to some bit stays below that bit.
func (c *component) estimate(k int, sum int64) int16 {
	sum *= int64(c.quant[0])
	step := int64(c.quant[k]) << 8
	value := (max(sum, -sum) + step/2) / step
	if missing := c.missing[k]; k > 0 && missing > 0 {
		value = min(value, 1<<missing-1)
	}
	if sum < 0 {
		value = -value
	}
	return int16(value)
}

func (w *window) dot(v *window) int64 {
	var sum int64
	for y := range w {
		for x := range w[y] {
			sum += int64(w[y][x]) * int64(v[y][x])
		}
	}
	return sum
}

// dcs returns the DCs around block x of the middle one of the rows. At the sides those of
// the last column are repeated.
func (c *component) dcs(x int, rows *[5]int) *window {
	var w window
	for i, row := range rows {
		for j := range w[i] {
			column := min(max(x+j-2, 0), c.blocksWide-1)
			w[i][j] = int32(c.coefficients[row*c.stride+column][0])
		}
	}
	return &w
}

// rowsAround returns the rows of blocks around row y. As in libjpeg, rows of padding count
// above the last row of MCUs, and in that one rows are numbered as if all had as few.
func (c *component) rowsAround(y, mcusHigh int) *[5]int {
	rows, mcu := c.v, y/c.v
	if rest := c.blocksHigh % c.v; mcu == mcusHigh-1 && rest > 0 {
		rows = rest
	}
	number, last := mcu*rows+y%c.v, mcusHigh*rows-1
	return &[5]int{
		y - min(number, 2), y - min(number, 1), y, y + min(last-number, 1), y + min(last-number, 2),
	}
}
