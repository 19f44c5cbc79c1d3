package shards_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/internal/shards"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

var errStop = errors.New("stop")

// folder is five units of two tensors each, in three files; puts counts down to a
// failure.
func folder(path string, puts *int, made *[]int) *shards.Folder {
	f := &shards.Folder{Path: path, Scheme: "int4", Source: "abc", ShardBytes: 250, Progress: func(int64, int64) {}}
	for i := range 5 {
		a := safetensors.Tensor{Name: fmt.Sprintf("b%d", i), DType: safetensors.U8, Shape: []int64{99}}
		b := safetensors.Tensor{Name: fmt.Sprintf("a%d", i), DType: safetensors.F32, Shape: []int64{2, 1}}
		f.Units = append(f.Units, shards.Unit{
			Tensors: []safetensors.Tensor{a, b}, Cost: 10,
			Make: func(put shards.Put) error {
				*made = append(*made, i)
				for _, piece := range []struct {
					tensor    int
					offset, n int64
				}{{1, 0, 8}, {0, 50, 49}, {0, 0, 50}} {
					if *puts--; *puts < 0 {
						return errStop
					}
					if err := put(piece.tensor, piece.offset, bytes.Repeat([]byte{byte(16*i + piece.tensor)}, int(piece.n))); err != nil {
						return err
					}
				}
				return nil
			},
		})
	}
	return f
}

func contents(t *testing.T, path string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(path)
	require.NoError(t, err)
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(path, e.Name()))
		require.NoError(t, err)
		files[e.Name()] = string(raw)
	}
	return files
}

const last = "model-00003-of-00003.safetensors"

