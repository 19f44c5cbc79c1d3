package safetensors

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/llama4go/llama4go/llama4/internal/pages"
)

// The files of a checkpoint folder. A folder with both is read by the first, as
// Hugging Face's libraries do.
const (
	SingleFile = "model.safetensors"
	IndexFile  = "model.safetensors.index.json"
)

// Checkpoint is the tensors of one or more files.
type Checkpoint struct {
	files   []*File
	tensors map[string]Tensor
	names   []string // sorted
}

// OpenDir maps the checkpoint in a folder: model.safetensors, or
// model.safetensors.index.json with its shards. Missing shards are all named in
// one error. Tensors that a shard holds and the index does not name are kept.
func OpenDir(dir string) (*Checkpoint, error) {
	c, err := OpenFS(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return c, nil
}

// OpenFS is OpenDir for the root of fsys. Files of the operating system, which
// os.DirFS yields, are mapped; those of another file system, such as embed.FS,
// are read into memory.
func OpenFS(fsys fs.FS) (*Checkpoint, error) { return open(fsys, openData) }

// OpenHeaders reads the headers only of the checkpoint in fsys: its tensors have
// no Data. All checks are made, that of the files' sizes included.
func OpenHeaders(fsys fs.FS) (*Checkpoint, error) { return open(fsys, readHeader) }

func open(fsys fs.FS, read func(name string, f fs.File) (*File, error)) (*Checkpoint, error) {
	shards, index, err := findShards(fsys)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{tensors: map[string]Tensor{}}
	if err := c.load(fsys, shards, index, read); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.names = slices.Sorted(maps.Keys(c.tensors))
	return c, nil
}

func (c *Checkpoint) load(fsys fs.FS, shards []string, index map[string]string, read func(string, fs.File) (*File, error)) error {
	for _, name := range shards {
		f, err := fsys.Open(name)
		if err != nil {
			return err
		}
		file, err := read(name, f)
		_ = f.Close()
		if err != nil {
			return err
		}
		c.files = append(c.files, file)
		for _, t := range file.names {
			if first, ok := c.tensors[t]; ok {
				return &FormatError{File: name, Tensor: t, Problem: "is in " + first.Shard + " too"}
			}
			c.tensors[t] = file.tensors[t]
		}
	}
	for _, t := range slices.Sorted(maps.Keys(index)) {
		if c.tensors[t].Shard != index[t] {
			return &FormatError{File: index[t], Tensor: t, Problem: "is not in the file that " + IndexFile + " names"}
		}
	}
	return nil
}

// findShards lists the checkpoint's files, all of which exist, and returns the
// index's map of tensors to files, nil for a single file.
func findShards(fsys fs.FS) ([]string, map[string]string, error) {
	ok, err := isFile(fsys, SingleFile)
	if err != nil {
		return nil, nil, err
	}
	if ok {
		return []string{SingleFile}, nil, nil
	}
	if ok, err = isFile(fsys, IndexFile); err != nil {
		return nil, nil, err
	} else if !ok {
		return nil, nil, fmt.Errorf("no %s and no %s: not a checkpoint folder, or not fetched: %w", SingleFile, IndexFile, fs.ErrNotExist)
	}
	index, err := readIndex(fsys)
	if err != nil {
		return nil, nil, err
	}
	shards := slices.Compact(slices.Sorted(maps.Values(index)))
	var missing []string
	for _, name := range shards {
		ok, err := isFile(fsys, name)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return nil, nil, fmt.Errorf("%s: %d of %d shards are missing, fetch them: %s: %w",
			IndexFile, len(missing), len(shards), strings.Join(missing, ", "), fs.ErrNotExist)
	}
	return shards, index, nil
}

// isFile reports whether a regular file of that name exists.
func isFile(fsys fs.FS, name string) (bool, error) {
	info, err := fs.Stat(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("%s: not a regular file", name)
	}
	return true, nil
}

// readIndex returns the index's weight_map: the shard of each tensor.
func readIndex(fsys fs.FS) (map[string]string, error) {
	f, err := fsys.Open(IndexFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxHeader+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", IndexFile, err)
	}
	index, err := parseIndex(raw)
	if err != nil {
		return nil, named(IndexFile, err)
	}
	return index, nil
}

func parseIndex(raw []byte) (map[string]string, error) {
	if len(raw) > maxHeader {
		return nil, invalid("", "over the limit of %d bytes", maxHeader)
	}
	var index map[string]string
	err := parseDocument(raw, func(p *parser, key string) error {
		if key != "weight_map" {
			return p.skip()
		}
		if index != nil {
			return invalid("", "weight_map appears twice")
		}
		var err error
		index, err = p.strings("weight_map")
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(index) == 0 {
		return nil, invalid("", "weight_map is missing or empty")
	}
	for _, tensor := range slices.Sorted(maps.Keys(index)) {
		if shard := index[tensor]; !inside(shard) {
			return nil, invalid(tensor, "file %q is not inside the checkpoint's folder", shard)
		}
	}
	return index, nil
}

// inside reports whether name stays in its folder, on every system.
func inside(name string) bool {
	return fs.ValidPath(name) && name != "." && !strings.ContainsAny(name, `\:`) && filepath.IsLocal(name)
}

// openData maps f if the operating system can, and reads it otherwise.
func openData(name string, f fs.File) (*File, error) {
	if osFile, ok := f.(*os.File); ok {
		return mapFile(name, osFile)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if info.Size() < 0 || info.Size() != int64(int(info.Size())) {
		return nil, fmt.Errorf("%s: %d bytes are more than this system can hold", name, info.Size())
	}
	data := alloc(int(info.Size()))
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return Parse(name, data)
}

// Lookup returns the tensor of that name.
func (c *Checkpoint) Lookup(name string) (Tensor, bool) {
	t, ok := c.tensors[name]
	return t, ok
}

// Names returns the names of all tensors, sorted.
func (c *Checkpoint) Names() []string { return slices.Clone(c.names) }

// Files returns the checkpoint's files, sorted by name.
func (c *Checkpoint) Files() []*File { return slices.Clone(c.files) }

// Bytes returns the size of all tensors together.
func (c *Checkpoint) Bytes() int64 {
	var n int64
	for _, f := range c.files {
		n += f.Bytes()
	}
	return n
}

// Unload says that data of a tensor will not be read for now, so that what was read
// of a mapped file does not stay in memory. The data stays valid: who reads it reads
// the file again.
func (c *Checkpoint) Unload(data []byte) {
	for _, f := range c.files {
		if pages.Unload(f.mapping, data) {
			return
		}
	}
}

// Close closes all files. No tensor's Data may be read after it. Closing twice
// does nothing.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, f := range c.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
