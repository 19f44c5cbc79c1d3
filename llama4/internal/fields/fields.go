// Package fields reads a checkpoint's configuration files, which are JSON objects,
// and says what is wrong with them by the name of the field.
package fields

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Read reads a file in the root of fsys, of at most so many bytes.
func Read(fsys fs.FS, name string, most int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if int64(len(raw)) > most {
		return nil, fmt.Errorf("%s: over the limit of %d bytes", name, most)
	}
	return raw, nil
}

// Object reads the values of a JSON object by exact key. The first fault is kept
// in err, which the sections of a file share, and names the field by its path.
// After a fault the values returned are the defaults.
type Object struct {
	path   string // of the section, such as "text_config."
	values map[string]json.RawMessage
	err    *error
}

// Parse reads a JSON object. The path begins the names of fields in faults.
func Parse(raw []byte, path string) (*Object, error) {
	f := &Object{path: path, err: new(error)}
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

// Fail records a fault of a field, unless there is one already.
func (f *Object) Fail(name, format string, args ...any) {
	if *f.err == nil {
		*f.err = fmt.Errorf("%s%s %s", f.path, name, fmt.Sprintf(format, args...))
	}
}

// Wrong records that a field's value is not what is wanted.
func (f *Object) Wrong(name, want string) {
	const most = 60
	var v bytes.Buffer
	if err := json.Compact(&v, f.values[name]); err == nil && v.Len() > most {
		v.Truncate(most)
		v.WriteString("...")
	}
	f.Fail(name, "is %s, want %s", strings.ToValidUTF8(v.String(), ""), want)
}

// Err returns the first fault of the file, nil if there is none.
func (f *Object) Err() error { return *f.err }

// DropNulls makes null fields absent.
func (f *Object) DropNulls() {
	for name := range f.values {
		if f.Null(name) {
			delete(f.values, name)
		}
	}
}

// Begins reports whether a field is there and its value begins with c, as an
// object does with '{' and a list with '['.
func (f *Object) Begins(name string, c byte) bool {
	return !f.Absent(name) && f.values[name][0] == c
}

// Names returns the names of the fields, sorted.
func (f *Object) Names() []string { return slices.Sorted(maps.Keys(f.values)) }

// Absent reports that the file does not have the field.
func (f *Object) Absent(name string) bool { return f.values[name] == nil }

// Null reports that the field is absent or null.
func (f *Object) Null(name string) bool {
	return f.Absent(name) || bytes.Equal(f.values[name], []byte("null"))
}

// Decode decodes a field that is not null into v, and reports whether it could.
func (f *Object) Decode(name, want string, v any) bool {
	if f.Null(name) || json.Unmarshal(f.values[name], v) != nil {
		f.Wrong(name, want)
		return false
	}
	return true
}

// Section returns a nested object, which must be there. Its model_type, if it has
// one, must be the one given.
func (f *Object) Section(name, modelType string) *Object {
	s := &Object{path: f.path + name + ".", err: f.err}
	if f.Null(name) {
		f.Fail(name, "is missing")
		return s
	}
	f.Decode(name, "an object", &s.values)
	if got := s.Text("model_type", modelType); modelType != "" && got != modelType {
		s.Fail("model_type", "is %q, want %q", got, modelType)
	}
	return s
}

// Text reads a string.
func (f *Object) Text(name, def string) string {
	if f.Absent(name) {
		return def
	}
	var v string
	f.Decode(name, "a string", &v)
	return v
}

// TextOrNull reads a string, empty if it is absent or null.
func (f *Object) TextOrNull(name string) string {
	if f.Null(name) {
		return ""
	}
	return f.Text(name, "")
}

// Boolean reads true or false.
func (f *Object) Boolean(name string, def bool) bool {
	if f.Absent(name) {
		return def
	}
	var v bool
	f.Decode(name, "true or false", &v)
	return v
}

// Truth reads a switch that some files give as a number or as null.
func (f *Object) Truth(name string, def bool) bool {
	if f.Absent(name) {
		return def
	}
	var v any
	if f.Null(name) || !f.Decode(name, "true, false or a number", &v) {
		return false
	}
	switch v := v.(type) {
	case bool:
		return v
	case float64:
		return v != 0
	}
	f.Wrong(name, "true, false or a number")
	return false
}

// Integer reads a number without fraction that fits 32 bits.
func (f *Object) Integer(name string, def int) int {
	if f.Absent(name) {
		return def
	}
	v, err := strconv.ParseInt(string(f.values[name]), 10, 32)
	if err != nil {
		f.Wrong(name, "an integer")
		return def
	}
	return int(v)
}

// IntegerOr is Integer for a field that may be null, which means other.
func (f *Object) IntegerOr(name string, def, other int) int {
	if !f.Absent(name) && f.Null(name) {
		return other
	}
	return f.Integer(name, def)
}

// Number reads a finite number.
func (f *Object) Number(name string, def float64) float64 {
	if f.Absent(name) {
		return def
	}
	v := def
	f.Decode(name, "a number", &v)
	return v
}

// Within reads a number from lo to hi.
func (f *Object) Within(name string, def, lo, hi float64) float64 {
	v := f.Number(name, def)
	if v < lo || v > hi {
		f.Wrong(name, fmt.Sprintf("%v to %v", lo, hi))
	}
	return v
}

// Reciprocal reads a number that is one over an integer, and returns that.
func (f *Object) Reciprocal(name string, def float64) int {
	v := f.Number(name, def)
	n := math.Round(1 / v)
	// The file has a decimal fraction, so 1/3 is 0.333...
	if !(v > 0 && v <= 1 && n < 1<<15 && math.Abs(n*v-1) < 1e-6) {
		f.Wrong(name, "1, 1/2, 1/3 ...")
		return 1
	}
	return int(n)
}

// Integers reads a list of integers, nil if it is absent or null.
func (f *Object) Integers(name string) []int {
	if f.Null(name) {
		return nil
	}
	const want = "a list of integers"
	var list []json.RawMessage // an int would take null for 0
	if !f.Decode(name, want, &list) {
		return nil
	}
	ints := make([]int, len(list))
	for i, raw := range list {
		v, err := strconv.ParseInt(string(raw), 10, 32)
		if err != nil {
			f.Wrong(name, want)
		}
		ints[i] = int(v)
	}
	return ints
}

// Strings reads a list of strings, nil if it is absent or null.
func (f *Object) Strings(name string) []string {
	if f.Null(name) {
		return nil
	}
	list := []string{}
	f.Decode(name, "a list of strings", &list)
	return list
}

// Tokens reads token ids: a number, a list, or null for none.
func (f *Object) Tokens(name string, def ...int32) []int32 {
	if f.Absent(name) {
		return def
	}
	if f.Null(name) {
		return nil
	}
	var list []int
	if f.Begins(name, '[') {
		list = f.Integers(name)
	} else {
		list = []int{f.Integer(name, 0)}
	}
	ids := make([]int32, len(list))
	for i, v := range list {
		ids[i] = int32(v)
	}
	return ids
}

// Token reads one token id under either of two names.
func (f *Object) Token(name, other string, def int32) int32 {
	if f.Absent(name) {
		name = other
	}
	ids := f.Tokens(name, def)
	if len(ids) != 1 || ids[0] < 0 {
		f.Wrong(name, "a token id")
		return def
	}
	return ids[0]
}

// Required reads a finite number that has no default.
func (f *Object) Required(name string) float64 {
	if f.Absent(name) {
		f.Fail(name, "is missing")
	}
	return f.Number(name, 0)
}
