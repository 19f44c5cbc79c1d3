package safetensors_test

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/safetensors"
)

// TestHeaderFaults gives every reader a broken file: each names the file, the
// tensor and the fault.
func TestHeaderFaults(t *testing.T) {
	info := func(name, body string) string { return `"` + name + `":{` + body + `}` }
	f32 := `"dtype":"F32","shape":[1],"data_offsets":[0,4]`
	obj := func(parts ...string) string { return "{" + strings.Join(parts, ",") + "}" }
	tests := []struct {
		name, head string
		data       int
		tensor     string
		want       string
	}{
		{"begin past end", obj(info("a", `"dtype":"U8","shape":[1],"data_offsets":[1,0]`)), 1, "a", "end before they begin"},
		{"offsets too short", obj(info("a", `"dtype":"F32","shape":[2],"data_offsets":[0,4]`)), 4, "a", "give 4 bytes, but shape [2] of F32 takes 8"},
		{"offsets too long", obj(info("a", `"dtype":"BF16","shape":[],"data_offsets":[0,4]`)), 4, "a", "give 4 bytes, but shape [] of BF16 takes 2"},
		{"overlap", obj(info("a", f32), info("b", `"dtype":"F32","shape":[1],"data_offsets":[2,6]`)), 6, "b", `overlap tensor "a"`},
		{"same place", obj(info("a", f32), info("b", f32)), 4, "b", `overlap tensor "a"`},
		{"hole", obj(info("a", f32), info("b", `"dtype":"U8","shape":[1],"data_offsets":[5,6]`)), 6, "b", "leave a hole: the data before it ends at 4"},
		{"hole at the start", obj(info("a", `"dtype":"U8","shape":[1],"data_offsets":[1,2]`)), 2, "a", "leave a hole"},
		{"rest", obj(info("a", f32)), 7, "", "3 bytes after the last tensor"},
		{"data without tensors", "{}", 1, "", "1 bytes after the last tensor"},
		{"truncated", obj(info("a", f32), info("b", `"dtype":"F32","shape":[2],"data_offsets":[4,12]`)), 11, "b", "truncated"},
		{"element overflow", obj(info("a", `"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]`)), 0, "a", "overflows"},
		{"byte overflow", obj(info("a", `"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]`)), 0, "a", "overflows"},
		{"twice", obj(info("a", f32), info("a", f32)), 4, "a", "twice"},
		{"twice by escape", obj(info("a", f32), info(`\u0061`, f32)), 4, "a", "twice"},
		{"key twice", obj(info("a", `"dtype":"F32",`+f32)), 4, "a", `"dtype" appears twice`},
		{"dtype missing", obj(info("a", `"shape":[1],"data_offsets":[0,4]`)), 4, "a", `"dtype" is missing`},
		{"shape missing", obj(info("a", `"dtype":"F32","data_offsets":[0,4]`)), 4, "a", `"shape" is missing`},
		{"offsets missing", obj(info("a", `"dtype":"F32","shape":[1]`)), 4, "a", `"data_offsets" is missing`},
		{"dtype unknown", obj(info("a", `"dtype":"F4","shape":[1],"data_offsets":[0,4]`)), 4, "a", `dtype "F4" is not supported`},
		{"dtype no string", obj(info("a", `"dtype":7,"shape":[1],"data_offsets":[0,4]`)), 4, "a", "dtype is not a string"},
		{"negative dimension", obj(info("a", `"dtype":"F32","shape":[-1],"data_offsets":[0,4]`)), 4, "a", "shape holds -1"},
		{"fraction", obj(info("a", `"dtype":"F32","shape":[1.0],"data_offsets":[0,4]`)), 4, "a", "shape holds 1.0"},
		{"past int64", obj(info("a", `"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775808]`)), 4, "a", "data_offsets holds 9223372036854775808"},
		{"one offset", obj(info("a", `"dtype":"F32","shape":[1],"data_offsets":[4]`)), 4, "a", "data_offsets has 1 numbers, want 2"},
		{"three offsets", obj(info("a", `"dtype":"F32","shape":[1],"data_offsets":[0,4,8]`)), 4, "a", "data_offsets has 3 numbers, want 2"},
		{"shape no list", obj(info("a", `"dtype":"F32","shape":1,"data_offsets":[0,4]`)), 4, "a", "shape is not a list"},
		{"shape of strings", obj(info("a", `"dtype":"F32","shape":["1"],"data_offsets":[0,4]`)), 4, "a", "shape is not a list of integers"},
		{"tensor no object", `{"a":[]}`, 0, "a", "value is not a JSON object"},
		{"metadata no object", `{"__metadata__":"pt"}`, 0, "", "__metadata__ is not a JSON object"},
		{"metadata of numbers", `{"__metadata__":{"n":1}}`, 0, "", `__metadata__: value of "n" is not a string`},
		{"metadata nested", `{"__metadata__":{"n":{}}}`, 0, "", `__metadata__: value of "n" is not a string`},
		{"metadata twice", `{"__metadata__":{},"__metadata__":{}}`, 0, "", "__metadata__ twice"},
		{"metadata key twice", `{"__metadata__":{"k":"1","k":"2"}}`, 0, "", `__metadata__ has "k" twice`},
		{"not UTF-8", "{\"\xff\":{" + f32 + "}}", 4, "", "not valid UTF-8"},
		{"not an object", `[]`, 0, "", "not a JSON object"},
		{"space first", ` {}`, 0, "", "not a JSON object"},
		{"empty header", ``, 0, "", "not a JSON object"},
		{"no JSON", `{"a"}`, 0, "a", "not JSON"},
		{"comma last", `{"__metadata__":{},}`, 0, "", "not JSON"},
		{"comma missing", `{"__metadata__":{"a":"b" "c":"d"}}`, 0, "", "not JSON"},
		{"unclosed", `{"a":{"dtype":"F32"`, 0, "a", "JSON ends early"},
		{"two documents", `{}{}`, 0, "", "goes on after"},
		{"zero after", "{}\x00", 0, "", "goes on after"},
	}
	dir := t.TempDir()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw := build(t, tt.head, tt.data)
			path := filepath.Join(dir, "model.safetensors")
			require.NoError(t, os.WriteFile(path, raw, 0o600))
			check := func(err error, file string) {
				t.Helper()
				var f *safetensors.FormatError
				require.ErrorAs(t, err, &f)
				require.Equal(t, file, f.File)
				require.Equal(t, tt.tensor, f.Tensor)
				require.Contains(t, err.Error(), tt.want)
				require.NotContains(t, err.Error(), "\n")
			}
			_, err := safetensors.Parse("mem", raw)
			check(err, "mem")
			_, err = safetensors.Open(path)
			check(err, path)
			_, err = safetensors.OpenDir(dir)
			check(err, "model.safetensors")
			require.Contains(t, err.Error(), dir)
			_, err = safetensors.OpenHeaders(os.DirFS(dir))
			check(err, "model.safetensors")
		})
	}
}

