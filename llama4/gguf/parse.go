package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

const (
	// Magic begins a file.
	Magic            = "GGUF"
	defaultAlignment = 32
	maxDims          = 4
)

// cursor reads the header front to back. After the first error all reads give
// zeros.
type cursor struct {
	data []byte
	at   int
	err  error
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = invalid("", format, args...)
	}
}

func (c *cursor) rest() int { return len(c.data) - c.at }

// take returns the next n bytes, nil if they are not there.
func (c *cursor) take(n uint64, what string) []byte {
	if c.err != nil {
		return nil
	}
	if n > uint64(c.rest()) {
		c.fail("%s: %d bytes at %d of a file of %d; is it cut off?", what, n, c.at, len(c.data))
		return nil
	}
	b := c.data[c.at : c.at+int(n) : c.at+int(n)]
	c.at += int(n)
	return b
}

func (c *cursor) uint32(what string) uint32 {
	if b := c.take(4, what); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) uint64(what string) uint64 {
	if b := c.take(8, what); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (c *cursor) text(what string) []byte { return c.take(c.uint64(what), what) }

// count reads how many things follow, of which each takes at least size bytes.
func (c *cursor) count(what string, size int) int {
	n := c.uint64(what)
	if most := uint64(c.rest() / size); n > most {
		c.fail("%s is %d, but the file has room for %d", what, n, most)
		return 0
	}
	return int(n)
}

// value reads a value of the metadata.
func (c *cursor) value(what string) Value {
	k := kind(c.uint32(what))
	switch {
	case k.size() > 0:
		return Value{kind: k, count: 1, raw: c.take(uint64(k.size()), what)}
	case k == kindString:
		return Value{kind: k, count: 1, raw: c.text(what)}
	case k == kindArray:
		return c.array(what)
	}
	c.fail("%s: unknown type %d", what, k)
	return Value{}
}

func (c *cursor) array(what string) Value {
	k := kind(c.uint32(what))
	v := Value{kind: k, list: true}
	switch {
	case k.size() > 0:
		v.count = c.count(what, k.size())
		v.raw = c.take(uint64(v.count*k.size()), what)
	case k == kindString:
		v.count = c.count(what, 8)
		first := c.at
		for i := 0; i < v.count && c.err == nil; i++ {
			c.text(what)
		}
		v.raw = c.data[first:c.at:c.at]
	default:
		c.fail("%s: a list of type %d is not supported", what, k)
	}
	return v
}

// part is one file of a model.
type part struct {
	version uint32
	values  map[string]Value
	tensors []*Tensor // in the file's order
}

// parsePart reads a file. The tensors are views of data.
func parsePart(data []byte) (*part, error) {
	c := &cursor{data: data}
	if b := c.take(4, "the magic number"); string(b) != Magic {
		return nil, invalid("", "not a GGUF file: it does not begin with %q", Magic)
	}
	p := &part{version: c.uint32("the version")}
	switch {
	case c.err != nil:
		return nil, c.err
	case p.version != 0 && p.version&0xffff == 0:
		return nil, invalid("", "a big-endian file, which is not supported")
	case p.version != 2 && p.version != 3:
		return nil, invalid("", "version %d is not supported, only 2 and 3", p.version)
	}
	tensors := c.count("the number of tensors", 24)
	p.values = c.values()
	infos := c.infos(tensors)
	if c.err != nil {
		return nil, c.err
	}
	alignment, err := p.alignment()
	if err != nil {
		return nil, err
	}
	return p, p.place(infos, data, c.at, alignment)
}

func (c *cursor) values() map[string]Value {
	n := c.count("the number of metadata values", 13)
	values := make(map[string]Value)
	for i := 0; i < n && c.err == nil; i++ {
		key := string(c.text("a metadata key"))
		v := c.value(fmt.Sprintf("metadata %.80q", key))
		if _, twice := values[key]; twice {
			c.fail("metadata %.80q is there twice", key)
		}
		values[key] = v
	}
	return values
}

// info is what the header says of a tensor.
type info struct {
	tensor *Tensor
	offset uint64
}

func (c *cursor) infos(n int) []info {
	var infos []info
	seen := make(map[string]bool)
	for i := 0; i < n && c.err == nil; i++ {
		t := &Tensor{Name: string(c.text("a tensor's name"))}
		if seen[t.Name] {
			c.fail("tensor %.80q is there twice", t.Name)
		}
		seen[t.Name] = true
		dims := c.uint32("a tensor's dimensions")
		if dims > maxDims {
			c.fail("tensor %.80q has %d dimensions, want at most %d", t.Name, dims, maxDims)
			dims = 0
		}
		t.Shape = make([]int64, dims)
		for d := range t.Shape {
			size := c.uint64("a tensor's shape")
			if size > math.MaxInt64 {
				c.fail("tensor %.80q has an impossible shape", t.Name)
				size = 0
			}
			t.Shape[len(t.Shape)-1-d] = int64(size) // the file has the fastest first
		}
		t.Type = Type(c.uint32("a tensor's type"))
		infos = append(infos, info{t, c.uint64("a tensor's offset")})
	}
	return infos
}

func (p *part) alignment() (uint64, error) {
	v, ok := p.values["general.alignment"]
	if !ok {
		return defaultAlignment, nil
	}
	n, ok := v.Int()
	if !ok || n <= 0 || n > 1<<20 || bits.OnesCount64(uint64(n)) != 1 {
		return 0, invalid("", "general.alignment is %v, want a power of two up to %d", v, 1<<20)
	}
	return uint64(n), nil
}

// place gives the tensors their data, which follows the header.
func (p *part) place(infos []info, data []byte, header int, alignment uint64) error {
	at := padded(uint64(header), alignment)
	if len(infos) > 0 && at > uint64(len(data)) {
		return invalid("", "no tensor data after a header of %d bytes; is the file cut off?", header)
	}
	data = data[min(at, uint64(len(data))):]
	next := uint64(0) // where the next tensor is to begin
	for _, i := range infos {
		t := i.tensor
		size, err := t.size()
		if err != nil {
			return err
		}
		if i.offset != next {
			return invalid(t.Name, "begins at %d of the data, want %d, after the tensor before it", i.offset, next)
		}
		if next > uint64(len(data)) || size > uint64(len(data))-next {
			return invalid(t.Name, "has %d bytes at %d, but the file has %d bytes of data; is it cut off?", size, next, len(data))
		}
		t.Data = data[next : next+size : next+size]
		next = padded(next+size, alignment)
		p.tensors = append(p.tensors, t)
	}
	return nil
}

func padded(n, alignment uint64) uint64 { return (n + alignment - 1) / alignment * alignment }
