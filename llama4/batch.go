package llama4

import (
	"fmt"

	"github.com/llama4go/llama4go/bindings"
)

// Step is one sequence's part of a forward pass: the tokens to append to it, and
// of which of them the logits are wanted.
type Step struct {
	Sequence *Sequence
	Tokens   []int32
	Logits   Rows
}

// Rows says of which tokens of a [Step] the logits are wanted.
type Rows int

// The choices of Rows.
const (
	NoRows  Rows = iota // none: a piece of a prompt
	LastRow             // of the last token: generation
	AllRows             // of every token: scoring
)

// batch is a forward pass's description on the device.
type batch struct {
	bindings.Batch
	ids             bindings.Tensor
	chunked, global tables
}

// tables are the page tables of one pool.
type tables struct{ pages, first bindings.Tensor }

// with adds the tables to a layer's pages.
func (t tables) with(kv bindings.KV) bindings.KV {
	kv.PageTable, kv.FirstPage = t.pages, t.first
	return kv
}

// checkSteps refuses what would run wrong, before anything is changed.
func (m *Model) checkSteps(steps []Step) error {
	seen := map[*Sequence]bool{}
	for i, step := range steps {
		switch {
		case step.Sequence == nil || step.Sequence.model != m:
			return fmt.Errorf("step %d: its sequence is not one of this model", i)
		case seen[step.Sequence]:
			return fmt.Errorf("step %d: its sequence is in the batch twice", i)
		case len(step.Tokens) == 0:
			return fmt.Errorf("step %d: no tokens", i)
		}
		seen[step.Sequence] = true
		if err := m.checkTokens(step.Tokens); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return nil
}

func (m *Model) checkTokens(tokens []int32) error {
	for i, id := range tokens {
		if id < 0 || int(id) >= m.config.Vocab {
			return fmt.Errorf("token %d is %d: the vocabulary has %d", i, id, m.config.Vocab)
		}
	}
	return nil
}

// newBatch reserves the cache and describes the steps to the device.
func (m *Model) newBatch(steps []Step) (*batch, error) {
	b := &batch{}
	b.Sequences = len(steps)
	var ids []int32
	seqStart, past := []int32{0}, []int32{}
	for _, step := range steps {
		if err := step.Sequence.reserve(len(step.Tokens)); err != nil {
			return nil, err
		}
		ids = append(ids, step.Tokens...)
		seqStart = append(seqStart, int32(len(ids)))
		past = append(past, int32(step.Sequence.length))
		b.MaxNew = max(b.MaxNew, len(step.Tokens))
		b.MaxContext = max(b.MaxContext, step.Sequence.length+len(step.Tokens))
	}
	b.Tokens = len(ids)
	u := upload{model: m}
	b.ids = u.int32s("ids", ids)
	b.SeqStart = u.int32s("seq_start", seqStart)
	b.Past = u.int32s("past", past)
	b.chunked = u.tables("chunked", steps, func(q *Sequence) *pages { return &q.chunked })
	b.global = u.tables("global", steps, func(q *Sequence) *pages { return &q.global })
	return b, u.err
}

// upload writes small arrays to the device and keeps the first error.
type upload struct {
	model *Model
	err   error
}

func (u *upload) int32s(name string, values []int32) bindings.Tensor {
	t := u.model.work.tensor(name, bindings.I32, int64(len(values)))
	if u.err == nil {
		u.err = u.model.work.take()
	}
	if u.err == nil {
		u.err = bindings.Write(u.model.stream, t, values)
	}
	return t
}

// tables lays the sequences' page tables side by side, padded to the longest.
func (u *upload) tables(name string, steps []Step, of func(*Sequence) *pages) tables {
	columns := 1
	for _, step := range steps {
		columns = max(columns, len(of(step.Sequence).table))
	}
	table := make([]int32, len(steps)*columns)
	first := make([]int32, len(steps))
	for i, step := range steps {
		p := of(step.Sequence)
		row := table[i*columns : (i+1)*columns]
		for j := copy(row, p.table); j < columns; j++ {
			row[j] = -1
		}
		first[i] = int32(p.first)
	}
	pages := u.int32s(name+"_pages", table)
	return tables{
		pages: pages.Reshape(int64(len(steps)), int64(columns)),
		first: u.int32s(name+"_first", first),
	}
}
