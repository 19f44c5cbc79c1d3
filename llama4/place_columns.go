package llama4

import (
	"encoding/binary"

	"github.com/llama4go/llama4go/bindings"
)

// columns places the BF16 rows of a stack as the columns of its matrices, [E, K, N],
// which is how experts are stored together: so they give the same bits as those.
func (p *placement) columns(l *Linear) bindings.Weight {
	experts, n, k := l.Shape[0], l.Shape[1], l.Shape[2]
	w := bindings.Weight{Data: p.room(bindings.BF16, experts, k, n), Layout: bindings.LayoutKN}
	advance := p.advance(l)
	bytes := 2 * k * n
	var staging []byte
	for e := int64(0); e < experts && p.err == nil; e++ {
		matrix := staging
		if p.visible {
			matrix = w.Data.Buffer.Host()[e*bytes : (e+1)*bytes]
		} else if staging == nil {
			staging = make([]byte, bytes)
			matrix = staging
		}
		parallel(p.model.options.Threads, n, func(from, until int64) { l.transpose(matrix, e*n, from, until) })
		if !p.visible {
			p.err = p.model.stream.WriteBytes(w.Data.Buffer, e*bytes, matrix)
		}
		if p.err == nil {
			p.err = p.ctx.Err()
		}
		advance(e*n, n)
	}
	return w
}

// transpose makes rows of BF16 the columns from to until-1 of a matrix whose first row
// in the stack is first, a cache line of them at a time.
func (l *Linear) transpose(matrix []byte, first, from, until int64) {
	const line = 32
	n, k := l.Shape[1], l.Shape[2]
	rows := make([]byte, line*2*k)
	for ; from < until; from += line {
		count := min(line, until-from)
		l.Source.Values(rows[:count*2*k], first+from, count)
		for i := range k {
			to := matrix[2*(i*n+from):]
			for j := range count {
				binary.LittleEndian.PutUint16(to[2*j:], binary.LittleEndian.Uint16(rows[2*(j*k+i):]))
			}
		}
	}
}
