package grammar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A JSON value is nil, a bool, a json.Number, a string, a []any or an *object.

// object keeps the order of its members: properties are written as listed.
type object struct {
	names  []string
	values map[string]any
}

// readJSON reads one value.
func readJSON(text []byte) (any, error) {
	if len(text) > maxSource {
		return nil, fmt.Errorf("schema: it has %d bytes, more than %d", len(text), maxSource)
	}
	if !utf8.Valid(text) {
		return nil, errors.New("schema: it is not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := readValue(d, "schema", 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("schema: there is more text after its end, at byte %d", d.InputOffset())
	}
	return v, nil
}

func readValue(d *json.Decoder, path string, depth int) (any, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("%s: nested more than %d times", path, maxNesting)
	}
	token, err := d.Token()
	if err != nil {
		return nil, jsonError(path, d, err)
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := readValue(d, index(path, len(list)), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, jsonError(path, d, err)
	case json.Delim('{'):
		o := &object{values: map[string]any{}}
		for d.More() {
			if err := o.read(d, path, depth); err != nil {
				return nil, err
			}
		}
		_, err := d.Token()
		return o, jsonError(path, d, err)
	}
	return token, nil
}

func (o *object) read(d *json.Decoder, path string, depth int) error {
	token, err := d.Token()
	if err != nil {
		return jsonError(path, d, err)
	}
	name := token.(string) // what else the decoder refuses
	if _, ok := o.values[name]; ok {
		return fmt.Errorf("%s: it is there twice", member(path, name))
	}
	v, err := readValue(d, member(path, name), depth+1)
	if err != nil {
		return err
	}
	o.names = append(o.names, name)
	o.values[name] = v
	return nil
}

func jsonError(path string, d *json.Decoder, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%s: not JSON at byte %d: %w", path, d.InputOffset(), err)
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// member appends a name to a path, in quotes unless it is a plain word.
func member(path, name string) string {
	name = shorten(name)
	for i, r := range name {
		if r != '_' && r != '$' && r != '-' && (r < '0' || r > '9' || i == 0) && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return path + "[" + strconv.Quote(name) + "]"
		}
	}
	if name == "" {
		return path + `[""]`
	}
	return path + "." + name
}

// kind names what a value is, for errors.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return "the number " + v.String()
	case string:
		return fmt.Sprintf("the string %q", shorten(v))
	case []any:
		return "an array"
	}
	return "an object"
}

func shorten(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "..."
	}
	return s
}

// quote writes a string as JSON, with escapes only where there must be.
func quote(s string) string {
	b := []byte{'"'}
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= 0x20:
			b = utf8.AppendRune(b, r)
		default:
			b = append(b, controlEscape(r)...)
		}
	}
	return string(append(b, '"'))
}

func controlEscape(r rune) string {
	if i := strings.IndexRune("\b\f\n\r\t", r); i >= 0 {
		return `\` + "bfnrt"[i:i+1]
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// Numbers of a schema are exact; these bounds keep them small.
const (
	maxNumberText = 100
	maxExponent   = 100
)

// rational returns the value of a number.
func rational(n json.Number) (*big.Rat, bool) {
	s := n.String()
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if e, err := strconv.Atoi(s[i+1:]); err != nil || e > maxExponent || e < -maxExponent {
			return nil, false
		}
	}
	if len(s) > maxNumberText {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// canonical returns a text that is the same for equal values.
func canonical(v any) string {
	switch v := v.(type) {
	case json.Number:
		if r, ok := rational(v); ok {
			return r.RatString()
		}
		return v.String()
	case string:
		return quote(v)
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, canonical(e))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case *object:
		parts := make(map[string]string, len(v.names))
		for name, e := range v.values {
			parts[name] = canonical(e)
		}
		return fmt.Sprint(parts) // fmt sorts keys
	}
	return kind(v)
}
