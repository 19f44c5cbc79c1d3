package llama4

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// fields reads the values of a JSON object by exact key. The first fault is kept
// in err, which the sections of a file share, and names the field by its path.
// After a fault the values returned are the defaults.
type fields struct {
	path   string // of the section, such as "text_config."
	values map[string]json.RawMessage
	err    *error
}

func parseFields(raw []byte) (*fields, error) {
	f := &fields{err: new(error)}
	if err := json.Unmarshal(raw, &f.values); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("not JSON: %w (byte %d)", err, syntax.Offset)
		}
		return nil, errors.New("not a JSON object")
	}
	if f.values == nil {
		return nil, errors.New("not a JSON object")
	}
	return f, nil
}

// fail records a fault of a field, unless there is one already.
func (f *fields) fail(name, format string, args ...any) {
	if *f.err == nil {
		*f.err = fmt.Errorf("%s%s %s", f.path, name, fmt.Sprintf(format, args...))
	}
}

// wrong records that a field's value is not what is wanted.
func (f *fields) wrong(name, want string) {
	const most = 60
	var v bytes.Buffer
	if err := json.Compact(&v, f.values[name]); err == nil && v.Len() > most {
		v.Truncate(most)
		v.WriteString("...")
	}
	f.fail(name, "is %s, want %s", strings.ToValidUTF8(v.String(), ""), want)
}

// absent reports that the file does not have the field.
func (f *fields) absent(name string) bool { return f.values[name] == nil }

// null reports that the field is absent or null.
func (f *fields) null(name string) bool {
	return f.absent(name) || bytes.Equal(f.values[name], []byte("null"))
}

// decode decodes a field that is not null into v, and reports whether it could.
func (f *fields) decode(name, want string, v any) bool {
	if f.null(name) || json.Unmarshal(f.values[name], v) != nil {
		f.wrong(name, want)
		return false
	}
	return true
}

// section returns a nested object, which must be there. Its model_type, if it has
// one, must be the one given.
func (f *fields) section(name, modelType string) *fields {
	s := &fields{path: f.path + name + ".", err: f.err}
	if f.null(name) {
		f.fail(name, "is missing")
		return s
	}
	f.decode(name, "an object", &s.values)
	if got := s.str("model_type", modelType); modelType != "" && got != modelType {
		s.fail("model_type", "is %q, want %q", got, modelType)
	}
	return s
}

func (f *fields) str(name, def string) string {
	if f.absent(name) {
		return def
	}
	var v string
	f.decode(name, "a string", &v)
	return v
}

func (f *fields) boolean(name string, def bool) bool {
	if f.absent(name) {
		return def
	}
	var v bool
	f.decode(name, "true or false", &v)
	return v
}

// truth reads a switch that some files give as a number or as null.
func (f *fields) truth(name string, def bool) bool {
	if f.absent(name) {
		return def
	}
	var v any
	if f.null(name) || !f.decode(name, "true, false or a number", &v) {
		return false
	}
	switch v := v.(type) {
	case bool:
		return v
	case float64:
		return v != 0
	}
	f.wrong(name, "true, false or a number")
	return false
}

// integer reads a number without fraction that fits 32 bits.
func (f *fields) integer(name string, def int) int {
	if f.absent(name) {
		return def
	}
	v, err := strconv.ParseInt(string(f.values[name]), 10, 32)
	if err != nil {
		f.wrong(name, "an integer")
		return def
	}
	return int(v)
}

// integerOr is integer for a field that may be null, which means other.
func (f *fields) integerOr(name string, def, other int) int {
	if !f.absent(name) && f.null(name) {
		return other
	}
	return f.integer(name, def)
}

// number reads a finite number.
func (f *fields) number(name string, def float64) float64 {
	if f.absent(name) {
		return def
	}
	v := def
	f.decode(name, "a number", &v)
	return v
}

// reciprocal reads a number that is one over an integer, and returns that.
func (f *fields) reciprocal(name string, def float64) int {
	v := f.number(name, def)
	n := math.Round(1 / v)
	// The file has a decimal fraction, so 1/3 is 0.333...
	if !(v > 0 && v <= 1 && n < 1<<15 && math.Abs(n*v-1) < 1e-6) {
		f.wrong(name, "1, 1/2, 1/3 ...")
		return 1
	}
	return int(n)
}

// integers reads a list of integers, nil if it is absent or null.
func (f *fields) integers(name string) []int {
	if f.null(name) {
		return nil
	}
	const want = "a list of integers"
	var list []json.RawMessage // an int would take null for 0
	if !f.decode(name, want, &list) {
		return nil
	}
	ints := make([]int, len(list))
	for i, raw := range list {
		v, err := strconv.ParseInt(string(raw), 10, 32)
		if err != nil {
			f.wrong(name, want)
		}
		ints[i] = int(v)
	}
	return ints
}

// strings reads a list of strings, nil if it is absent or null.
func (f *fields) strings(name string) []string {
	if f.null(name) {
		return nil
	}
	list := []string{}
	f.decode(name, "a list of strings", &list)
	return list
}

// tokens reads token ids: a number, a list, or null for none.
func (f *fields) tokens(name string, def ...int32) []int32 {
	if f.absent(name) {
		return def
	}
	if f.null(name) {
		return nil
	}
	var list []int
	if f.values[name][0] == '[' {
		list = f.integers(name)
	} else {
		list = []int{f.integer(name, 0)}
	}
	ids := make([]int32, len(list))
	for i, v := range list {
		ids[i] = int32(v)
	}
	return ids
}

// token reads one token id under either of two names.
func (f *fields) token(name, other string, def int32) int32 {
	if f.absent(name) {
		name = other
	}
	ids := f.tokens(name, def)
	if len(ids) != 1 || ids[0] < 0 {
		f.wrong(name, "a token id")
		return def
	}
	return ids[0]
}

// required reads a finite number that has no default.
func (f *fields) required(name string) float64 {
	if f.absent(name) {
		f.fail(name, "is missing")
	}
	return f.number(name, 0)
}
