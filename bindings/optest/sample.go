package optest

import (
	"cmp"
	"math"
	"slices"
)

// SampleRules say how a row's token is chosen.
type SampleRules struct {
	Temperature, TopP, MinP, Draw float32
	TopK                          int32
}

// massUnit is what masses are multiples of, where the largest logit has mass 1.
const massUnit = 0x1p-40

// weighed is a token with its mass, and how far a computed mass may be from it.
type weighed struct {
	id        int32
	logit     float32
	mass, err float64
}

// Sample returns the tokens that a row's choice may give, by rising id: one, but
// where a sum of masses comes so close to a border that rounding decides. It is
// the rules in a straight line: weigh all, sort all, cut, draw.
func Sample(x []float32, r SampleRules) []int32 {
	best, ok := largest(x)
	if !ok {
		return []int32{-1}
	}
	if r.Temperature == 0 {
		return []int32{best}
	}
	all := weigh(x, x[best], r.Temperature)
	slices.SortStableFunc(all, func(a, b weighed) int { return cmp.Compare(b.logit, a.logit) })
	if k := int(r.TopK); k > 0 && k < len(all) {
		for k < len(all) && all[k].logit == all[k-1].logit {
			k++
		}
		all = all[:k]
	}
	fewest, most := len(all), len(all)
	if r.TopP < 1 {
		fewest, most = topP(all, float64(r.TopP))
	}
	may := make(map[int32]bool)
	for n := fewest; n <= most; n++ {
		for _, strict := range []bool{false, true} {
			kept := slices.DeleteFunc(slices.Clone(all[:n]), func(w weighed) bool {
				slack := w.err
				if strict {
					slack = -slack
				}
				return w.mass+slack < float64(r.MinP)
			})
			if len(kept) == 0 {
				kept = all[:1]
			}
			draw(kept, float64(r.Draw), may)
		}
	}
	ids := make([]int32, 0, len(may))
	for id := range may {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func largest(x []float32) (best int32, ok bool) {
	for i, v := range x {
		if v != v || math.IsInf(float64(v), 1) {
			return 0, false
		}
		if v > x[best] {
			best = int32(i)
		}
	}
	return best, !math.IsInf(float64(x[best]), -1)
}

// weigh returns the tokens with a mass. The exponent in fp32 is a difference, the
// quotient by the temperature and a product with log2(e), which each may be
// rounded, as may that constant: an error of four roundings of the exponent. Those
// of the exponential are relative, that of the mass's unit is absolute. The
// largest is exact.
func weigh(x []float32, top, temperature float32) []weighed {
	var all []weighed
	for i, v := range x {
		exponent := (float64(v) - float64(top)) / float64(temperature)
		w := weighed{id: int32(i), logit: v, mass: math.Exp(exponent)}
		if w.mass < massUnit/4 {
			continue
		}
		if v != top {
			w.err = w.mass*(math.Expm1(4*unit32*-exponent)+elementary) + massUnit/2
		}
		all = append(all, w)
	}
	return all
}

// topP returns how few and how many of the tokens, by falling logit, may be those
// that have less than p of all the mass above them. The first is one of them.
func topP(all []weighed, p float64) (fewest, most int) {
	var total, totalErr float64
	for _, w := range all {
		total += w.mass
		totalErr += w.err
	}
	var sum, err float64
	for i, w := range all {
		// The masses above the border are part of the total: they move both, and the
		// difference by no more than either.
		slack := (1-p)*err + p*(totalErr-err) + 0x1p-50*total // of products in float64
		if i == 0 || sum < p*total-slack {
			fewest = i + 1
		}
		if i == 0 || sum < p*total+slack {
			most = i + 1
		}
		sum += w.mass
		err += w.err
	}
	return fewest, most
}

// draw adds the tokens at which the masses, by rising id, may pass u of their sum.
func draw(kept []weighed, u float64, may map[int32]bool) {
	slices.SortFunc(kept, func(a, b weighed) int { return cmp.Compare(a.id, b.id) })
	var total, totalErr float64
	for _, w := range kept {
		total += w.mass
		totalErr += w.err
	}
	var sum, err float64
	for i, w := range kept {
		slack := (1-u)*err + u*(totalErr-err) + 0x1p-50*total
		begins := i == 0 || sum-slack <= u*total
		sum += w.mass
		err += w.err
		slack = (1-u)*err + u*(totalErr-err) + 0x1p-50*total
		ends := i == len(kept)-1 || sum+slack > u*total
		if begins && ends {
			may[w.id] = true
		}
	}
}
