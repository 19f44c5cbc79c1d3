package jinja

import "fmt"

// test is "v is name(args)".
func (st *state) test(name string, v Value, a []Value) (bool, error) {
	if op, ok := compareTests[name]; ok {
		if len(a) != 1 {
			return false, fmt.Errorf("test '%s' takes one argument, got %d", name, len(a))
		}
		return st.compare(op, v, a[0])
	}
	switch name {
	case "sameas", "divisibleby":
		if len(a) != 1 {
			return false, fmt.Errorf("test '%s' takes one argument, got %d", name, len(a))
		}
		if name == "sameas" {
			return st.same(v, a[0])
		}
		r, err := st.binary("%", v, a[0])
		if err != nil {
			return false, err
		}
		return st.equal(r, int64(0))
	}
	if len(a) != 0 {
		return false, fmt.Errorf("test '%s' takes no argument, got %d", name, len(a))
	}
	switch name {
	case "odd", "even":
		r, err := st.binary("%", v, int64(2))
		if err != nil {
			return false, err
		}
		return st.equal(r, boolInt(name == "odd"))
	case "lower", "upper":
		s, err := st.str(v)
		if err != nil {
			return false, err
		}
		return hasCase(s, name == "upper"), st.spend(len(s) / 16)
	}
	return kindTest(name, v)
}

var compareTests = map[string]string{"eq": "==", "equalto": "==", "==": "==", "ne": "!=", "!=": "!=", "lt": "<", "lessthan": "<", "<": "<",
	"le": "<=", "<=": "<=", "gt": ">", "greaterthan": ">", ">": ">", "ge": ">=", ">=": ">=", "in": "in"}

// kindTest holds the tests that look at the type alone.
func kindTest(name string, v Value) (bool, error) {
	_, isUndefined := v.(undefined)
	_, isList := v.(*List)
	_, isDict := v.(*Dict)
	_, isString := v.(string)
	_, isFloat := v.(float64)
	_, isBool := v.(bool)
	_, isBig := v.(BigInt)
	_, isInt := v.(int64)
	switch name {
	case "defined":
		return !isUndefined, nil
	case "undefined":
		return isUndefined, nil
	case "none":
		return v == nil, nil
	case "boolean":
		return isBool, nil
	case "true":
		return v == true, nil
	case "false":
		return v == false, nil
	case "integer":
		return isInt || isBig, nil
	case "float":
		return isFloat, nil
	case "number":
		return isInt || isBig || isFloat || isBool, nil
	case "string":
		return isString, nil
	case "mapping":
		return isDict, nil
	case "iterable":
		return isString || isList || isDict || isUndefined, nil
	case "sequence":
		return isString || isDict || isUndefined || isList && v.(*List).kind != listIter, nil
	case "callable":
		_, ok := v.(*function)
		return ok || isUndefined, nil
	case "escaped":
		return false, nil
	case "filter", "test":
		s, _ := v.(string)
		_, ok := filters[s]
		return ok && name == "filter", nil
	}
	return false, fmt.Errorf("no test named '%s'", name)
}

// same is Python's "is" as far as values without identity allow.
func (st *state) same(a, b Value) (bool, error) {
	if typeName(a) != typeName(b) {
		return false, nil
	}
	switch a.(type) {
	case *List, *Dict:
		return a == b, nil
	}
	return st.equal(a, b)
}