// TestHeaderLength demands that a length is refused before it is believed.
func TestHeaderLength(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	for _, tt := range []struct {
		n    uint64
		want string
	}{
		{100_000_001, "over the limit"}, {math.MaxUint64, "over the limit"}, {1 << 63, "over the limit"},
		{100_000_000, "longer than the file"}, {3, "longer than the file"},
	} {
		raw := append(binary.LittleEndian.AppendUint64(nil, tt.n), '{', '}')
		require.NoError(t, os.WriteFile(path, raw, 0o600))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := safetensors.Open(path)
		require.ErrorContains(t, err, tt.want)
		_, err = safetensors.OpenHeaders(fstest.MapFS{safetensors.SingleFile: {Data: raw}})
		require.ErrorContains(t, err, tt.want)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
	}
	for n := range 8 {
		require.NoError(t, os.WriteFile(path, make([]byte, n), 0o600))
		_, err := safetensors.Open(path)
		require.ErrorContains(t, err, "too short")
		_, err = safetensors.Parse("x", make([]byte, n))
		require.ErrorContains(t, err, "too short")
	}
}

func TestOpenFaults(t *testing.T) {
	_, err := safetensors.Open(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = safetensors.Open(t.TempDir())
	require.ErrorContains(t, err, "not a regular file")
	_, err = safetensors.OpenDir(t.TempDir())
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "not a checkpoint folder")
	_, err = safetensors.OpenFS(fstest.MapFS{safetensors.SingleFile: {Mode: fs.ModeNamedPipe}})
	require.ErrorContains(t, err, "not a regular file")
}

