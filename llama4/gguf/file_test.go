package gguf_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/gguf"
)

func TestOpen(t *testing.T) {
	f := open(t, "testdata/types.gguf")
	require.Equal(t, 3, f.Version())
	require.Equal(t, "testdata/types.gguf", f.Name())
	require.Len(t, f.Tensors(), 2*len(types)+2)

	stack := tensor(t, f, "stack")
	require.Equal(t, []int64{2, 3, 4}, stack.Shape)
	require.Equal(t, int64(6), stack.Rows())
	require.Equal(t, []float32{20, 21, 22, 23}, exact(t, stack)[20:])
	row := tensor(t, f, "row")
	require.Equal(t, int64(1), row.Rows())
	require.Equal(t, int64(5), row.Columns())
	_, ok := f.Tensor("none")
	require.False(t, ok)

	var total int64
	for _, x := range f.Tensors() {
		total += int64(len(x.Data))
	}
	require.Equal(t, total, f.Bytes())
	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
}

func TestValues(t *testing.T) {
	f := open(t, "testdata/types.gguf")
	value := func(key string) gguf.Value {
		v, ok := f.Value(key)
		require.True(t, ok, key)
		return v
	}
	for key, want := range map[string]int64{
		"uint8": 200, "int8": -100, "uint16": 60000, "int16": -30000, "uint32": 4000000000, "int32": -2000000000,
		"uint64": 1 << 62, "int64": -(1 << 62),
	} {
		got, ok := value("one." + key).Int()
		require.True(t, ok, key)
		require.Equal(t, want, got, key)
		require.Equal(t, fmt.Sprint(want), value("one."+key).String())
	}
	for key, want := range map[string]float64{"float32": 0.5, "float64": 0.1, "uint8": 200} {
		got, ok := value("one." + key).Float()
		require.True(t, ok, key)
		require.Equal(t, want, got, key)
	}
	for key, want := range map[string]string{"string": "Grüße"} {
		got, ok := value("one." + key).Text()
		require.True(t, ok, key)
		require.Equal(t, want, got, key)
	}
	yes, ok := value("one.bool").Bool()
	require.True(t, ok)
	require.True(t, yes)
	texts, ok := value("list.string").Strings()
	require.True(t, ok)
	require.Equal(t, []string{"a", "", "ß"}, texts)
	ints, ok := value("list.int32").Ints()
	require.True(t, ok)
	require.Equal(t, []int64{1, -2, 3}, ints)
	require.Equal(t, 3, value("list.int32").Len())
	require.Equal(t, "a list of 3", value("list.int32").String())

	// A value is of its own type only; none is of none.
	for _, v := range []gguf.Value{{}, value("list.string"), value("list.int32"), value("one.bool")} {
		_, ok := v.Text()
		require.False(t, ok)
		_, ok = v.Int()
		require.False(t, ok)
		_, ok = v.Float()
		require.False(t, ok)
	}
	_, ok = value("one.string").Strings()
	require.False(t, ok)
	_, ok = value("list.string").Ints()
	require.False(t, ok)
	_, ok = value("one.uint8").Bool()
	require.False(t, ok)
}

func TestKeys(t *testing.T) {
	f := open(t, "testdata/types.gguf")
	k := f.Keys("one.")
	require.Equal(t, 200, k.RequiredInt("uint8"))
	require.Equal(t, 7, k.Int("none", 7))
	require.Equal(t, 0.5, k.RequiredFloat("float32"))
	require.Equal(t, 2.0, k.Float("none", 2))
	require.Equal(t, "Grüße", k.Text("string", ""))
	require.Equal(t, "x", k.Text("none", "x"))
	require.True(t, k.Has("bool"))
	require.False(t, k.Has("none"))
	require.Equal(t, []int64{1, -2, 3}, f.Keys("list.").RequiredInts("int32"))
	require.Len(t, f.Keys("list.").RequiredStrings("string"), 3)
	require.NoError(t, k.Err())

	for want, read := range map[string]func(*gguf.Keys){
		"one.none is missing, want a whole number":              func(k *gguf.Keys) { k.RequiredInt("none") },
		`one.string is "Grüße", want a whole number`:            func(k *gguf.Keys) { k.Int("string", 1) },
		"one.uint32 is 4000000000, want a whole number":         func(k *gguf.Keys) { k.Int("uint32", 1) },
		"one.none is missing, want a number":                    func(k *gguf.Keys) { k.RequiredFloat("none") },
		"one.bool is true, want a string":                       func(k *gguf.Keys) { k.Text("bool", "") },
		"one.float32 is 0.5, want a list of strings":            func(k *gguf.Keys) { k.RequiredStrings("float32") },
		"one.float64 is 0.1, want a whole number":               func(k *gguf.Keys) { k.RequiredInt("float64"); k.RequiredInt("none") },
		"one.string is \"Grüße\", want a list of whole numbers": func(k *gguf.Keys) { k.RequiredInts("string") },
		"one.thing is odd":                                      func(k *gguf.Keys) { k.Fail("thing", "is %s", "odd") },
	} {
		k := f.Keys("one.")
		read(k)
		require.EqualError(t, k.Err(), want)
	}
}

