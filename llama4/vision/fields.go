package vision

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// fields reads the values of a JSON object by exact key. The first fault is kept in
// err, which the sections of a file share. A null is the default, as in the
// reference.
type fields struct {
	path   string // of the object, such as "processor_config.json: image_processor."
	values map[string]json.RawMessage
	err    *error
}

func parseFields(name string, raw []byte) (*fields, error) {
	f := &fields{path: name + ": ", err: new(error)}
	if err := json.Unmarshal(raw, &f.values); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("%s: not JSON: %w (byte %d)", name, err, syntax.Offset)
		}
	}
	if f.values == nil {
		return nil, fmt.Errorf("%s: not a JSON object", name)
	}
	return f, nil
}

// absent reports that a field is not there, or null.
func (f *fields) absent(name string) bool {
	v := f.values[name]
	return v == nil || bytes.Equal(v, []byte("null"))
}

// wrong records that a field's value is not what is wanted.
func (f *fields) wrong(name, want string) {
	if *f.err != nil {
		return
	}
	const most = 60
	var v bytes.Buffer
	if err := json.Compact(&v, f.values[name]); err == nil && v.Len() > most {
		v.Truncate(most)
		v.WriteString("...")
	}
	*f.err = fmt.Errorf("%s%s is %s, want %s", f.path, name, strings.ToValidUTF8(v.String(), ""), want)
}

// decode decodes a field into v and reports whether it is there and fits.
func (f *fields) decode(name, want string, v any) bool {
	if f.absent(name) {
		return false
	}
	if json.Unmarshal(f.values[name], v) != nil {
		f.wrong(name, want)
		return false
	}
	return true
}

// section returns a nested object, nil if it is not there.
func (f *fields) section(name string) *fields {
	s := &fields{path: f.path + name + ".", err: f.err}
	if f.decode(name, "an object", &s.values); s.values == nil && *f.err == nil {
		return nil
	}
	return s
}

func (f *fields) boolean(name string, def bool) bool {
	var v bool
	if !f.decode(name, "true or false", &v) {
		return def
	}
	return v
}

// oneOf checks a string.
func (f *fields) oneOf(name string, choice ...string) {
	var v string
	if f.decode(name, "a string", &v) && !slices.Contains(choice, v) {
		f.wrong(name, strconv.Quote(choice[0]))
	}
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

func (f *fields) number(name string, def float64) float64 {
	v := def
	f.decode(name, "a number", &v)
	return v
}

// square reads a number or an object with an equal height and width.
func (f *fields) square(name string, def int) int {
	if f.absent(name) || f.values[name][0] != '{' {
		return f.integer(name, def)
	}
	size := f.section(name)
	height, width := size.integer("height", 0), size.integer("width", -1)
	if height != width {
		f.wrong(name, "an equal height and width")
	}
	return height
}

// channels reads a number for each of three channels, or one for all.
func (f *fields) channels(name string, def [3]float64) [3]float64 {
	if f.absent(name) {
		return def
	}
	const want = "a number, or one for each of 3 channels"
	list := make([]*float64, 1) // pointers, since a float64 would take null for 0
	if f.values[name][0] != '[' {
		f.decode(name, want, &list[0])
	} else {
		f.decode(name, want, &list)
	}
	if len(list) != 1 && len(list) != 3 || slices.Contains(list, nil) {
		f.wrong(name, want)
		return def
	}
	for c := range def {
		def[c] = *list[c%len(list)]
	}
	return def
}

// reciprocal reads a number that is one over an integer, and returns that.
func (f *fields) reciprocal(name string, def int) int {
	if f.absent(name) {
		return def
	}
	v := f.number(name, 0)
	n := math.Round(1 / v)
	// The file has a decimal fraction, so 1/3 is 0.333...
	if !(v > 0 && v <= 1 && n < 1<<15 && math.Abs(n*v-1) < 1e-6) {
		f.wrong(name, "1, 1/2, 1/3 ...")
		return def
	}
	return int(n)
}
