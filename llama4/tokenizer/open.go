package tokenizer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxFile bounds what Open reads. Llama 4's tokenizer.json has 28 MB.
const maxFile = 512 << 20

// Open loads a tokenizer.json, a tokenizer.model, or what a folder holds of the
// two, tokenizer.json first. What a file is shows in its contents, not its name.
func Open(path string) (*Tokenizer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	var t *Tokenizer
	if info.IsDir() {
		t, err = OpenFS(os.DirFS(path))
	} else {
		t, err = load(os.DirFS(filepath.Dir(path)), filepath.Base(path))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// OpenFS loads tokenizer.json or else tokenizer.model from the root of fsys.
// Without either the error is [fs.ErrNotExist].
func OpenFS(fsys fs.FS) (*Tokenizer, error) {
	for _, name := range []string{"tokenizer.json", "tokenizer.model"} {
		t, err := load(fsys, name)
		switch {
		case err == nil:
			return t, nil
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil, fmt.Errorf("tokenizer: neither tokenizer.json nor tokenizer.model there: %w", fs.ErrNotExist)
}

// load reads and parses one file; the caller names it in errors.
func load(fsys fs.FS, name string) (*Tokenizer, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("tokenizer: over %d bytes are too many for a tokenizer", maxFile)
	}
	parse := ParseTiktoken
	if bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		parse = ParseJSON
	}
	return parse(data)
}
