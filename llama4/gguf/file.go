package gguf

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/edsrzf/mmap-go"

	"github.com/llama4go/llama4go/llama4/internal/pages"
)

// File is a model: one file, or all parts of a split one.
type File struct {
	name     string
	version  uint32
	values   map[string]Value
	tensors  map[string]*Tensor
	order    []*Tensor
	bytes    int64
	mappings []mmap.MMap
}

// Open maps the file at path and checks its header. If it is the first part of a
// split model, name-00001-of-00003.gguf, the others are opened too.
func Open(path string) (*File, error) {
	f := &File{}
	if err := f.open(path); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// Parse reads a file that is in memory. The tensors are views of data, which must
// not change while the File is in use; name is what errors call it.
func Parse(name string, data []byte) (*File, error) {
	f := &File{}
	p, err := parsePart(data)
	if err == nil {
		err = f.add(name, p)
	}
	if err == nil && f.parts() > 1 {
		err = invalid("", "a part of a split model")
	}
	if err != nil {
		return nil, named(name, err)
	}
	return f, nil
}

func (f *File) open(path string) error {
	p, err := f.mapPart(path)
	if err != nil {
		return err
	}
	if err := f.add(path, p); err != nil {
		return named(path, err)
	}
	n := f.parts()
	if n == 1 {
		return nil
	}
	number, _ := p.values["split.no"].Int()
	others, ok := siblings(path, number, n)
	switch {
	case !ok:
		return named(path, invalid("", "part %d of a model in %d; its name must end in -%05d-of-%05d.gguf", number+1, n, number+1, n))
	case number != 0:
		return named(path, invalid("", "part %d of a model in %d; open the first, %s", number+1, n, filepath.Base(others[0])))
	}
	for i, other := range others[1:] {
		p, err := f.mapPart(other)
		if err != nil {
			return err
		}
		no, _ := p.values["split.no"].Int()
		count, _ := p.values["split.count"].Int()
		if no != int64(i+1) || count != n {
			return named(other, invalid("", "part %d of %d, want part %d of %d", no+1, count, i+2, n))
		}
		if err := f.add(other, p); err != nil {
			return named(other, err)
		}
	}
	if total, ok := f.values["split.tensors.count"].Int(); ok && total != int64(len(f.order)) {
		return named(path, invalid("", "%d tensors in all parts, want %d", len(f.order), total))
	}
	return nil
}

// parts returns how many files the model has.
func (f *File) parts() int64 {
	n, _ := f.values["split.count"].Int()
	return max(n, 1)
}

var partName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)

// siblings returns the paths of all parts, given that of one.
func siblings(path string, number, n int64) ([]string, bool) {
	m := partName.FindStringSubmatch(path)
	if m == nil || n > 99999 {
		return nil, false
	}
	i, _ := strconv.ParseInt(m[2], 10, 64)
	count, _ := strconv.ParseInt(m[3], 10, 64)
	if i != number+1 || count != n {
		return nil, false
	}
	paths := make([]string, n)
	for i := range paths {
		paths[i] = fmt.Sprintf("%s-%05d-of-%05d.gguf", m[1], i+1, n)
	}
	return paths, true
}

// mapPart maps a file and reads its header.
func (f *File) mapPart(path string) (*part, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a named pipe would block os.Open
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if info, err = file.Stat(); err != nil {
		return nil, err
	}
	size := info.Size()
	if size > math.MaxInt {
		return nil, fmt.Errorf("%s: %d bytes are more than this system can map", path, size)
	}
	var m mmap.MMap
	if size > 0 { // an empty file cannot be mapped
		if m, err = mmap.MapRegion(file, int(size), mmap.RDONLY, 0, 0); err != nil {
			return nil, fmt.Errorf("%s: cannot map %d bytes: %w", path, size, err)
		}
		f.mappings = append(f.mappings, m)
	}
	p, err := parsePart(m)
	if err != nil {
		return nil, named(path, err)
	}
	return p, nil
}

// add takes over the tensors of a part, and of the first its metadata.
func (f *File) add(name string, p *part) error {
	if f.tensors == nil {
		f.name, f.version, f.values = name, p.version, p.values
		f.tensors = make(map[string]*Tensor, len(p.tensors))
	}
	for _, t := range p.tensors {
		if f.tensors[t.Name] != nil {
			return invalid(t.Name, "is in two parts")
		}
		f.tensors[t.Name] = t
		f.order = append(f.order, t)
		f.bytes += int64(len(t.Data))
	}
	return nil
}

// Name returns the name under which the file was opened.
func (f *File) Name() string { return f.name }

// Version returns the format's version, 2 or 3.
func (f *File) Version() int { return int(f.version) }

// Value returns the metadata of that key.
func (f *File) Value(key string) (Value, bool) {
	v, ok := f.values[key]
	return v, ok
}

// Tensor returns the tensor of that name.
func (f *File) Tensor(name string) (*Tensor, bool) {
	t, ok := f.tensors[name]
	return t, ok
}

// Tensors returns all tensors, in the order of the file.
func (f *File) Tensors() []*Tensor { return f.order }

// Bytes returns the size of all tensors together.
func (f *File) Bytes() int64 { return f.bytes }

// Unload says that data of a tensor will not be read for now, so that what was read
// of a mapped file does not stay in memory. The data stays valid: who reads it reads
// the file again.
func (f *File) Unload(data []byte) {
	for _, m := range f.mappings {
		if pages.Unload(m, data) {
			return
		}
	}
}

// Close ends the mapping. No tensor's Data and no Value may be read after it.
// Closing twice does nothing.
func (f *File) Close() error {
	var errs []error
	for _, m := range f.mappings {
		if err := m.Unmap(); err != nil {
			errs = append(errs, fmt.Errorf("%s: cannot unmap: %w", f.name, err))
		}
	}
	f.mappings = nil
	return errors.Join(errs...)
}
