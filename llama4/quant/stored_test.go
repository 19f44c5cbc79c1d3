package quant

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func randomBytes(r *rand.Rand, n int64) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func float32Bytes(values ...float32) []byte {
	var b []byte
	for _, v := range values {
		b = appendFloat(b, F32, v)
	}
	return b
}

// requireRows reads all rows of a source in every way to cut them in two, and returns
// them.
func requireRows(t *testing.T, s Source, f Format, rows, k int64) (values, scales, offsets []byte) {
	t.Helper()
	row, scale := f.RowBytes(k)
	offset := int64(0)
	if f.Offset {
		offset = scale
	}
	for cut := range rows + 1 {
		v, sc, o := make([]byte, rows*row), make([]byte, rows*scale), make([]byte, rows*offset)
		s.Values(v[:cut*row], 0, cut)
		s.Values(v[cut*row:], cut, rows-cut)
		s.Scales(sc[:cut*scale], o[:cut*offset], 0, cut)
		s.Scales(sc[cut*scale:], o[cut*offset:], cut, rows-cut)
		if cut > 0 {
			require.Equal(t, values, v)
			require.Equal(t, scales, sc)
			require.Equal(t, offsets, o)
		}
		values, scales, offsets = v, sc, o
	}
	return values, scales, offsets
}

func TestStoredRows(t *testing.T) {
	f := Format{Type: F8, Group: 2, Scale: BF16}
	s := &Stored{
		Format: f, K: 5, Data: []byte("abcdeABCDE12345"), Stride: 5,
		Scale: Scales{Data: []byte("s0s1s2S0S1S2t0t1t2"), Type: BF16, Rows: 1, Columns: 3},
	}
	require.Equal(t, s.Data, s.Mapped())
	values, scales, _ := requireRows(t, s, f, 3, 5)
	require.Equal(t, s.Data, values)
	require.Equal(t, s.Scale.Data, scales)
	require.Equal(t, [][]byte{[]byte("ABCDE")}, s.Backing(1, 1))
	require.Equal(t, [][]byte{[]byte("ABCDE12345"), s.Scale.Data, nil}, s.Backing(1, 2))
}

// Words may be longer than the values in them.
func TestStoredWords(t *testing.T) {
	f := Format{Type: I4, Scale: F16}
	s := &Stored{
		Format: f, K: 10, Data: []byte("abcde\x00\x00\x00ABCDE\x00\x00\x00"), Stride: 8,
		Scale: Scales{Data: []byte("s0s1"), Type: F16, Rows: 1, Columns: 1},
	}
	require.Nil(t, s.Mapped())
	values, scales, _ := requireRows(t, s, f, 2, 10)
	require.Equal(t, "abcdeABCDE", string(values))
	require.Equal(t, "s0s1", string(scales))

	bytes := &Stored{Format: Format{Type: I8, Scale: F16}, K: 3, Data: []byte{0, 128, 255, 9}, Stride: 4, Unsigned: true, Scale: s.Scale}
	require.Nil(t, bytes.Mapped())
	values, _, _ = requireRows(t, bytes, bytes.Format, 1, 3)
	require.Equal(t, []byte{0x80, 0, 0x7f}, values)
}

// A stack that is stored by columns, with a scale a matrix, has more rows than a tile.
func TestStoredTransposed(t *testing.T) {
	const experts, n, k = 3, 2*transposeTile + 3, 5
	r := rand.New(rand.NewPCG(1, 2))
	f := Format{Type: F8, Scale: F32}
	s := &Stored{
		Format: f, K: k, Data: randomBytes(r, experts*n*k), Transposed: n,
		Scale: Scales{Data: float32Bytes(1, 2, 3), Type: F32, Rows: n, Columns: 1},
	}
	require.Nil(t, s.Mapped())
	values, scales, _ := requireRows(t, s, f, experts*n, k)
	for e := range experts {
		for i := range n {
			for j := range k {
				require.Equal(t, s.Data[(e*k+j)*n+i], values[(e*n+i)*k+j])
			}
			require.Equal(t, float32(e+1), Float(F32, scales[4*(e*n+i):]))
		}
	}
	require.Equal(t, [][]byte{s.Data[:n*k]}, s.Backing(5, n))
	require.Equal(t, [][]byte{s.Data[:0]}, s.Backing(5, 10))
}

