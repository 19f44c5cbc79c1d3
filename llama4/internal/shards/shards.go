package shards

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/llama4go/llama4go/llama4/safetensors"
)

// Unit is tensors that are made together, in one file.
type Unit struct {
	// Tensors are without Data.
	Tensors []safetensors.Tensor
	// Make makes the tensors and puts them in pieces, in any order. It is not called if
	// a file has them already.
	Make func(put Put) error
	// Cost is the unit's share in the progress.
	Cost int64
}

// Put writes data of tensor i of a unit, from byte offset on.
type Put func(i int, offset int64, data []byte) error

// Folder is a folder to write.
type Folder struct {
	Path  string
	Units []Unit
	// Scheme and Source are what the folder is made by and of.
	Scheme, Source string
	// ShardBytes bounds the tensors of a file, but for a unit that is larger.
	ShardBytes int64
	// Progress is told what is done of all units' cost.
	Progress func(done, total int64)
}

// Result is what [Folder.Write] has done.
type Result struct {
	Files int   // all of them
	Kept  int   // of those, what was there already
	Bytes int64 // of all of them
}

// file is a planned file.
type file struct {
	name   string
	units  []Unit
	layout *safetensors.Layout
}

// Write makes the files that are missing, and the index if there are several. The
// folder is made if it is not there; its parent must be.
func (f *Folder) Write(ctx context.Context) (Result, error) {
	files, err := f.plan()
	if err != nil {
		return Result{}, err
	}
	if err := f.begin(files); err != nil {
		return Result{}, err
	}
	r := Result{Files: len(files)}
	total, done := int64(0), int64(0)
	for _, u := range f.Units {
		total += u.Cost
	}
	for i := range files {
		s := &files[i]
		r.Bytes += s.layout.Size
		whole, err := f.whole(s)
		if err != nil {
			return r, err
		}
		if whole {
			r.Kept++
			for _, u := range s.units {
				done += u.Cost
			}
			f.Progress(done, total)
			continue
		}
		err = f.WriteFile(s.name, func(to *os.File) error {
			return s.write(ctx, to, func(cost int64) {
				done += cost
				f.Progress(done, total)
			})
		})
		if err != nil {
			return r, err
		}
	}
	if len(files) == 1 {
		return r, nil
	}
	return r, f.writeIndex(files)
}

// plan lays the units out.
func (f *Folder) plan() ([]file, error) {
	var files []file
	size := int64(0)
	for _, u := range f.Units {
		bytes := u.bytes()
		if len(files) == 0 || size > 0 && size+bytes > f.ShardBytes {
			files, size = append(files, file{}), 0
		}
		last := &files[len(files)-1]
		last.units = append(last.units, u)
		size += bytes
	}
	for i := range files {
		s := &files[i]
		s.name = safetensors.SingleFile
		if len(files) > 1 {
			s.name = fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(files))
		}
		var tensors []safetensors.Tensor
		for _, u := range s.units {
			tensors = append(tensors, u.Tensors...)
		}
		var err error
		if s.layout, err = safetensors.NewLayout(tensors, map[string]string{"format": "pt"}); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// write fills a file.
func (s *file) write(ctx context.Context, to *os.File, done func(cost int64)) error {
	if err := to.Truncate(s.layout.Size); err != nil {
		return err
	}
	if _, err := to.WriteAt(s.layout.Head, 0); err != nil {
		return err
	}
	for _, u := range s.units {
		left := u.bytes()
		err := u.Make(func(i int, offset int64, data []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			left -= int64(len(data))
			_, err := to.WriteAt(data, s.layout.Offsets[u.Tensors[i].Name]+offset)
			return err
		})
		if err == nil && left != 0 {
			err = fmt.Errorf("%s: %d bytes were not made", u.Tensors[0].Name, left)
		}
		if err != nil {
			return err
		}
		done(u.Cost)
	}
	return nil
}

// bytes is the size of a unit's tensors.
func (u *Unit) bytes() (bytes int64) {
	for _, t := range u.Tensors {
		bytes += t.Bytes()
	}
	return bytes
}

// whole reports whether a file is there as it is planned. What has the file's name was
// synced before it got it.
func (f *Folder) whole(s *file) (bool, error) {
	to, err := os.Open(filepath.Join(f.Path, s.name))
	if os.IsNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = to.Close() }()
	info, err := to.Stat()
	if err != nil || info.Size() != s.layout.Size {
		return false, err
	}
	head := make([]byte, len(s.layout.Head))
	if _, err := io.ReadFull(to, head); err != nil {
		return false, err
	}
	return bytes.Equal(head, s.layout.Head), nil
}

// writeIndex writes which file has which tensor.
func (f *Folder) writeIndex(files []file) error {
	var index struct {
		Metadata struct {
			TotalSize int64 `json:"total_size"`
		} `json:"metadata"`
		WeightMap map[string]string `json:"weight_map"`
	}
	index.WeightMap = map[string]string{}
	for _, s := range files {
		index.Metadata.TotalSize += s.layout.Size - int64(len(s.layout.Head))
		for name := range s.layout.Offsets {
			index.WeightMap[name] = s.name
		}
	}
	raw, err := json.MarshalIndent(&index, "", "  ")
	if err != nil {
		return err
	}
	return f.WriteFile(safetensors.IndexFile, func(to *os.File) error {
		_, err := to.Write(append(raw, '\n'))
		return err
	})
}

// digest is a number for all planned files.
func digest(files []file) string {
	h := sha256.New()
	for _, s := range files {
		_, _ = h.Write(s.layout.Head) // never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}