func TestSplit(t *testing.T) {
	f := open(t, "testdata/split-00001-of-00003.gguf")
	require.Len(t, f.Tensors(), 5)
	for i, x := range f.Tensors() {
		require.Equal(t, fmt.Sprintf("t%d", i), x.Name)
		require.Equal(t, float32(i), exact(t, x)[0])
	}

	_, err := gguf.Open("testdata/split-00002-of-00003.gguf")
	require.EqualError(t, err, "testdata/split-00002-of-00003.gguf: part 2 of a model in 3; open the first, split-00001-of-00003.gguf")

	dir := t.TempDir()
	part := func(n int) []byte {
		data, err := os.ReadFile(fmt.Sprintf("testdata/split-%05d-of-00003.gguf", n))
		require.NoError(t, err)
		return data
	}
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		return path
	}
	_, err = gguf.Open(write("renamed.gguf", part(1)))
	require.ErrorContains(t, err, "its name must end in -00001-of-00003.gguf")
	first := write("m-00001-of-00003.gguf", part(1))
	_, err = gguf.Open(first)
	require.ErrorIs(t, err, os.ErrNotExist)
	write("m-00002-of-00003.gguf", part(3))
	_, err = gguf.Open(first)
	require.ErrorContains(t, err, "m-00002-of-00003.gguf: part 3 of 3, want part 2 of 3")
	write("m-00002-of-00003.gguf", part(2))
	write("m-00003-of-00003.gguf", bytes.ReplaceAll(part(3), []byte("t4"), []byte("t3")))
	_, err = gguf.Open(first)
	require.ErrorContains(t, err, `tensor "t3": is in two parts`)
	_, err = gguf.Parse("part", part(1))
	require.EqualError(t, err, "part: a part of a split model")
}

// TestUnload gives memory back, and reads the same afterwards.
func TestUnload(t *testing.T) {
	f := open(t, "testdata/split-00001-of-00003.gguf")
	for i, x := range f.Tensors() {
		f.Unload(x.Data)
		require.Equal(t, float32(i), exact(t, x)[63])
	}
	f.Unload(nil)
	f.Unload(make([]byte, 5))
}

