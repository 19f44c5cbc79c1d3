package jinja

import (
	"fmt"
	"math"
	"strings"
)

type binaryExpr struct {
	op          string
	left, right expr
}

func newBinary(op string, left, right expr) expr {
	if op == "and" || op == "or" {
		return logicExpr{op == "or", left, right}
	}
	return binaryExpr{op, left, right}
}

func (b binaryExpr) eval(st *state) (Value, error) {
	left, err := b.left.eval(st)
	if err != nil {
		return nil, err
	}
	right, err := b.right.eval(st)
	if err != nil {
		return nil, err
	}
	return st.binary(b.op, left, right)
}

func (st *state) binary(op string, a, b Value) (Value, error) {
	if op == "~" {
		return st.concat(a, b)
	}
	for _, v := range []Value{a, b} {
		if u, ok := v.(undefined); ok {
			return nil, fmt.Errorf("%s", u.why)
		}
	}
	if s, ok := a.(string); ok && op == "%" {
		return st.format(s, b)
	}
	if x, ok := asInt(a); ok {
		if y, ok := asInt(b); ok {
			return intOp(op, x, y)
		}
	}
	if x, ok := asFloat(a); ok {
		if y, ok := asFloat(b); ok {
			return floatOp(op, x, y)
		}
	}
	switch op {
	case "+":
		return st.add(a, b)
	case "*":
		if n, ok := asInt(b); ok {
			return st.repeat(a, n)
		}
		if n, ok := asInt(a); ok {
			return st.repeat(b, n)
		}
	}
	return nil, unsupported(op, a, b)
}

func unsupported(op string, a, b Value) error {
	if op == "**" {
		op = "** or pow()"
	}
	return fmt.Errorf("unsupported operand type(s) for %s: '%s' and '%s'", op, typeName(a), typeName(b))
}

func (st *state) concat(a, b Value) (Value, error) {
	x, err := st.str(a)
	if err != nil {
		return nil, err
	}
	y, err := st.str(b)
	if err != nil {
		return nil, err
	}
	if err := st.grow(len(x) + len(y)); err != nil {
		return nil, err
	}
	return x + y, nil
}

func (st *state) add(a, b Value) (Value, error) {
	switch x := a.(type) {
	case string:
		y, ok := b.(string)
		if !ok {
			return nil, fmt.Errorf("can only concatenate str (not \"%s\") to str", typeName(b))
		}
		if err := st.grow(len(x) + len(y)); err != nil {
			return nil, err
		}
		return x + y, nil
	case *List:
		y, ok := b.(*List)
		if x.kind == listIter {
			break
		}
		if !ok || !x.sameKind(y) {
			return nil, fmt.Errorf("can only concatenate %s (not \"%s\") to %[1]s", typeName(a), typeName(b))
		}
		if err := st.grow(cell * (len(x.items) + len(y.items))); err != nil {
			return nil, err
		}
		return &List{kind: x.kind, items: append(x.items[:len(x.items):len(x.items)], y.items...)}, nil
	}
	return nil, unsupported("+", a, b)
}

// repeat is text or a list times n.
func (st *state) repeat(v Value, n int64) (Value, error) {
	n = max(n, 0)
	switch x := v.(type) {
	case string:
		if err := st.growTimes(len(x), n); err != nil {
			return nil, err
		}
		if x == "" {
			return "", nil
		}
		return strings.Repeat(x, int(n)), nil
	case *List:
		if x.kind == listIter {
			break
		}
		if err := st.growTimes(cell*len(x.items), n); err != nil || len(x.items) == 0 {
			return &List{kind: x.kind}, err
		}
		items := make([]Value, 0, len(x.items)*int(n))
		for range n {
			items = append(items, x.items...)
		}
		return &List{kind: x.kind, items: items}, nil
	}
	return nil, unsupported("*", v, n)
}

// growTimes counts size*n bytes.
func (st *state) growTimes(size int, n int64) error {
	if size > 0 && n > math.MaxInt64/2/int64(size) {
		return st.grow(math.MaxInt)
	}
	return st.grow(int(int64(size) * n))
}

func intOp(op string, x, y int64) (Value, error) {
	var z int64
	overflow := false
	switch op {
	case "+":
		z = x + y
		overflow = (z > x) != (y > 0) && y != 0
	case "-":
		z = x - y
		overflow = (z < x) != (y > 0) && y != 0
	case "*":
		z = x * y
		overflow = x != 0 && (z/x != y || x == -1 && y == math.MinInt64)
	case "/", "//", "%":
		switch {
		case y == 0:
			return nil, fmt.Errorf("division by zero")
		case op == "/":
			return float64(x) / float64(y), nil
		case y == -1 && op == "//":
			return intOp("-", 0, x)
		}
		q, r := x/y, x%y
		if r != 0 && (r < 0) != (y < 0) { // Python rounds down
			q, r = q-1, r+y
		}
		if op == "%" {
			return r, nil
		}
		return q, nil
	case "**":
		return intPow(x, y)
	}
	if overflow {
		return nil, fmt.Errorf("the result of %d %s %d is past 64 bits", x, op, y)
	}
	return z, nil
}

func intPow(x, y int64) (Value, error) {
	if y < 0 {
		return floatOp("**", float64(x), float64(y))
	}
	if x >= -1 && x <= 1 {
		if x == -1 && y%2 == 0 || y == 0 {
			return int64(1), nil
		}
		return x, nil
	}
	z := int64(1)
	for range y { // |x| >= 2, so this overflows within 64 steps
		v, err := intOp("*", z, x)
		if err != nil {
			return nil, fmt.Errorf("the result of %d ** %d is past 64 bits", x, y)
		}
		z = v.(int64)
	}
	return z, nil
}

func floatOp(op string, x, y float64) (Value, error) {
	switch op {
	case "+":
		return x + y, nil
	case "-":
		return x - y, nil
	case "*":
		return x * y, nil
	case "**":
		if x == 0 && y < 0 {
			return nil, fmt.Errorf("0.0 cannot be raised to a negative power")
		}
		return math.Pow(x, y), nil
	}
	if y == 0 {
		return nil, fmt.Errorf("float division by zero")
	}
	if op == "/" {
		return x / y, nil
	}
	r := math.Mod(x, y)
	if r != 0 && (r < 0) != (y < 0) {
		r += y
	}
	if op == "%" {
		return r, nil
	}
	return math.Round((x - r) / y), nil
}

type signExpr struct {
	e     expr
	minus bool
}

func (s signExpr) eval(st *state) (Value, error) {
	v, err := s.e.eval(st)
	if err != nil {
		return nil, err
	}
	if n, ok := asInt(v); ok {
		if s.minus {
			return intOp("-", 0, n)
		}
		return n, nil
	}
	if f, ok := v.(float64); ok {
		if s.minus {
			f = -f
		}
		return f, nil
	}
	if u, ok := v.(undefined); ok {
		return nil, fmt.Errorf("%s", u.why)
	}
	return nil, fmt.Errorf("bad operand type for a sign: '%s'", typeName(v))
}
