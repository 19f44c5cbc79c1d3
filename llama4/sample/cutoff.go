package sample

const (
	bucketBits = 11
	buckets    = 1 << bucketBits
)

// cutoff finds the key at which the candidates, from the largest key down, sum to
// target: those with larger keys stay below it, with those of that key they reach
// it. Each candidate counts its mass, or 1. It returns the key and the sum above.
// When all together do not reach target, it is the smallest key.
//
// It is a radix selection: the bits of the key from the top, eleven a round, with a
// sum for each of their values. So its time grows with the number of candidates
// whatever the scores are, and their order stays.
func (s *Sampler) cutoff(target float64, count bool) (cut uint32, above float64) {
	var fixed uint32 // the bits that are found
	for _, shift := range [...]int{32 - bucketBits, 32 - 2*bucketBits, 0} {
		clear(s.mass[:])
		for i := range s.kept {
			c := &s.kept[i]
			if c.key&fixed != cut {
				continue
			}
			add := c.mass
			if count {
				add = 1
			}
			s.mass[c.key>>shift%buckets] += add
		}
		b := 0
		b, above = s.reach(target, above)
		// In the last round the lowest bit of the one before is among the eleven.
		cut |= uint32(b) << shift
		fixed |= (buckets - 1) << shift
	}
	return cut, above
}

// reach returns the bucket, from the last down, at which above and the buckets'
// sums come to target, or else the first bucket with a sum, and the sum above it.
func (s *Sampler) reach(target, above float64) (int, float64) {
	low, before := 0, above
	for b := buckets - 1; b >= 0; b-- {
		if s.mass[b] == 0 {
			continue
		}
		low, before = b, above
		if above += s.mass[b]; above >= target {
			break
		}
	}
	return low, before
}
