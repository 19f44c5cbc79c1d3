package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"slices"
	"unicode/utf8"
)

const (
	// maxHeader is the reference implementation's limit on the JSON header.
	maxHeader   = 100_000_000
	prefixSize  = 8
	metadataKey = "__metadata__"
)

// entry is one tensor of a header with its place in the data.
type entry struct {
	Tensor
	begin, end int64
}

type header struct {
	entries []entry // in the order of their data
	meta    map[string]string
}

// headerSize reads the length of the JSON header off the first eight bytes of a
// file of the given size. Nothing has been allocated by its word before.
func headerSize(prefix []byte, fileSize int64) (int64, error) {
	if len(prefix) < prefixSize {
		return 0, invalid("", "%d bytes are too short for a safetensors file", fileSize)
	}
	n := binary.LittleEndian.Uint64(prefix)
	if n > maxHeader {
		return 0, invalid("", "header of %d bytes is over the limit of %d: not a safetensors file?", n, maxHeader)
	}
	if int64(n) > fileSize-prefixSize {
		return 0, invalid("", "header of %d bytes is longer than the file of %d bytes: truncated file", n, fileSize)
	}
	return int64(n), nil
}

// parseHeader reads and checks the JSON header of a file with dataSize bytes of
// data behind it.
func parseHeader(raw []byte, dataSize int64) (*header, error) {
	h := &header{}
	seen := map[string]bool{}
	err := parseDocument(raw, func(p *parser, key string) error {
		if key == metadataKey {
			var err error
			h.meta, err = p.strings(metadataKey)
			return err
		}
		if seen[key] {
			return invalid(key, "appears twice in the header")
		}
		seen[key] = true
		e, err := p.entry(key)
		if err != nil {
			return err
		}
		h.entries = append(h.entries, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h, h.checkPlaces(dataSize)
}

// parseDocument calls value for each key of the JSON object that raw holds.
func parseDocument(raw []byte, value func(p *parser, key string) error) error {
	if !utf8.Valid(raw) {
		return invalid("", "header is not valid UTF-8")
	}
	if len(raw) == 0 || raw[0] != '{' {
		return invalid("", "header is not a JSON object")
	}
	p := &parser{dec: json.NewDecoder(bytes.NewReader(raw))}
	p.dec.UseNumber()
	metadata := false
	err := p.object("header", func(key string) error {
		if key == metadataKey && metadata {
			return invalid("", "header has %s twice", metadataKey)
		}
		metadata = metadata || key == metadataKey
		return value(p, key)
	})
	if err != nil {
		return err
	}
	if rest := bytes.TrimLeft(raw[p.dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return invalid("", "header goes on after its JSON object")
	}
	return nil
}

// checkPlaces sorts the entries by place and demands that they cover the data
// without overlap, hole or rest.
func (h *header) checkPlaces(dataSize int64) error {
	slices.SortStableFunc(h.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	var next int64
	last := ""
	for _, e := range h.entries {
		switch {
		case e.begin < next:
			return invalid(e.Name, "data_offsets [%d,%d] overlap tensor %q, which ends at %d", e.begin, e.end, last, next)
		case e.begin > next:
			return invalid(e.Name, "data_offsets [%d,%d] leave a hole: the data before it ends at %d", e.begin, e.end, next)
		case e.end > dataSize:
			return invalid(e.Name, "ends at byte %d of the data, but the file has %d: truncated file, fetch it again", e.end, dataSize)
		}
		next, last = e.end, e.Name
	}
	if next < dataSize {
		return invalid("", "%d bytes after the last tensor belong to none", dataSize-next)
	}
	return nil
}

// check demands that the place has the size of shape times type.
func (e *entry) check() error {
	if e.begin > e.end {
		return invalid(e.Name, "data_offsets [%d,%d] end before they begin", e.begin, e.end)
	}
	want, ok := dataSize(e.DType, e.Shape)
	if !ok {
		return invalid(e.Name, "shape %v overflows", e.Shape)
	}
	if e.end-e.begin != want {
		return invalid(e.Name, "data_offsets [%d,%d] give %d bytes, but shape %v of %v takes %d",
			e.begin, e.end, e.end-e.begin, e.Shape, e.DType, want)
	}
	return nil
}
