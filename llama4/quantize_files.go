package llama4

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/llama4go/llama4go/llama4/internal/shards"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

const configFile = "config.json"

// source is a digest of what the checkpoint is: its configuration, its tensors' names
// and types, and the sizes and dates of its files. Hashing the weights would take as
// long as quantizing them.
func (q *quantizer) source() (string, error) {
	h := sha256.New()
	_, _ = h.Write(q.raw) // never fails
	for _, f := range q.checkpoint.Files() {
		info, err := fs.Stat(q.fsys, f.Name())
		if err != nil {
			return "", err
		}
		_, _ = fmt.Fprintf(h, "%q %d %d\n", f.Name(), info.Size(), info.ModTime().UnixNano())
		for _, name := range f.Names() {
			t, _ := f.Lookup(name)
			_, _ = fmt.Fprintf(h, "%q %v %v\n", name, t.DType, t.Shape)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// copyFiles copies what else the checkpoint's folder holds: the tokenizer, templates,
// settings, the licence.
func (q *quantizer) copyFiles(to *shards.Folder) error {
	return fs.WalkDir(q.fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name != "." && strings.HasPrefix(path.Base(name), ".") {
			return skip(entry)
		}
		if entry.IsDir() {
			if _, err := fs.Stat(q.fsys, path.Join(name, shards.StateFile)); err == nil {
				return fs.SkipDir // a folder that this was written to, perhaps now
			}
			return nil
		}
		info, err := fs.Stat(q.fsys, name) // of what a link points to
		if err != nil || !info.Mode().IsRegular() || ofWeights(name) {
			return err
		}
		return q.copyFile(to, name)
	})
}

func skip(entry fs.DirEntry) error {
	if entry.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// ofWeights reports whether a file holds weights, or describes how they are stored.
func ofWeights(name string) bool {
	switch name {
	case configFile, safetensors.IndexFile, shards.StateFile:
		return true
	}
	return slices.Contains([]string{
		".safetensors", ".bin", ".pt", ".pth", ".gguf", ".onnx", ".h5", ".msgpack",
	}, path.Ext(name)) || strings.HasSuffix(name, ".bin.index.json")
}

func (q *quantizer) copyFile(to *shards.Folder, name string) error {
	from, err := q.fsys.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	return to.WriteFile(name, func(f *os.File) error {
		_, err := io.Copy(f, from)
		return err
	})
}

func writeBytes(to *shards.Folder, name string, data []byte) error {
	return to.WriteFile(name, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}