func TestIndexFaults(t *testing.T) {
	u8 := func(names ...string) *fstest.MapFile {
		var parts []string
		for i, n := range names {
			parts = append(parts, `"`+n+`":{"dtype":"U8","shape":[1],"data_offsets":[`+string(rune('0'+i))+`,`+string(rune('1'+i))+`]}`)
		}
		return &fstest.MapFile{Data: build(t, "{"+strings.Join(parts, ",")+"}", len(names))}
	}
	tests := []struct {
		name, index string
		want        []string
	}{
		{"missing shards", `{"weight_map":{"a":"1","x":"7","y":"8","z":"8"}}`, []string{"2 of 3 shards are missing", "7, 8"}},
		{"tensor not in its shard", `{"weight_map":{"a":"1","z":"1"}}`, []string{`1: tensor "z"`, "not in the file"}},
		{"tensor in another shard", `{"weight_map":{"a":"2","b":"2","c":"1"}}`, []string{"tensor \"a\"", "not in the file"}},
		{"tensor in two shards", `{"weight_map":{"a":"1","b":"2","d":"3"}}`, []string{`3: tensor "b"`, "is in 2 too"}},
		{"path up", `{"weight_map":{"a":"../1"}}`, []string{`tensor "a"`, `"../1" is not inside`}},
		{"path up, hidden", `{"weight_map":{"a":"x/../../1"}}`, []string{"is not inside"}},
		{"path absolute", `{"weight_map":{"a":"/etc/passwd"}}`, []string{"is not inside"}},
		{"path of Windows", `{"weight_map":{"a":"..\\1"}}`, []string{"is not inside"}},
		{"path with drive", `{"weight_map":{"a":"C:1"}}`, []string{"is not inside"}},
		{"path empty", `{"weight_map":{"a":""}}`, []string{"is not inside"}},
		{"path dot", `{"weight_map":{"a":"."}}`, []string{"is not inside"}},
		{"shard a folder", `{"weight_map":{"a":"dir"}}`, []string{"dir: not a regular file"}},
		{"shard broken", `{"weight_map":{"a":"1","w":"bad"}}`, []string{"bad: ", "too short"}},
		{"tensor twice", `{"weight_map":{"a":"1","a":"2"}}`, []string{`weight_map has "a" twice`}},
		{"map twice", `{"weight_map":{"a":"1"},"weight_map":{}}`, []string{"weight_map appears twice"}},
		{"map missing", `{"metadata":{"total_size":3}}`, []string{"weight_map is missing or empty"}},
		{"map empty", `{"weight_map":{}}`, []string{"weight_map is missing or empty"}},
		{"map of numbers", `{"weight_map":{"a":1}}`, []string{`value of "a" is not a string`}},
		{"no JSON", `{"weight_map"`, []string{"JSON ends early"}},
		{"not UTF-8", "{\"\xff\":1}", []string{"not valid UTF-8"}},
		{"empty", "", []string{"not a JSON object"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := safetensors.OpenFS(fstest.MapFS{
				safetensors.IndexFile: {Data: []byte(tt.index)},
				"1":                   u8("a"), "2": u8("b", "c"), "3": u8("b", "d"), "bad": {}, "dir/x": {},
			})
			require.Error(t, err)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// TestSymlinkedShard reads a folder as Hugging Face's cache makes them: links
// into a folder of blobs beside it.
func TestSymlinkedShard(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "snapshot"), 0o700))
	raw := build(t, `{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1)
	require.NoError(t, os.WriteFile(filepath.Join(root, "blob"), raw, 0o600))
	link := filepath.Join(root, "snapshot", "model.safetensors")
	if err := os.Symlink("../blob", link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	c, err := safetensors.OpenDir(filepath.Join(root, "snapshot"))
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, c.Names())
	require.NoError(t, c.Close())
}

func TestWriteFaults(t *testing.T) {
	ok := safetensors.Tensor{Name: "a", DType: safetensors.U8, Shape: []int64{1}, Data: []byte{1}}
	change := func(f func(*safetensors.Tensor)) []safetensors.Tensor {
		bad := ok
		f(&bad)
		return []safetensors.Tensor{bad}
	}
	for name, tensors := range map[string][]safetensors.Tensor{
		`"" cannot name`:             change(func(t *safetensors.Tensor) { t.Name = "" }),
		`"__metadata__" cannot name`: change(func(t *safetensors.Tensor) { t.Name = "__metadata__" }),
		`"\xff" cannot name`:         change(func(t *safetensors.Tensor) { t.Name = "\xff" }),
		"has no dtype":               change(func(t *safetensors.Tensor) { t.DType = 0 }),
		"overflows":                  change(func(t *safetensors.Tensor) { t.Shape = []int64{-1} }),
		"has 1 bytes, but shape [2]": change(func(t *safetensors.Tensor) { t.Shape = []int64{2} }),
		"given twice":                {ok, ok},
	} {
		var b strings.Builder
		require.ErrorContains(t, safetensors.Write(&b, tensors, nil), name)
		require.Zero(t, b.Len(), "nothing is written before the checks")
	}
	require.ErrorContains(t, safetensors.Write(&strings.Builder{}, nil, map[string]string{"k": "\xff"}), "UTF-8")
	for budget := range 3 {
		err := safetensors.Write(&failing{left: budget}, []safetensors.Tensor{ok}, nil)
		require.ErrorIs(t, err, errFull)
	}
}

var errFull = errors.New("disk full")

type failing struct{ left int }

func (f *failing) Write(b []byte) (int, error) {
	if f.left == 0 {
		return 0, errFull
	}
	f.left--
	return len(b), nil
}
