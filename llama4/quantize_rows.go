package llama4

import (
	"encoding/binary"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/quant"
)

// quantizerDevice is the CPU, which quantizes.
type quantizerDevice struct {
	device *bindings.Device
	stream *bindings.Stream
	// x, values and scales are kept from matrix to matrix.
	x, values, scales scratch
}

func (d *quantizerDevice) open(threads int) (err error) {
	if d.device, err = bindings.Open("cpu", &bindings.Options{Threads: threads}); err != nil {
		return err
	}
	d.stream, err = d.device.NewStream()
	return err
}

func (d *quantizerDevice) close() {
	for _, s := range []*scratch{&d.x, &d.values, &d.scales} {
		s.close()
	}
	if d.stream != nil {
		_ = d.stream.Close()
	}
	if d.device != nil {
		_ = d.device.Close()
	}
}

// rowsVisitor is given the values and scales of rows from first on; both are gone when
// it returns.
type rowsVisitor func(first int64, values, scales []byte) error

// make calls visit with all rows of the matrix in order, and gives back the memory that
// they were read from.
func (m *quantizedMatrix) make(visit rowsVisitor) error {
	l := m.linear
	if l.Source == nil && len(l.Shape) == 3 {
		expert := l.Plain.Data[m.index*2*m.n*m.k : (m.index+1)*2*m.n*m.k]
		defer m.checkpoint.Unload(expert)
		if !m.scheme.Quantized() {
			return m.transposed(expert, visit)
		}
		return m.quantized(expert, bindings.LayoutKN, 0, m.n, visit)
	}
	step := max(1, pieceBytes/(2*m.k))
	staging, err := m.x.tensor(m.device, bindings.BF16, step, m.k)
	if err != nil {
		return err
	}
	for first := int64(0); first < m.n; first += step {
		n := min(step, m.n-first)
		x, unload := m.source(staging.Buffer.Host(), first, n)
		if m.scheme.Quantized() {
			err = m.quantized(x, bindings.LayoutNK, first, n, visit)
		} else {
			err = visit(first, x, nil)
		}
		if err != nil {
			return err
		}
		for _, data := range unload {
			m.checkpoint.Unload(data)
		}
	}
	return nil
}

// source returns rows in BF16, and what need not stay in memory after them.
func (m *quantizedMatrix) source(room []byte, first, n int64) (x []byte, unload [][]byte) {
	l := m.linear
	if l.Source == nil {
		x = l.Plain.Data[first*2*m.k : (first+n)*2*m.k]
		return x, [][]byte{x}
	}
	x = room[:n*2*m.k]
	parallel(m.options.Threads, n, func(from, until int64) {
		l.Source.Values(x[from*2*m.k:until*2*m.k], m.index*m.n+first+from, until-from)
	})
	if b, ok := l.Source.(quant.Backed); ok {
		unload = b.Backing(m.index*m.n+first, n)
	}
	return x, unload
}

// quantized visits n rows, which x has as [n, k] or [k, n].
func (m *quantizedMatrix) quantized(x []byte, layout bindings.Layout, first, n int64, visit rowsVisitor) error {
	b, err := m.device.WrapHost(x)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	args := bindings.QuantizeArgs{X: bindings.Weight{Data: b.Tensor(bindings.BF16, n, m.k), Layout: layout}}
	if layout == bindings.LayoutKN {
		args.X.Data = b.Tensor(bindings.BF16, m.k, n)
	}
	args.Out = schemeWeight(&m.scheme, m.k)
	out := &args.Out
	if out.Data, err = m.values.tensor(m.device, deviceTypes[m.scheme.Type], n, m.k); err != nil {
		return err
	}
	if out.Scale, err = m.scales.tensor(m.device, deviceTypes[m.scheme.Scale], n, m.scheme.Groups(m.k)); err != nil {
		return err
	}
	if err := m.stream.Quantize(&args); err != nil {
		return err
	}
	if err := m.stream.Synchronize(); err != nil {
		return err
	}
	return visit(first, out.Data.Buffer.Host()[:out.Data.Bytes()], out.Scale.Buffer.Host()[:out.Scale.Bytes()])
}

// transposed visits the rows of a BF16 matrix that is stored [k, n].
func (m *quantizedMatrix) transposed(stored []byte, visit rowsVisitor) error {
	step := max(1, pieceBytes/(2*m.k))
	room, err := m.x.tensor(m.device, bindings.BF16, step, m.k)
	if err != nil {
		return err
	}
	for first := int64(0); first < m.n; first += step {
		n := min(step, m.n-first)
		rows := room.Buffer.Host()[:n*2*m.k]
		parallel(m.options.Threads, n, func(from, until int64) {
			transpose(rows[from*2*m.k:until*2*m.k], stored[2*(first+from):], m.k, m.n)
		})
		if err := visit(first, rows, nil); err != nil {
			return err
		}
	}
	return nil
}

// transpose makes rows of k BF16 values of the first columns of a matrix whose rows have
// n, a cache line of them at a time.
func transpose(rows, stored []byte, k, n int64) {
	const line = 32
	for count := int64(len(rows)) / (2 * k); count > 0; count -= line {
		part := min(count, line)
		for i := range k {
			column := stored[2*i*n : 2*(i*n+part)]
			for j := range part {
				binary.LittleEndian.PutUint16(rows[2*(j*k+i):], binary.LittleEndian.Uint16(column[2*j:]))
			}
		}
		rows = rows[2*part*k:]
		stored = stored[min(2*part, int64(len(stored))):]
	}
}