// Blocks and tensors share scales among rows.
func TestStoredScales(t *testing.T) {
	block := &Stored{
		Format: Format{Type: F8, Group: 4, Scale: F32}, K: 6, Data: make([]byte, 30), Stride: 6,
		Scale: Scales{Data: float32Bytes(1, 2, 3, 4), Type: F32, Rows: 3, Columns: 2},
	}
	_, scales, _ := requireRows(t, block, block.Format, 5, 6)
	require.Equal(t, float32Bytes(1, 2, 1, 2, 1, 2, 3, 4, 3, 4), scales)
	repeated := &Stored{
		Format: Format{Type: I4, Group: 4, Scale: F32}, K: 10, Data: make([]byte, 10), Stride: 5,
		Scale: Scales{Data: float32Bytes(1, 1, 2, 2, 3, 4, 4, 5, 5, 6), Type: F32, Rows: 1, Columns: 5, Repeat: 2},
	}
	_, scales, _ = requireRows(t, repeated, repeated.Format, 2, 10)
	require.Equal(t, float32Bytes(1, 2, 3, 4, 5, 6), scales)
	tensor := &Stored{
		Format: Format{Type: F8, Scale: F32}, K: 6, Data: make([]byte, 30), Stride: 6,
		Scale: Scales{Data: float32Bytes(7), Type: F32, Rows: 5, Columns: 1},
	}
	_, scales, _ = requireRows(t, tensor, tensor.Format, 5, 6)
	require.Equal(t, float32Bytes(7, 7, 7, 7, 7), scales)
}

// Zero points become offsets of fp32, whichever way they are stored.
func TestStoredZeros(t *testing.T) {
	const n, groups = 11, 3
	r := rand.New(rand.NewPCG(3, 4))
	zeros := make([]int8, n*groups)
	for i := range zeros {
		zeros[i] = int8(r.IntN(16) - 8)
	}
	for _, bits := range []int64{0, 4, 8} {
		var data []byte
		if bits == 0 {
			for _, z := range zeros {
				data = append(data, byte(z))
			}
		} else {
			perWord := 32 / bits
			words := make([]uint32, (n+perWord-1)/perWord*groups)
			for i, z := range zeros {
				row, group := int64(i/groups), int64(i%groups)
				words[row/perWord*groups+group] |= uint32(int64(z)+1<<(bits-1)) << (row % perWord * bits)
			}
			for _, w := range words {
				data = binary.LittleEndian.AppendUint32(data, w)
			}
		}
		var stored []byte
		for i := range n * groups {
			stored = appendFloat(stored, BF16, float32(i+1)/4)
		}
		f := Format{Type: I4, Group: 2, Scale: F32, Offset: true}
		s := &Stored{
			Format: f, K: 6, Data: make([]byte, n*4), Stride: 4,
			Scale: Scales{Data: stored, Type: BF16, Rows: 1, Columns: groups}, Zero: Zeros{data, groups, bits},
		}
		_, scales, offsets := requireRows(t, s, f, n, 6)
		for i, z := range zeros {
			scale := float32(i+1) / 4
			require.Equal(t, scale, Float(F32, scales[4*i:]))
			require.Equal(t, -scale*float32(z), Float(F32, offsets[4*i:]), "%d bits, %d", bits, i)
			require.False(t, z == 0 && math.Signbit(float64(Float(F32, offsets[4*i:]))))
		}
	}
}

// Pieces follow each other, also parts of one source.
func TestConcat(t *testing.T) {
	f := Format{Type: F8, Scale: F32}
	source := func(name byte, rows int) *Stored {
		s := &Stored{Format: f, K: 2, Stride: 2, Scale: Scales{Type: F32, Rows: 1, Columns: 1}}
		for i := range rows {
			s.Data = append(s.Data, name, byte('0'+i))
			s.Scale.Data = append(s.Scale.Data, float32Bytes(float32(i))...)
		}
		return s
	}
	gate, up := source('g', 4), source('u', 4)
	c := Concat{{gate, 0, 2}, {up, 0, 2}, {gate, 2, 2}, {up, 2, 1}}
	values, scales, _ := requireRows(t, c, f, 7, 2)
	require.Equal(t, "g0g1u0u1g2g3u2", string(values))
	require.Equal(t, float32Bytes(0, 1, 0, 1, 2, 3, 2), scales)
	require.Equal(t, [][]byte{[]byte("g1"), []byte("u0u1")}, c.Backing(1, 3))
}
