package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"slices"
)

// Message is one turn of a conversation.
//
// The template sees the fields under their JSON names, in the order in which they were read, or role, content, name,
// tool_calls, tool_call_id for a message built in Go. Name, ToolCalls and ToolCallID are left out when empty (ToolCalls
// when nil).
type Message struct {
	Role    string
	Content Content
	// Name is the author's or the tool's name.
	Name string
	// ToolCalls are the entries of tool_calls, each a JSON object. Hugging Face's form is
	// {"type":"function","function":{"name":"f","arguments":{...}}}. They reach the template as they are.
	ToolCalls []json.RawMessage
	// ToolCallID names the call that a tool's result answers.
	ToolCallID string
	// Extra are all other keys of the message.
	Extra []Field

	keys []string
}

// Field is a named JSON value.
type Field struct {
	Name  string
	Value json.RawMessage
}

// Content is what a message says: a text, a list of parts, or for the result of a tool any JSON value. Templates tell
// these apart. The zero value is the empty text.
type Content struct {
	// Text is the content if Parts and JSON are nil.
	Text string
	// Parts is the content, if not nil, as a list.
	Parts []Part
	// JSON is the content, if not nil: a tool's result, or null.
	JSON json.RawMessage

	absent bool
}

// Text returns a text as content.
func Text(s string) Content { return Content{Text: s} }

// Parts returns a list of parts as content.
func Parts(parts ...Part) Content { return Content{Parts: append([]Part{}, parts...)} }

// The types of a part.
const (
	TypeText  = "text"
	TypeImage = "image"
)

// Part is a piece of a message: a text or an image. An image is in the part itself, or the part says where it comes from,
// in one way, or not at all.
type Part struct {
	Type  string // TypeText or TypeImage
	Text  string
	Path  string // a file
	URL   string // an address, also a data: one
	Image string // Hugging Face's "image": an address, a path or base64 data
	Extra []Field

	// Data and Picture are an image itself, encoded (JPEG, PNG, WebP, GIF) or decoded. The template does not see them, and
	// they have no JSON form.
	Data    []byte
	Picture image.Image

	keys []string
}

// TextPart returns a part of text.
func TextPart(s string) Part { return Part{Type: TypeText, Text: s} }

// ImagePart returns an image read from a file.
func ImagePart(path string) Part { return Part{Type: TypeImage, Path: path} }

// ImageData returns an image in the bytes of its file.
func ImageData(data []byte) Part { return Part{Type: TypeImage, Data: data} }

// Picture returns an image that is decoded.
func Picture(p image.Image) Part { return Part{Type: TypeImage, Picture: p} }

// UnmarshalJSON reads a message as Hugging Face and OpenAI clients write it: content is a string, a list of parts, null or
// missing. Parts are {"type":"text","text":..}, {"type":"image"} with "path", "url" or "image", or OpenAI's
// {"type":"image_url","image_url":{"url":..}}. The content of the roles tool and ipython may be any JSON value. A null
// content beside tool_calls, as OpenAI clients send it, is read as the empty text.
func (m *Message) UnmarshalJSON(data []byte) error {
	fields, err := readObject(data)
	if err != nil {
		return fmt.Errorf("message: %w", err)
	}
	out := Message{Content: Content{absent: true}}
	var content json.RawMessage
	for _, f := range fields {
		var err error
		switch f.Name {
		case "role":
			out.Role, err = readString(f)
		case "content":
			content = f.Value
		case "name":
			out.Name, err = readOptional(f)
		case "tool_call_id":
			out.ToolCallID, err = readOptional(f)
		case "tool_calls":
			out.ToolCalls, err = readToolCalls(f.Value)
		default:
			out.Extra = append(out.Extra, f)
		}
		if err != nil {
			return err
		}
		out.keys = append(out.keys, f.Name)
	}
	if out.Role == "" {
		return errors.New("role is missing")
	}
	if content != nil {
		if out.Content, err = readContent(content, out.Role == "tool" || out.Role == "ipython"); err != nil {
			return err
		}
		if len(out.ToolCalls) > 0 && isNull(out.Content.JSON) {
			out.Content = Text("")
		}
	}
	*m = out
	return nil
}

func isNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

