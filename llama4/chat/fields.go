package chat

import (
	"bytes"
	"encoding/json"
	"slices"
)

// each calls f for every key that the template and the JSON form of the message have, in order. The values are string,
// Content, []json.RawMessage or json.RawMessage.
func (m *Message) each(f func(name string, v any) error) error {
	vals := map[string]any{"role": m.Role}
	if !m.Content.absent {
		vals["content"] = m.Content
	}
	if m.Name != "" {
		vals["name"] = m.Name
	}
	if m.ToolCalls != nil {
		vals["tool_calls"] = m.ToolCalls
	}
	if m.ToolCallID != "" {
		vals["tool_call_id"] = m.ToolCallID
	}
	return ordered(m.keys, []string{"role", "content", "name", "tool_calls", "tool_call_id"}, vals, m.Extra, f)
}

// each calls f for every key of the part, in order. The values are string or json.RawMessage.
func (p *Part) each(f func(name string, v any) error) error {
	vals := map[string]any{"type": p.Type}
	if p.Type == TypeText || p.Text != "" {
		vals["text"] = p.Text
	}
	for name, v := range map[string]string{"path": p.Path, "url": p.URL, "image": p.Image} {
		if v != "" {
			vals[name] = v
		}
	}
	return ordered(p.keys, []string{"type", "text", "path", "url", "image"}, vals, p.Extra, f)
}

// ordered walks the keys as they were read, then the rest in the usual order, then the extra ones.
func ordered(read, usual []string, vals map[string]any, extra []Field, f func(name string, v any) error) error {
	for _, e := range extra {
		if _, ok := vals[e.Name]; !ok {
			vals[e.Name] = e.Value
		}
	}
	keys := slices.Concat(read, usual)
	for _, e := range extra {
		keys = append(keys, e.Name)
	}
	for _, k := range keys {
		v, ok := vals[k]
		if !ok {
			continue
		}
		delete(vals, k)
		if err := f(k, v); err != nil {
			return err
		}
	}
	return nil
}

// MarshalJSON writes the message in the form that UnmarshalJSON reads.
func (m Message) MarshalJSON() ([]byte, error) { return marshal(m.each) }

// MarshalJSON writes the part in the form that UnmarshalJSON reads.
func (p Part) MarshalJSON() ([]byte, error) { return marshal(p.each) }

func marshal(each func(func(name string, v any) error) error) ([]byte, error) {
	var b bytes.Buffer
	sep := byte('{')
	err := each(func(name string, v any) error {
		key, err := json.Marshal(name)
		if err != nil {
			return err
		}
		val, err := json.Marshal(v)
		if err != nil {
			return err
		}
		b.WriteByte(sep)
		b.Write(key)
		b.WriteByte(':')
		b.Write(val)
		sep = ','
		return nil
	})
	b.WriteByte('}')
	return b.Bytes(), err
}

// MarshalJSON writes a string, a list of parts, or the JSON value.
func (c Content) MarshalJSON() ([]byte, error) {
	switch {
	case c.JSON != nil:
		return c.JSON, nil
	case c.Parts != nil:
		return json.Marshal(c.Parts)
	}
	return json.Marshal(c.Text)
}
