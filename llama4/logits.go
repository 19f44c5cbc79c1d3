package llama4

import (
	"context"
	"errors"

	"github.com/llama4go/llama4go/bindings"
)

// logitsRows is how many rows of logits are computed at a time: at Llama 4's
// vocabulary a row takes 808 kB.
const logitsRows = 32

// Logits are a block of rows of a forward pass, one for every token whose logits
// were asked for. They are valid during the visit that receives them.
type Logits struct {
	model *Model
	first int
	rows  bindings.Tensor // f32 [rows, V]
}

// errNoVisitor is returned when logits are wanted and visit is nil.
var errNoVisitor = errors.New("logits are wanted, but there is nobody to visit them")

// eachBlock puts the logits of the batch's rows on the stream block by block, and
// for each block the choice of tokens, or the visit.
func (p *pass) eachBlock(ctx context.Context, rows int, visit func(*Logits) error) error {
	for first := 0; first < rows; first += logitsRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		l, err := p.logits(first, min(first+logitsRows, rows))
		if err != nil {
			return err
		}
		err = p.stream.Logits(&bindings.LogitsArgs{
			Compute: p.options.Compute, X: p.h, Rows: p.batch.rows.Rows(int64(first), int64(first+l.Rows())),
			Weight: p.weights.head, Out: l.rows,
		})
		if err != nil {
			return err
		}
		if s := p.batch.sampling; s != nil {
			err = s.choose(p.stream, l.rows, int64(first))
		} else {
			err = visit(l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// logits is the block of the batch's rows from first to end-1.
func (p *pass) logits(first, end int) (*Logits, error) {
	t := p.work.tensor("logits", bindings.F32, int64(end-first), int64(p.config.Vocab))
	return &Logits{model: p.Model, first: first, rows: t}, p.work.take()
}

// First returns the number of the block's first row among all rows asked for.
func (l *Logits) First() int { return l.first }

// Rows returns the number of rows in the block.
func (l *Logits) Rows() int { return int(l.rows.Dim(0)) }

// LogSoftmax turns the rows into log-probabilities, in place.
func (l *Logits) LogSoftmax() error {
	return l.model.stream.LogSoftmax(&bindings.LogSoftmaxArgs{X: l.rows, Out: l.rows})
}

// Row returns row i, one number a token of the vocabulary. On a device that
// shares the host's memory it is the device's own: do not change it.
func (l *Logits) Row(i int) ([]float32, error) {
	row := l.rows.At(int64(i))
	if row.Buffer.Host() != nil {
		if err := l.model.stream.Synchronize(); err != nil {
			return nil, err
		}
		return bindings.View[float32](row)
	}
	return bindings.ReadFloat32s(l.model.stream, row)
}

// TopK returns the k largest values of row i and their tokens, largest first,
// ties by the lowest token. It does not read the row back.
func (l *Logits) TopK(i, k int) ([]float32, []int32, error) {
	values := l.model.work.tensor("top_values", bindings.F32, 1, int64(k))
	indices := l.model.work.tensor("top_indices", bindings.I32, 1, int64(k))
	if err := l.model.work.take(); err != nil {
		return nil, nil, err
	}
	row := l.rows.Rows(int64(i), int64(i)+1)
	err := l.model.stream.TopK(&bindings.TopKArgs{X: row, Values: values, Indices: indices})
	if err != nil {
		return nil, nil, err
	}
	v, id := make([]float32, k), make([]int32, k)
	if err := bindings.Read(l.model.stream, values, v); err != nil {
		return nil, nil, err
	}
	return v, id, bindings.Read(l.model.stream, indices, id)
}
