package grammar

import (
	"fmt"
	"math/big"
	"strings"
)

// String returns what tells bounds apart.
func (b *bound) String() string {
	if b == nil {
		return "none"
	}
	return fmt.Sprintf("%s/%v", b.value.RatString(), b.open)
}

// limits joins the bounds of all facts.
func limits(facts []*schema) (low, high *bound) {
	for _, s := range facts {
		low, high = higher(low, s.low), lower(high, s.high)
	}
	return low, high
}

func (b *builder) numberOf(facts []*schema) (expr, error) {
	low, high := limits(facts)
	if low == nil && high == nil {
		return b.real, nil
	}
	return b.between(low, high, true)
}

func (b *builder) integerOf(facts []*schema) (expr, error) {
	low, high := limits(facts)
	if low == nil && high == nil {
		return b.whole, nil
	}
	if low != nil {
		low = &bound{ceiling(low), false, low.path}
	}
	if high != nil {
		high = &bound{floor(high), false, high.path}
	}
	return b.between(low, high, false)
}

// between returns the rule of numbers within bounds, one for all equal bounds.
func (b *builder) between(low, high *bound, fraction bool) (expr, error) {
	key := fmt.Sprintf("%v %v %v", low, high, fraction)
	if r, ok := b.numbers[key]; ok {
		return r, nil
	}
	x, err := numberRange(low, high, fraction)
	if err != nil {
		return nil, err
	}
	r := b.rules.add("number "+key, x)
	b.numbers[key] = r
	return r, nil
}

// ceiling returns the least integer above a bound.
func ceiling(b *bound) *big.Rat {
	up := &bound{new(big.Rat).Neg(b.value), b.open, b.path}
	r := floor(up)
	return r.Neg(r)
}

// floor returns the largest integer below a bound.
func floor(b *bound) *big.Rat {
	n := new(big.Int).Div(b.value.Num(), b.value.Denom()) // rounds down
	if b.open && b.value.IsInt() {
		n.Sub(n, big.NewInt(1))
	}
	return new(big.Rat).SetInt(n)
}

// numberRange writes the numbers between two bounds, of which one may be nil,
// without an exponent and without -0.
func numberRange(low, high *bound, fraction bool) (expr, error) {
	zero := &bound{value: new(big.Rat)}
	if low != nil && high != nil {
		if c := low.value.Cmp(high.value); c > 0 || c == 0 && (low.open || high.open) {
			return nil, &unfit{high.path, "there is no number between the bounds"}
		}
	}
	var out choice
	if high == nil || high.value.Sign() > 0 || high.value.Sign() == 0 && !high.open {
		from := higher(zero, low)
		x, err := magnitudes(from, high, fraction)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	if low == nil || low.value.Sign() < 0 {
		from := &bound{value: new(big.Rat), open: true}
		if high != nil {
			from = higher(from, negated(high))
		}
		x, err := magnitudes(from, negated(low), fraction)
		if err != nil {
			return nil, err
		}
		out = append(out, sequence{literal("-"), x})
	}
	return out, nil
}

func negated(b *bound) *bound {
	if b == nil {
		return nil
	}
	return &bound{new(big.Rat).Neg(b.value), b.open, b.path}
}

// digits is a bound, digit by digit.
type digits struct {
	whole, fraction string
	open            bool
}

func digitsOf(b *bound) (*digits, error) {
	whole, fraction, ok := decimals(b.value)
	if !ok {
		return nil, fmt.Errorf("%s: it has more than %d digits before the point or %d after it", b.path, maxDigits, maxDigits-2)
	}
	return &digits{whole, fraction, b.open}, nil
}

// at returns the digit at a place, in a number whose whole part has as many digits.
func (d *digits) at(i int) byte {
	if i < len(d.whole) {
		return d.whole[i]
	}
	if i -= len(d.whole); i < len(d.fraction) {
		return d.fraction[i]
	}
	return '0'
}

// zeroFrom says whether only zeros follow from a place on.
func (d *digits) zeroFrom(i int) bool {
	return strings.Trim((d.whole + d.fraction)[min(i, len(d.whole)+len(d.fraction)):], "0") == ""
}

// magnitudes writes the numbers from low, at least 0, to high, which may be nil.
func magnitudes(low, high *bound, fraction bool) (expr, error) {
	from, err := digitsOf(low)
	if err != nil {
		return nil, err
	}
	var to *digits
	most := maxDigits
	if high != nil {
		if to, err = digitsOf(high); err != nil {
			return nil, err
		}
		most = len(to.whole)
	}
	// Between the lengths of the bounds, any digits do.
	first, last := len(from.whole)+1, most
	edge := digitRange{n: len(from.whole), fraction: fraction, low: from}
	var out choice
	if to != nil && most == edge.n {
		edge.high = to
	} else if to != nil {
		last--
		upper := digitRange{n: most, fraction: fraction, high: to}
		out = append(out, upper.build())
	}
	out = append(out, edge.build())
	if first <= last {
		x := sequence{oneToNine, repeat{digit, first - 1, last - 1}}
		if fraction {
			x = append(x, anyFraction())
		}
		out = append(out, x)
	}
	return out, nil
}

// digitRange is the numbers of n digits before the point between two bounds of as
// many, of which one may be nil.
type digitRange struct {
	n         int
	fraction  bool
	low, high *digits

	net   *network
	nodes map[digitState]int
}

// digitState is how far a number has been read, and whether it is still a prefix
// of a bound.
type digitState struct {
	at        int
	low, high bool
}

func (r *digitRange) build() expr {
	r.net, r.nodes = newNetwork(), map[digitState]int{}
	r.net.edge(0, r.node(digitState{0, r.low != nil, r.high != nil}), empty)
	return r.net
}

// node returns the node of a state, with all that follows.
func (r *digitRange) node(s digitState) int {
	if node, ok := r.nodes[s]; ok {
		return node
	}
	node := r.net.node()
	r.nodes[s] = node
	if s.at >= r.n && r.mayEnd(s) {
		r.net.edge(node, 1, empty)
	}
	if s.at < r.n {
		r.digit(node, s)
	} else if r.fraction && s.at < r.n+maxDigits {
		from := node
		if s.at == r.n {
			from = r.net.node()
			r.net.edge(node, from, literal("."))
		}
		r.digit(from, s)
	}
	return node
}

func (r *digitRange) mayEnd(s digitState) bool {
	if s.low && (!r.low.zeroFrom(s.at) || r.low.open) {
		return false
	}
	return !s.high || !r.high.zeroFrom(s.at) || !r.high.open
}

// digit adds the edges of the next digit.
func (r *digitRange) digit(from int, s digitState) {
	for d := byte('0'); d <= '9'; d++ {
		if s.at == 0 && r.n > 1 && d == '0' {
			continue
		}
		next := digitState{at: s.at + 1}
		if s.low {
			if d < r.low.at(s.at) {
				continue
			}
			next.low = d == r.low.at(s.at)
		}
		if s.high {
			if d > r.high.at(s.at) {
				continue
			}
			next.high = d == r.high.at(s.at)
		}
		r.net.edge(from, r.node(next), literal(string(rune(d))))
	}
}
