package safetensors

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"slices"
	"unsafe"

	"github.com/edsrzf/mmap-go"
)

// File is one safetensors file.
type File struct {
	name    string
	meta    map[string]string
	tensors map[string]Tensor
	names   []string // sorted
	bytes   int64
	mapping mmap.MMap // nil if the data is the caller's
}

// Open maps the file at path and checks its header.
func Open(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a named pipe would block os.Open
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return mapFile(path, f)
}

// mapFile maps f whole. The mapping outlives f.
func mapFile(name string, f *os.File) (*File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	if size < prefixSize { // an empty file cannot be mapped
		_, err := headerSize(nil, size)
		return nil, named(name, err)
	}
	if size > math.MaxInt {
		return nil, fmt.Errorf("%s: %d bytes are more than this system can map", name, size)
	}
	// The length is passed, so that what is mapped is what was checked.
	m, err := mmap.MapRegion(f, int(size), mmap.RDONLY, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot map %d bytes: %w", name, size, err)
	}
	file, err := Parse(name, m)
	if err != nil {
		_ = m.Unmap()
		return nil, err
	}
	file.mapping = m
	return file, nil
}

// Parse reads a file that is in memory. The tensors are views of data, which must
// not change while the File is in use; name is what errors and Tensor.Shard call it.
func Parse(name string, data []byte) (*File, error) {
	n, err := headerSize(data, int64(len(data)))
	if err != nil {
		return nil, named(name, err)
	}
	data = data[prefixSize:]
	h, err := parseHeader(data[:n], int64(len(data))-n)
	if err != nil {
		return nil, named(name, err)
	}
	return newFile(name, h, data[n:]), nil
}

// readHeader reads the header of f, and leaves the tensors without Data.
func readHeader(name string, f fs.File) (*File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	prefix := make([]byte, prefixSize)
	if got, err := io.ReadFull(f, prefix); err == io.EOF || err == io.ErrUnexpectedEOF {
		prefix = prefix[:got]
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	n, err := headerSize(prefix, info.Size())
	if err != nil {
		return nil, named(name, err)
	}
	raw := make([]byte, n)
	if _, err := io.ReadFull(f, raw); err != nil {
		return nil, fmt.Errorf("%s: cannot read the header: %w", name, err)
	}
	h, err := parseHeader(raw, info.Size()-prefixSize-n)
	if err != nil {
		return nil, named(name, err)
	}
	return newFile(name, h, nil), nil
}

// newFile makes a File of a checked header and its data, nil for none.
func newFile(name string, h *header, data []byte) *File {
	f := &File{name: name, meta: h.meta, tensors: make(map[string]Tensor, len(h.entries))}
	for _, e := range h.entries {
		t := e.Tensor
		t.Shard = name
		if data != nil {
			t.Data = aligned(data[e.begin:e.end:e.end], t.DType.size())
		}
		f.tensors[t.Name] = t
		f.bytes += e.end - e.begin
	}
	f.names = slices.Sorted(maps.Keys(f.tensors))
	return f
}

// aligned returns b, copied if it does not start at a multiple of size.
func aligned(b []byte, size int) []byte {
	if len(b) == 0 || uintptr(unsafe.Pointer(unsafe.SliceData(b)))%uintptr(size) == 0 {
		return b
	}
	c := alloc(len(b))
	copy(c, b)
	return c
}

// alloc returns n bytes that start at a multiple of 8.
func alloc(n int) []byte {
	if n == 0 {
		return []byte{}
	}
	words := make([]uint64, (n+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), n)
}

// Name returns the name under which the file was opened.
func (f *File) Name() string { return f.name }

// Lookup returns the tensor of that name.
func (f *File) Lookup(name string) (Tensor, bool) {
	t, ok := f.tensors[name]
	return t, ok
}

// Names returns the names of all tensors, sorted.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Metadata returns a copy of the header's free-form strings.
func (f *File) Metadata() map[string]string { return maps.Clone(f.meta) }

// Bytes returns the size of all tensors together.
func (f *File) Bytes() int64 { return f.bytes }

// Close ends the mapping. No tensor's Data may be read after it. Closing twice
// does nothing.
func (f *File) Close() error {
	if f.mapping == nil {
		return nil
	}
	if err := f.mapping.Unmap(); err != nil {
		return fmt.Errorf("%s: cannot unmap: %w", f.name, err)
	}
	return nil
}
