package safetensors

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
)

// parser walks JSON token by token, because json.Unmarshal keeps the last of
// duplicate keys without a word.
type parser struct{ dec *json.Decoder }

func (p *parser) token() (json.Token, error) {
	tok, err := p.dec.Token()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, invalid("", "JSON ends early")
	}
	if err != nil {
		return nil, invalid("", "not JSON: %v", err)
	}
	return tok, nil
}

// object reads an object and calls value after each key; value reads the value.
func (p *parser) object(what string, value func(key string) error) error {
	tok, err := p.token()
	if err != nil {
		return err
	}
	if tok != json.Delim('{') {
		return invalid("", "%s is not a JSON object", what)
	}
	for p.dec.More() {
		tok, err := p.token()
		if err != nil {
			return err
		}
		key, ok := tok.(string)
		if !ok {
			return invalid("", "%s has a key that is no string", what)
		}
		if err := value(key); err != nil {
			return err
		}
	}
	_, err = p.token()
	return err
}

// strings reads an object whose values are all strings.
func (p *parser) strings(what string) (map[string]string, error) {
	m := map[string]string{}
	err := p.object(what, func(key string) error {
		if _, ok := m[key]; ok {
			return invalid("", "%s has %q twice", what, key)
		}
		tok, err := p.token()
		if err != nil {
			return err
		}
		s, ok := tok.(string)
		if !ok {
			return invalid("", "%s: value of %q is not a string", what, key)
		}
		m[key] = s
		return nil
	})
	return m, err
}

// entry reads a tensor's description. Keys that the format does not know are
// skipped, as the reference implementation does.
func (p *parser) entry(name string) (entry, error) {
	e := entry{Tensor: Tensor{Name: name}}
	seen := map[string]bool{}
	err := p.object("value", func(key string) error {
		if seen[key] {
			return invalid("", "%q appears twice", key)
		}
		seen[key] = true
		switch key {
		case "dtype":
			return p.dtype(&e.DType)
		case "shape":
			return p.integers(key, -1, &e.Shape)
		case "data_offsets":
			var o []int64
			if err := p.integers(key, 2, &o); err != nil {
				return err
			}
			e.begin, e.end = o[0], o[1]
			return nil
		}
		return p.skip()
	})
	for _, key := range []string{"dtype", "shape", "data_offsets"} {
		if err == nil && !seen[key] {
			err = invalid("", "%q is missing", key)
		}
	}
	if err == nil {
		err = e.check()
	}
	if f, ok := err.(*FormatError); ok {
		f.Tensor = name
	}
	return e, err
}

func (p *parser) dtype(d *DType) error {
	tok, err := p.token()
	if err != nil {
		return err
	}
	s, ok := tok.(string)
	if !ok {
		return invalid("", "dtype is not a string")
	}
	if *d, err = ParseDType(s); err != nil {
		return invalid("", "dtype %q is not supported", s)
	}
	return nil
}

// integers reads a list of n non-negative integers, of any number if n is -1.
func (p *parser) integers(what string, n int, dst *[]int64) error {
	tok, err := p.token()
	if err != nil {
		return err
	}
	if tok != json.Delim('[') {
		return invalid("", "%s is not a list", what)
	}
	*dst = []int64{}
	for p.dec.More() {
		if tok, err = p.token(); err != nil {
			return err
		}
		num, ok := tok.(json.Number)
		if !ok {
			return invalid("", "%s is not a list of integers", what)
		}
		v, err := strconv.ParseUint(num.String(), 10, 63)
		if err != nil {
			return invalid("", "%s holds %s, which is not an integer from 0 to 2^63-1", what, num)
		}
		*dst = append(*dst, int64(v))
	}
	if n >= 0 && len(*dst) != n {
		return invalid("", "%s has %d numbers, want %d", what, len(*dst), n)
	}
	_, err = p.token()
	return err
}

func (p *parser) skip() error {
	var v json.RawMessage
	if err := p.dec.Decode(&v); err != nil {
		return invalid("", "not JSON: %v", err)
	}
	return nil
}
