package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// kind is the type of a metadata value, as the file numbers it.
type kind uint32

const (
	kindUint8   kind = 0
	kindInt8    kind = 1
	kindUint16  kind = 2
	kindInt16   kind = 3
	kindUint32  kind = 4
	kindInt32   kind = 5
	kindFloat32 kind = 6
	kindBool    kind = 7
	kindString  kind = 8
	kindArray   kind = 9
	kindUint64  kind = 10
	kindInt64   kind = 11
	kindFloat64 kind = 12
)

// size returns the bytes of a number, 0 for strings, arrays and unknown kinds.
func (k kind) size() int {
	switch k {
	case kindUint8, kindInt8, kindBool:
		return 1
	case kindUint16, kindInt16:
		return 2
	case kindUint32, kindInt32, kindFloat32:
		return 4
	case kindUint64, kindInt64, kindFloat64:
		return 8
	}
	return 0
}

// Value is a value of the metadata. The zero Value is none, and of no type.
type Value struct {
	kind  kind // of an array, its elements'
	list  bool
	count int    // of elements
	raw   []byte // of a string its text, of an array all elements
}

// Len returns the number of an array's elements, and 0 for other values.
func (v Value) Len() int {
	if !v.list {
		return 0
	}
	return v.count
}

// Text returns a string.
func (v Value) Text() (string, bool) {
	if v.list || v.kind != kindString || v.raw == nil {
		return "", false
	}
	return string(v.raw), true
}

// Int returns a whole number of any width that fits an int64.
func (v Value) Int() (int64, bool) {
	if v.list {
		return 0, false
	}
	return integer(v.kind, v.raw)
}

// Float returns a floating-point or a whole number.
func (v Value) Float() (float64, bool) {
	if v.list {
		return 0, false
	}
	switch {
	case v.kind == kindFloat32 && len(v.raw) == 4:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(v.raw))), true
	case v.kind == kindFloat64 && len(v.raw) == 8:
		return math.Float64frombits(binary.LittleEndian.Uint64(v.raw)), true
	}
	n, ok := integer(v.kind, v.raw)
	return float64(n), ok
}

// Bool returns a truth value.
func (v Value) Bool() (value, ok bool) {
	if v.list || v.kind != kindBool || len(v.raw) != 1 {
		return false, false
	}
	return v.raw[0] != 0, true
}

// Strings returns an array of strings.
func (v Value) Strings() ([]string, bool) {
	if !v.list || v.kind != kindString {
		return nil, false
	}
	out := make([]string, v.count)
	rest := v.raw
	for i := range out {
		n := binary.LittleEndian.Uint64(rest)
		out[i] = string(rest[8 : 8+n])
		rest = rest[8+n:]
	}
	return out, true
}

// Ints returns an array of whole numbers.
func (v Value) Ints() ([]int64, bool) {
	size := v.kind.size()
	if !v.list || size == 0 {
		return nil, false
	}
	out := make([]int64, v.count)
	for i := range out {
		n, ok := integer(v.kind, v.raw[i*size:(i+1)*size])
		if !ok {
			return nil, false
		}
		out[i] = n
	}
	return out, true
}

// String describes the value as errors show it, in at most a line.
func (v Value) String() string {
	switch {
	case v.raw == nil:
		return "nothing"
	case v.list:
		return fmt.Sprintf("a list of %d", v.count)
	}
	if s, ok := v.Text(); ok {
		return fmt.Sprintf("%.40q", s)
	}
	if b, ok := v.Bool(); ok {
		return fmt.Sprint(b)
	}
	if n, ok := v.Int(); ok {
		return fmt.Sprint(n)
	}
	f, _ := v.Float()
	return fmt.Sprint(f)
}

func integer(k kind, raw []byte) (int64, bool) {
	if len(raw) != k.size() {
		return 0, false
	}
	switch k {
	case kindUint8:
		return int64(raw[0]), true
	case kindInt8:
		return int64(int8(raw[0])), true
	case kindUint16:
		return int64(binary.LittleEndian.Uint16(raw)), true
	case kindInt16:
		return int64(int16(binary.LittleEndian.Uint16(raw))), true
	case kindUint32:
		return int64(binary.LittleEndian.Uint32(raw)), true
	case kindInt32:
		return int64(int32(binary.LittleEndian.Uint32(raw))), true
	case kindUint64, kindInt64:
		n := int64(binary.LittleEndian.Uint64(raw))
		return n, k == kindInt64 || n >= 0
	}
	return 0, false
}
