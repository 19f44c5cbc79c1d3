package safetensors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Write writes a file with the tensors and the metadata, which may be nil.
//
// Tensors are laid out by falling element size, then by name, and the header is
// padded with spaces to a multiple of 8 bytes, so every tensor starts at a
// multiple of its element size. The same tensors give the same bytes, whatever
// their order. A tensor without a name, two of one name and one whose Data does
// not have the size of its shape and type are refused before anything is written.
func Write(w io.Writer, tensors []Tensor, meta map[string]string) error {
	l, err := NewLayout(tensors, meta)
	if err != nil {
		return err
	}
	for _, t := range tensors {
		if want := t.Bytes(); want != int64(len(t.Data)) {
			return fmt.Errorf("safetensors: cannot write: tensor %q has %d bytes, but shape %v of %v takes %d",
				t.Name, len(t.Data), t.Shape, t.DType, want)
		}
	}
	for _, b := range [][]byte{l.Head[:prefixSize], l.Head[prefixSize:]} {
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	for _, t := range inOrder(tensors) {
		if _, err := w.Write(t.Data); err != nil {
			return err
		}
	}
	return nil
}

func encodeHeader(tensors []Tensor, meta map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	if len(meta) > 0 {
		for k, v := range meta {
			if !utf8.ValidString(k) || !utf8.ValidString(v) {
				return nil, fmt.Errorf("metadata %q is not valid UTF-8", k)
			}
		}
		b.WriteString(encode(metadataKey) + ":" + encode(meta))
	}
	seen := map[string]bool{}
	var begin int64
	for _, t := range tensors {
		if err := checkTensor(t, seen); err != nil {
			return nil, err
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		end := begin + t.Bytes()
		if end < begin {
			return nil, fmt.Errorf("tensor %q: the file overflows", t.Name)
		}
		fmt.Fprintf(&b, `%s:{"dtype":"%s","shape":%s,"data_offsets":[%d,%d]}`, encode(t.Name), t.DType, encode(append([]int64{}, t.Shape...)), begin, end)
		begin = end
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > maxHeader {
		return nil, fmt.Errorf("header of %d bytes is over the limit of %d", b.Len(), maxHeader)
	}
	return b.Bytes(), nil
}

func checkTensor(t Tensor, seen map[string]bool) error {
	switch _, ok := dataSize(t.DType, t.Shape); {
	case t.Name == "" || t.Name == metadataKey || !utf8.ValidString(t.Name):
		return fmt.Errorf("%q cannot name a tensor", t.Name)
	case seen[t.Name]:
		return fmt.Errorf("tensor %q is given twice", t.Name)
	case !t.DType.valid():
		return fmt.Errorf("tensor %q has no dtype", t.Name)
	case !ok:
		return fmt.Errorf("tensor %q: shape %v overflows", t.Name, t.Shape)
	}
	seen[t.Name] = true
	return nil
}

// encode returns v, which must be able to be JSON, with sorted keys and without
// HTML's escapes.
func encode(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // strings, integers and maps of strings always encode
	return strings.TrimSuffix(b.String(), "\n")
}
