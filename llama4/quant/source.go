package quant

// Source is where the rows of a matrix come from, laid out as a [Format] says and
// without padding between them. The rows of a stack are counted through: row n of
// matrix e is row e*N+n. A Source may be asked for several rows at a time by several
// goroutines.
type Source interface {
	// Values writes the values of rows first to first+n-1, which fill to.
	Values(to []byte, first, n int64)
	// Scales writes the scales of the rows, little-endian, and their offsets, if the
	// format has any. Of BF16 it is not called.
	Scales(scales, offsets []byte, first, n int64)
}

// Mapped is a Source whose values lie in memory already, all rows as the format has
// them.
type Mapped interface {
	Source
	// Mapped returns the values, nil if they do not lie as they should after all.
	Mapped() []byte
}

// Backed is a Source that reads memory of which only some need stay, such as a mapped
// file.
type Backed interface {
	Source
	// Backing returns memory that is not needed any more once the rows up to
	// first+n-1 are read, in order, from first on.
	Backing(first, n int64) [][]byte
}

// Piece is rows of a Source: a part of a [Concat].
type Piece struct {
	Source
	First, Rows int64
}

// Concat is the rows of several sources, one piece after the other: the experts of a
// stack that are stored one by one, or a gate with its up projection.
type Concat []Piece

// Values writes the values of rows.
func (c Concat) Values(to []byte, first, n int64) {
	if n == 0 {
		return
	}
	row := int64(len(to)) / n
	c.each(first, n, func(p Piece, first, n, at int64) { p.Values(to[at*row:(at+n)*row], first, n) })
}

// Scales writes the scales and offsets of rows.
func (c Concat) Scales(scales, offsets []byte, first, n int64) {
	if n == 0 {
		return
	}
	row, offset := int64(len(scales))/n, int64(len(offsets))/n
	c.each(first, n, func(p Piece, first, n, at int64) {
		p.Scales(scales[at*row:(at+n)*row], offsets[at*offset:(at+n)*offset], first, n)
	})
}

// Backing returns what the pieces that rows have a share in do not need any more.
func (c Concat) Backing(first, n int64) (data [][]byte) {
	c.each(first, n, func(p Piece, first, n, _ int64) {
		if b, ok := p.Source.(Backed); ok {
			data = append(data, b.Backing(first, n)...)
		}
	})
	return data
}

// each calls visit for every piece that rows first to first+n-1 have a share in,
// with the rows of the piece's source and how many rows came before.
func (c Concat) each(first, n int64, visit func(p Piece, first, n, at int64)) {
	at := int64(0)
	for _, p := range c {
		if at == n {
			return
		}
		if first >= p.Rows {
			first -= p.Rows
			continue
		}
		rows := min(p.Rows-first, n-at)
		visit(p, p.First+first, rows, at)
		at += rows
		first = 0
	}
}
