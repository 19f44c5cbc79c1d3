package shards

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// StateFile is the file that says what a folder is made of.
const StateFile = "llama4-quantize.json"

// partial begins the names of files that are being written.
const partial = ".partial-"

// state is the contents of StateFile.
type state struct {
	Scheme string `json:"scheme"`
	Source string `json:"source"` // a digest
	Layout string `json:"layout"` // a digest of all headers
}

// maxState bounds StateFile.
const maxState = 1 << 16

// begin makes the folder ready: it is new, or one that an earlier run began.
func (f *Folder) begin(files []file) error {
	if err := os.Mkdir(f.Path, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	entries, err := os.ReadDir(f.Path)
	if err != nil {
		return err
	}
	want := state{f.Scheme, f.Source, digest(files)}
	var others int
	begun := false
	for _, e := range entries {
		switch {
		case e.Name() == StateFile:
			begun = true
		case !strings.HasPrefix(e.Name(), partial):
			others++
		}
	}
	switch {
	case begun:
		if err := f.compare(&want); err != nil {
			return err
		}
	case others > 0:
		return fmt.Errorf("%s is not empty, and not begun by this command: name a new folder", f.Path)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), partial) { // of a run that was killed
			if err := os.Remove(filepath.Join(f.Path, e.Name())); err != nil {
				return err
			}
		}
	}
	if begun {
		return nil
	}
	raw, err := json.MarshalIndent(&want, "", "  ")
	if err != nil {
		return err
	}
	return f.WriteFile(StateFile, func(to *os.File) error {
		_, err := to.Write(append(raw, '\n'))
		return err
	})
}

// compare refuses a folder that is made of something else.
func (f *Folder) compare(want *state) error {
	from, err := os.Open(filepath.Join(f.Path, StateFile))
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	raw, err := io.ReadAll(io.LimitReader(from, maxState+1))
	if err != nil {
		return err
	}
	var have state
	if len(raw) > maxState || json.Unmarshal(raw, &have) != nil {
		return fmt.Errorf("%s: %s cannot be read: remove the folder or name another", f.Path, StateFile)
	}
	what := ""
	switch {
	case have == *want:
		return nil
	case have.Scheme != want.Scheme:
		what = fmt.Sprintf("with the scheme %s, not %s", have.Scheme, want.Scheme)
	case have.Source != want.Source:
		what = "of another checkpoint, or this one has changed since"
	default:
		what = "with files of another size, or by another version"
	}
	return fmt.Errorf("%s was begun %s: remove it or name another folder", f.Path, what)
}

// WriteFile writes a file of the folder, or of one in it, that is there whole or not at
// all, and stays when the power goes.
func (f *Folder) WriteFile(name string, write func(*os.File) error) error {
	path := filepath.Join(f.Path, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	to, err := os.CreateTemp(f.Path, partial+"*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	err = write(to)
	if err == nil {
		err = to.Chmod(0o644)
	}
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err == nil {
		err = os.Rename(to.Name(), path)
	}
	if err != nil {
		_ = os.Remove(to.Name())
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return f.sync()
}

// sync makes names of the folder stay. Systems that cannot sync a folder need not.
func (f *Folder) sync() error {
	d, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	_ = d.Sync()
	return d.Close()
}