func TestWrite(t *testing.T) {
	path, puts, made := filepath.Join(t.TempDir(), "out"), 100, []int(nil)
	f := folder(path, &puts, &made)
	var steps []int64
	f.Progress = func(done, total int64) {
		require.Equal(t, int64(50), total)
		steps = append(steps, done)
	}
	r, err := f.Write(context.Background())
	require.NoError(t, err)
	require.Equal(t, 3, r.Files)
	require.Zero(t, r.Kept)
	require.Equal(t, []int64{10, 20, 30, 40, 50}, steps)
	c, err := safetensors.OpenDir(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	require.Len(t, c.Names(), 10)
	for i := range 5 {
		for j, name := range []string{"b", "a"} {
			x, ok := c.Lookup(fmt.Sprintf("%s%d", name, i))
			require.True(t, ok)
			require.Equal(t, bytes.Repeat([]byte{byte(16*i + j)}, int(x.Bytes())), x.Data)
		}
	}

	// A second run finds all of it there.
	made = nil
	r, err = f.Write(context.Background())
	require.NoError(t, err)
	require.Equal(t, 3, r.Kept)
	require.Empty(t, made)

	// What is one file is called so.
	puts = 100
	f = folder(filepath.Join(t.TempDir(), "out"), &puts, &made)
	f.ShardBytes = 1000
	_, err = f.Write(context.Background())
	require.NoError(t, err)
	require.Len(t, contents(t, f.Path), 2)
	require.Contains(t, contents(t, f.Path), safetensors.SingleFile)
}

// Wherever a run ends, the next makes what is missing and no more, and the folder is
// the same in the end.
func TestResume(t *testing.T) {
	whole, puts, made := filepath.Join(t.TempDir(), "out"), 100, []int(nil)
	_, err := folder(whole, &puts, &made).Write(context.Background())
	require.NoError(t, err)
	want := contents(t, whole)
	for stop := range 15 {
		path := filepath.Join(t.TempDir(), "out")
		puts, made = stop, nil
		_, err := folder(path, &puts, &made).Write(context.Background())
		require.ErrorIs(t, err, errStop)
		for name, text := range contents(t, path) { // what is there is whole
			require.Equal(t, want[name], text, name)
		}
		// A killed run leaves what it was writing.
		require.NoError(t, os.WriteFile(filepath.Join(path, ".partial-123"), []byte("half"), 0o600))
		puts, made = 100, nil
		r, err := folder(path, &puts, &made).Write(context.Background())
		require.NoError(t, err)
		require.Equal(t, stop/6, r.Kept)
		require.Equal(t, []int{0, 1, 2, 3, 4}[2*(stop/6):], made)
		require.Equal(t, want, contents(t, path))
	}

	// A file that is not what it should be is made again.
	for name, damage := range map[string]func(path string) error{
		"gone":      os.Remove,
		"truncated": func(path string) error { return os.Truncate(path, 20) },
		"other":     func(path string) error { return os.WriteFile(path, make([]byte, len(want[last])), 0o600) },
	} {
		require.NoError(t, damage(filepath.Join(whole, last)), name)
		puts, made = 100, nil
		_, err := folder(whole, &puts, &made).Write(context.Background())
		require.NoError(t, err)
		require.Equal(t, []int{4}, made, name)
		require.Equal(t, want, contents(t, whole))
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	path, puts, made := filepath.Join(t.TempDir(), "out"), 100, []int(nil)
	f := folder(path, &puts, &made)
	f.Progress = func(done, _ int64) {
		if done == 30 {
			cancel()
		}
	}
	_, err := f.Write(ctx)
	require.ErrorIs(t, err, context.Canceled)
	names := contents(t, path)
	require.Len(t, names, 2)
	require.Contains(t, names, "model-00001-of-00003.safetensors")
}

func TestFaults(t *testing.T) {
	begun := func(t *testing.T) string {
		path, puts, made := filepath.Join(t.TempDir(), "out"), 4, []int(nil)
		_, err := folder(path, &puts, &made).Write(context.Background())
		require.ErrorIs(t, err, errStop)
		return path
	}
	for name, row := range map[string]struct {
		change func(t *testing.T, path string, f *shards.Folder) string
		says   string
	}{
		"foreign": {func(t *testing.T, _ string, _ *shards.Folder) string {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), nil, 0o600))
			return dir
		}, "is not empty, and not begun by this command: name a new folder"},
		"scheme": {func(_ *testing.T, path string, f *shards.Folder) string {
			f.Scheme = "fp8"
			return path
		}, "was begun with the scheme int4, not fp8: remove it or name another folder"},
		"source": {func(_ *testing.T, path string, f *shards.Folder) string {
			f.Source = "abd"
			return path
		}, "was begun of another checkpoint, or this one has changed since: remove it or name another folder"},
		"layout": {func(_ *testing.T, path string, f *shards.Folder) string {
			f.ShardBytes = 120
			return path
		}, "was begun with files of another size, or by another version"},
		"state": {func(t *testing.T, path string, _ *shards.Folder) string {
			require.NoError(t, os.WriteFile(filepath.Join(path, shards.StateFile), []byte("{"), 0o600))
			return path
		}, "cannot be read: remove the folder or name another"},
		"state too long": {func(t *testing.T, path string, _ *shards.Folder) string {
			name := filepath.Join(path, shards.StateFile)
			require.NoError(t, os.Truncate(name, 1<<36)) // a hole, which takes no room on the disk
			return path
		}, "cannot be read: remove the folder or name another"},
		"no parent": {func(_ *testing.T, path string, _ *shards.Folder) string {
			return filepath.Join(path, "no", "folder")
		}, "no such file or directory"},
		"file": {func(_ *testing.T, path string, _ *shards.Folder) string {
			return filepath.Join(path, shards.StateFile)
		}, "not a directory"},
		"bytes that are not made": {func(_ *testing.T, path string, f *shards.Folder) string {
			f.Units[0].Make = func(put shards.Put) error { return put(0, 0, []byte{1}) }
			return path
		}, "b0: 106 bytes were not made"},
		"a tensor twice": {func(_ *testing.T, path string, f *shards.Folder) string {
			f.Units[1] = f.Units[0]
			return path
		}, "given twice"},
	} {
		t.Run(name, func(t *testing.T) {
			puts, made := 100, []int(nil)
			f := folder("", &puts, &made)
			f.Path = row.change(t, begun(t), f)
			_, err := f.Write(context.Background())
			require.ErrorContains(t, err, row.says)
		})
	}
	// An empty folder is as good as none.
	puts, made := 100, []int(nil)
	_, err := folder(t.TempDir(), &puts, &made).Write(context.Background())
	require.NoError(t, err)
}