// readObject reads a JSON object, keeping the order of its keys; of a repeated key the last value counts.
func readObject(data []byte) ([]Field, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if tok, err := d.Token(); err != nil || tok != json.Delim('{') {
		return nil, errors.New("expected a JSON object")
	}
	var fields []Field
	at := make(map[string]int)
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, err
		}
		name := key.(string)
		if i, ok := at[name]; ok {
			fields[i].Value = raw
			continue
		}
		at[name] = len(fields)
		fields = append(fields, Field{name, raw})
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the JSON object")
	}
	return fields, nil
}

func readString(f Field) (string, error) {
	var s *string
	if err := json.Unmarshal(f.Value, &s); err != nil || s == nil {
		return "", fmt.Errorf("%s must be a string", f.Name)
	}
	return *s, nil
}

func readOptional(f Field) (string, error) {
	if isNull(f.Value) {
		return "", nil
	}
	return readString(f)
}

func readToolCalls(raw json.RawMessage) ([]json.RawMessage, error) {
	if isNull(raw) {
		return nil, nil
	}
	calls := []json.RawMessage{}
	if err := json.Unmarshal(raw, &calls); err != nil {
		return nil, errors.New("tool_calls must be a list of objects")
	}
	for i, c := range calls {
		if len(c) == 0 || c[0] != '{' {
			return nil, fmt.Errorf("tool_calls[%d] must be an object", i)
		}
	}
	return calls, nil
}

func readContent(raw json.RawMessage, tool bool) (Content, error) {
	switch raw[0] {
	case '"':
		s, err := readString(Field{"content", raw})
		return Text(s), err
	case 'n':
		return Content{JSON: raw}, nil
	case '[':
		parts, err := readParts(raw)
		if err != nil && tool {
			return Content{JSON: raw}, nil
		}
		return Content{Parts: parts}, err
	}
	if tool {
		return Content{JSON: raw}, nil
	}
	return Content{}, errors.New("content must be a string, a list of parts or null")
}

func readParts(raw json.RawMessage) ([]Part, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("content: %w", err)
	}
	parts := make([]Part, len(list))
	for i, item := range list {
		if err := parts[i].UnmarshalJSON(item); err != nil {
			return nil, fmt.Errorf("content[%d]: %w", i, err)
		}
	}
	return parts, nil
}

// UnmarshalJSON reads a part; see [Message.UnmarshalJSON].
func (p *Part) UnmarshalJSON(data []byte) error {
	fields, err := readObject(data)
	if err != nil {
		return fmt.Errorf("part: %w", err)
	}
	var out Part
	for _, f := range fields {
		switch f.Name {
		case "type":
			out.Type, err = readString(f)
		case "text":
			out.Text, err = readString(f)
		case "path":
			out.Path, err = readOptional(f)
		case "url":
			out.URL, err = readOptional(f)
		case "image":
			out.Image, err = readOptional(f)
		case "image_url":
			out.URL, err = readImageURL(f)
			f.Name = "url"
		default:
			out.Extra = append(out.Extra, f)
		}
		if err != nil {
			return err
		}
		out.keys = append(out.keys, f.Name)
	}
	switch out.Type {
	case "image_url":
		out.Type = TypeImage
	case TypeText, TypeImage:
	case "":
		return errors.New("type is missing")
	default:
		return fmt.Errorf("unknown part type %q, want text or image", out.Type)
	}
	if out.Type == TypeText && !slices.Contains(out.keys, "text") {
		return errors.New("text is missing")
	}
	*p = out
	return nil
}

func readImageURL(f Field) (string, error) {
	if s, err := readString(f); err == nil {
		return s, nil
	}
	var obj struct{ URL string }
	if err := json.Unmarshal(f.Value, &obj); err != nil || obj.URL == "" {
		return "", errors.New(`image_url must be {"url": "..."}`)
	}
	return obj.URL, nil
}

// ReadMessages reads a JSON list of messages. Errors name the index.
func ReadMessages(data []byte) ([]Message, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, errors.New("messages must be a JSON list of objects")
	}
	msgs := make([]Message, len(list))
	for i, raw := range list {
		if err := msgs[i].UnmarshalJSON(raw); err != nil {
			return nil, fmt.Errorf("messages[%d]: %w", i, err)
		}
	}
	return msgs, nil
}
