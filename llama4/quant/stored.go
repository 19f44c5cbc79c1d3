package quant

import (
	"bytes"
	"encoding/binary"
	"math"
)

// Stored is the [Source] of a matrix, or a stack of them, as compressed-tensors and
// ModelOpt store it.
type Stored struct {
	// Format is what the rows are yielded in.
	Format Format
	// K is the number of columns.
	K int64
	// Data is the values, in rows of Stride bytes, of which the first are the format's
	// and the rest is padding.
	Data   []byte
	Stride int64
	// Unsigned says that I8 values are stored with 128 added.
	Unsigned bool
	// Transposed, if it is not 0, is the number of rows N of each matrix of a stack that
	// is stored as [K, N], in values of a byte. Stride counts nothing then.
	Transposed int64
	Scale      Scales
	// Zero are the zero points, of which an offset is -scale * zero.
	Zero Zeros
}

// Scales are the scales of a matrix as they are stored: row r, group g has number
// (r / Rows) * Columns + min(g * Repeat, Columns-1), where a Repeat of 0 is 1.
type Scales struct {
	Data    []byte
	Type    Type // F32, BF16 or F16
	Rows    int64
	Columns int64
	Repeat  int64
}

// Zeros are the zero points of groups, in Columns groups a row: bytes, or with Bits
// more than 0 words that hold those of several rows, the first lowest, with half the
// range added.
type Zeros struct {
	Data    []byte
	Columns int64
	Bits    int64
}

// Mapped returns Data if it is laid out as the format has it.
func (s *Stored) Mapped() []byte {
	if s.Unsigned || s.Transposed != 0 || s.Stride != s.Format.Type.RowBytes(s.K) {
		return nil
	}
	return s.Data
}

// Backing returns the stored values of rows, of transposed ones those of the matrices
// that end with them, and after the last row the scales and zero points.
func (s *Stored) Backing(first, n int64) [][]byte {
	from, to, size := first, first+n, s.Stride
	if s.Transposed != 0 {
		from, to, size = from/s.Transposed, to/s.Transposed, s.K*s.Transposed
	}
	data := [][]byte{s.Data[from*size : to*size]}
	if to*size == int64(len(s.Data)) {
		data = append(data, s.Scale.Data, s.Zero.Data)
	}
	return data
}

// Values writes the values of rows.
func (s *Stored) Values(to []byte, first, n int64) {
	row := s.Format.Type.RowBytes(s.K)
	if s.Transposed != 0 {
		s.transpose(to, first, n)
		return
	}
	if s.Stride == row {
		copy(to, s.Data[first*row:(first+n)*row])
	} else {
		for i := range n {
			at := (first + i) * s.Stride
			copy(to[i*row:(i+1)*row], s.Data[at:at+row])
		}
	}
	if s.Unsigned {
		for i := range to {
			to[i] ^= 0x80
		}
	}
}

// transposeTile is how many columns are read of a row before the next: a cache line.
const transposeTile = 64

// transpose writes rows of matrices that are stored by columns.
func (s *Stored) transpose(to []byte, first, n int64) {
	for done := int64(0); done < n; {
		matrix, row := (first+done)/s.Transposed, (first+done)%s.Transposed
		rows := min(n-done, s.Transposed-row, transposeTile)
		stored := s.Data[matrix*s.K*s.Transposed:]
		for k := range s.K {
			column := stored[k*s.Transposed+row:]
			for i, value := range column[:rows] {
				to[(done+int64(i))*s.K+k] = value
			}
		}
		done += rows
	}
}

// Scales writes the scales and offsets of rows.
func (s *Stored) Scales(scales, offsets []byte, first, n int64) {
	groups, size := s.Format.Groups(s.K), s.Format.Scale.RowBytes(1)
	if s.Scale.Type == s.Format.Scale && s.Scale.Rows == 1 && s.Scale.Columns == groups && s.Scale.Repeat <= 1 && !s.Format.Offset {
		copy(scales, s.Scale.Data[first*groups*size:(first+n)*groups*size])
		return
	}
	for row := first; row < first+n; row++ {
		for g := range groups {
			at := ((row-first)*groups + g) * size
			scale := s.Scale.bytes(row, g)
			if s.Scale.Type == s.Format.Scale {
				copy(scales[at:at+size], scale)
			} else {
				binary.LittleEndian.PutUint32(scales[at:], math.Float32bits(Float(s.Scale.Type, scale)))
			}
			if s.Format.Offset {
				offset := 0 - Float(s.Scale.Type, scale)*s.Zero.value(row, g)
				binary.LittleEndian.PutUint32(offsets[at:], math.Float32bits(offset))
			}
		}
	}
}

// Repeated reports whether the scales of each group are the same, as Repeat demands.
func (s *Scales) Repeated() bool {
	if s.Repeat <= 1 {
		return true
	}
	size := s.Type.RowBytes(1)
	for i := range int64(len(s.Data)) / size {
		first := i - i%s.Columns%s.Repeat
		if !bytes.Equal(s.Data[i*size:(i+1)*size], s.Data[first*size:(first+1)*size]) {
			return false
		}
	}
	return true
}

func (s *Scales) bytes(row, group int64) []byte {
	size := s.Type.RowBytes(1)
	at := (row/s.Rows*s.Columns + min(group*max(s.Repeat, 1), s.Columns-1)) * size
	return s.Data[at : at+size]
}

func (z *Zeros) value(row, group int64) float32 {
	if z.Bits == 0 {
		return float32(int8(z.Data[row*z.Columns+group]))
	}
	perWord := 32 / z.Bits
	word := binary.LittleEndian.Uint32(z.Data[(row/perWord*z.Columns+group)*4:])
	value := word >> (row % perWord * z.Bits) & (1<<z.Bits - 1)
	return float32(int64(value) - 1<<(z.Bits-1))
}