func TestOpenFaults(t *testing.T) {
	dir := t.TempDir()
	_, err := gguf.Open(dir)
	require.ErrorContains(t, err, "not a regular file")
	_, err = gguf.Open(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	empty := filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	_, err = gguf.Open(empty)
	require.ErrorContains(t, err, "not a GGUF file")
}

// raw makes a file of numbers, strings with their length before them, and bytes.
func raw(fields ...any) []byte {
	var b bytes.Buffer
	for _, f := range fields {
		switch f := f.(type) {
		case string:
			_ = binary.Write(&b, binary.LittleEndian, uint64(len(f)))
			b.WriteString(f)
		default:
			_ = binary.Write(&b, binary.LittleEndian, f)
		}
	}
	return b.Bytes()
}

// header begins a file.
func header(tensors, values uint64) []byte {
	return raw([]byte("GGUF"), uint32(3), tensors, values)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestParseFaults(t *testing.T) {
	u32, u64 := func(n uint32) uint32 { return n }, func(n uint64) uint64 { return n }
	// info describes a tensor of one dimension.
	info := func(name string, n uint64, typ uint32, offset uint64) []byte {
		return raw(name, u32(1), n, typ, offset)
	}
	data := make([]byte, 256)
	alignment := func(v ...any) []byte { return raw(append([]any{"general.alignment"}, v...)...) }
	for want, file := range map[string][]byte{
		`not a GGUF file: it does not begin with "GGUF"`:                                                              []byte("GGML....................."),
		"version 1 is not supported, only 2 and 3":                                                                    raw([]byte("GGUF"), u32(1), u64(0), u64(0)),
		"version 4 is not supported, only 2 and 3":                                                                    raw([]byte("GGUF"), u32(4), u64(0), u64(0)),
		"a big-endian file, which is not supported":                                                                   raw([]byte("GGUF"), u32(3<<24), u64(0), u64(0)),
		"the version: 4 bytes at 4 of a file of 6; is it cut off?":                                                    raw([]byte("GGUF"), uint16(3)),
		"the number of tensors is 18446744073709551615, but the file has room for 0":                                  header(1<<64-1, 0),
		"the number of metadata values is 4611686018427387904, but the file has room for 0":                           header(0, 1<<62),
		"a metadata key: 18446744073709551615 bytes at 32 of a file of 52; is it cut off?":                            join(header(0, 1), raw(u64(1<<64-1)), make([]byte, 20)),
		`metadata "k": unknown type 13`:                                                                               join(header(0, 1), raw("k", u32(13), u64(0))),
		`metadata "k": a list of type 9 is not supported`:                                                             join(header(0, 1), raw("k", u32(9), u32(9), u64(1), u32(9))),
		`metadata "k" is 2305843009213693952, but the file has room for 2`:                                            join(header(0, 1), raw("k", u32(9), u32(10), u64(1<<61), make([]byte, 16))),
		`metadata "k": 255 bytes at 57 of a file of 61; is it cut off?`:                                               join(header(0, 1), raw("k", u32(9), u32(8), u64(1), u64(255), u32(0))),
		`metadata "k" is there twice`:                                                                                 join(header(0, 2), raw("k", u32(0), uint8(1), "k", u32(0), uint8(1))),
		`tensor "t" is there twice`:                                                                                   join(header(2, 0), info("t", 1, 0, 0), info("t", 1, 0, 32), data),
		`tensor "t" has 5 dimensions, want at most 4`:                                                                 join(header(1, 0), raw("t", u32(5), make([]byte, 64)), data),
		`tensor "t" has an impossible shape`:                                                                          join(header(1, 0), info("t", 1<<63, 0, 0), data),
		`tensor "t": impossible shape [0]`:                                                                            join(header(1, 0), info("t", 0, 0, 0), data),
		`tensor "t": impossible shape [1152921504606846976]`:                                                          join(header(1, 0), info("t", 1<<60, 0, 0), data),
		`tensor "t": impossible shape [4294967296 4294967296]`:                                                        join(header(1, 0), raw("t", u32(2), u64(1<<32), u64(1<<32), u32(0), u64(0)), data),
		`tensor "t": IQ4_XS is not supported, only F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, BF16`:    join(header(1, 0), info("t", 1, 23, 0), data),
		`tensor "t": type 9999 is not supported, only F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, BF16`: join(header(1, 0), info("t", 1, 9999, 0), data),
		`tensor "t": shape [33]: a row is not made of whole blocks of 32, as Q8_0 has them`:                           join(header(1, 0), info("t", 33, 8, 0), data),
		`tensor "t": begins at 32 of the data, want 0, after the tensor before it`:                                    join(header(1, 0), info("t", 1, 0, 32), data),
		`tensor "t": has 4096 bytes at 0, but the file has 246 bytes of data; is it cut off?`:                         join(header(1, 0), info("t", 1024, 0, 0), data[:256-3]),
		`no tensor data after a header of 57 bytes; is the file cut off?`:                                             join(header(1, 0), info("t", 1, 0, 0)),
		`general.alignment is 0, want a power of two up to 1048576`:                                                   join(header(0, 1), alignment(u32(4), u32(0))),
		`general.alignment is 48, want a power of two up to 1048576`:                                                  join(header(0, 1), alignment(u32(4), u32(48))),
		`general.alignment is "32", want a power of two up to 1048576`:                                                join(header(0, 1), alignment(u32(8), "32")),
		`general.alignment is 4294967295, want a power of two up to 1048576`:                                          join(header(0, 1), alignment(u32(4), u32(1<<32-1))),
	} {
		f, err := gguf.Parse("x.gguf", file)
		require.Nil(t, f, want)
		require.EqualError(t, err, "x.gguf: "+want)
		var format *gguf.FormatError
		require.ErrorAs(t, err, &format)
		require.NotContains(t, err.Error(), "\n")
	}
}

// TestVersion2 reads the older version, which differs by its number alone.
func TestVersion2(t *testing.T) {
	data, err := os.ReadFile("testdata/types.gguf")
	require.NoError(t, err)
	data[4] = 2
	f, err := gguf.Parse("v2", data)
	require.NoError(t, err)
	require.Equal(t, 2, f.Version())
	require.Len(t, f.Tensors(), 2*len(types)+2)
}

// TestTruncated cuts a file off at every length of its header and at some later.
func TestTruncated(t *testing.T) {
	data, err := os.ReadFile("testdata/types.gguf")
	require.NoError(t, err)
	for n := 0; n < len(data)-64; n += max(1, n/50) {
		_, err := gguf.Parse("cut", data[:n])
		require.Error(t, err, "%d bytes", n)
		require.Less(t, len(err.Error()), 300)
	}
}

// FuzzParse reads arbitrary bytes. What is accepted can be used.
func FuzzParse(f *testing.F) {
	data, err := os.ReadFile("testdata/split-00003-of-00003.gguf")
	require.NoError(f, err)
	f.Add(data)
	f.Add(join(header(1, 1), raw("k", uint32(9), uint32(8), uint64(1), "v"),
		raw("t", uint32(2), uint64(32), uint64(2), uint32(2), uint64(0)), make([]byte, 99)))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := gguf.Parse("fuzz", data)
		if err != nil {
			require.False(t, strings.ContainsAny(err.Error(), "\n\r"))
			return
		}
		for _, x := range file.Tensors() {
			unpack(t, x, x.Type.Format(), 0, x.Rows())
		}
		for _, key := range []string{"k", "list.string", "one.string", "split.count"} {
			v, _ := file.Value(key)
			_, _ = v.Strings()
			_, _ = v.Ints()
			_ = v.String()
		}
	})
}
