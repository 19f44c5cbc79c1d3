package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// object is a line of JSON.
type object struct {
	id     json.RawMessage // "null" if the line has none
	fields []field         // all others, in order
}

type field struct {
	name string
	raw  json.RawMessage
}

// parseObject reads a line. The id is set also on error, if it came before it.
func parseObject(line []byte) (object, error) {
	o := object{id: json.RawMessage("null")}
	if !utf8.Valid(line) {
		return o, errors.New("the line is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(line))
	if start, err := d.Token(); err != nil {
		return o, notJSON(err)
	} else if start != json.Delim('{') {
		return o, errors.New("the line is not a JSON object")
	}
	seen := map[string]bool{}
	for d.More() {
		f, err := readField(d)
		switch {
		case err != nil:
			return o, notJSON(err)
		case seen[f.name]:
			return o, fmt.Errorf("the field %q is there twice", f.name)
		case f.name == "id":
			o.id = f.raw
		default:
			o.fields = append(o.fields, f)
		}
		seen[f.name] = true
	}
	if _, err := d.Token(); err != nil {
		return o, notJSON(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return o, errors.New("there is text after the JSON object: one request a line")
	}
	return o, nil
}

func readField(d *json.Decoder) (field, error) {
	name, err := d.Token()
	if err != nil {
		return field{}, err
	}
	f := field{name: name.(string)} // a decoder lets nothing else stand for a key
	return f, d.Decode(&f.raw)
}

func notJSON(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("not JSON: the line ends too early")
	}
	return fmt.Errorf("not JSON: %w", err)
}

// readers say what each field of a request means.
type readers map[string]func(json.RawMessage) error

// read reads all fields. Those that are null are as good as absent.
func (o *object) read(known readers) error {
	for _, f := range o.fields {
		read, ok := known[f.name]
		if !ok {
			names := slices.Sorted(maps.Keys(known))
			return fmt.Errorf("unknown field %q: there are id, %s", f.name, strings.Join(names, ", "))
		}
		if string(f.raw) == "null" {
			continue
		}
		var want wantError
		if err := read(f.raw); errors.As(err, &want) {
			return fmt.Errorf("%s is %s, %w", f.name, short(f.raw), want)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// short writes a value for an error.
func short(raw json.RawMessage) string {
	const most = 40
	text := string(raw)
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

func readText(to *string) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		if raw[0] != '"' {
			return wantError("a text")
		}
		return json.Unmarshal(raw, to)
	}
}

func readBool(to *bool) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		if json.Unmarshal(raw, to) != nil {
			return wantError("true or false")
		}
		return nil
	}
}

func readWhole(to *int, least, most int) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		n, err := strconv.Atoi(string(raw))
		if err != nil || n < least || n > most {
			return wantError(fmt.Sprintf("a whole number from %d to %d", least, most))
		}
		*to = n
		return nil
	}
}

// readNumber hands a number to parse, as JSON has it.
func readNumber(to *overrides, parse func(string) (override, error)) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		choice, err := parse(string(raw)) // a text keeps its quotes, which no number has
		if err == nil {
			*to = append(*to, choice)
		}
		return err
	}
}

// readIDs reads token ids; most limits them if it is not 0.
func readIDs(name string, to *[]int32, most, vocab int) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		var ids []*int64
		if json.Unmarshal(raw, &ids) != nil || len(ids) == 0 {
			return wantError("a list of token ids")
		}
		if most > 0 && len(ids) > most {
			return fmt.Errorf("%s has %d token ids, want at most %d", name, len(ids), most)
		}
		*to = make([]int32, len(ids))
		for i, id := range ids {
			if id == nil {
				return fmt.Errorf("%s[%d] is null, want a token id", name, i)
			}
			if *id < 0 || *id >= int64(vocab) {
				return fmt.Errorf("%s[%d] is %d, want a token id from 0 to %d", name, i, *id, vocab-1)
			}
			(*to)[i] = int32(*id)
		}
		return nil
	}
}

// readTexts reads a text or a list of texts.
func readTexts(to *[]string) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		var list []*string
		if raw[0] == '"' {
			list = make([]*string, 1)
			raw = slices.Concat([]byte("["), raw, []byte("]"))
		}
		if json.Unmarshal(raw, &list) != nil || slices.Contains(list, nil) {
			return wantError("a text or a list of texts")
		}
		for _, text := range list {
			*to = append(*to, *text)
		}
		return nil
	}
}
