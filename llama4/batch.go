package llama4

import (
	"fmt"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/sample"
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
	decode          bool       // a step of a kind that is recorded as a graph
	work            *workspace // where its activations are
	ids             bindings.Tensor
	patches         bindings.Tensor // [any, H]: rows for the ids past the vocabulary; absent if there are none
	chunked, global tables
	rows            bindings.Tensor // i32: the rows whose logits are wanted, possibly none
	sampling        *sampling       // nil unless the device chooses tokens
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

// newBatch reserves the cache and describes the steps to the device: what they
// are, which rows of logits they want, and how these choose tokens, if they do.
func (m *Model) newBatch(steps []Step, rows []int32, draws []sample.Draw) (*batch, error) {
	b := &batch{work: &m.work, decode: m.decodes(steps, rows, draws)}
	if b.decode {
		b.work = &m.decode
	}
	b.Sequences = len(steps)
	var ids []int32
	var patches patchRows
	seqStart, past := []int32{0}, []int32{}
	for _, step := range steps {
		if err := step.Sequence.reserve(len(step.Tokens)); err != nil {
			return nil, err
		}
		ids = append(ids, step.Tokens...)
		patches.take(step.Sequence, ids[len(ids)-len(step.Tokens):], m.config.ImagePatch, int32(m.config.Vocab))
		seqStart = append(seqStart, int32(len(ids)))
		past = append(past, int32(step.Sequence.length))
		b.MaxNew = max(b.MaxNew, len(step.Tokens))
		b.MaxContext = max(b.MaxContext, step.Sequence.length+len(step.Tokens))
	}
	b.Tokens = len(ids)
	if b.decode {
		b.MaxContext = roundContext(b.MaxContext, m.options.Context)
	}
	u := upload{values: m.upload[:0]}
	parts := struct{ ids, seqStart, past, rows part }{
		u.int32s(ids), u.int32s(seqStart), u.int32s(past), u.int32s(rows),
	}
	chunked := u.tables(b, steps, m.cache.chunked, func(q *Sequence) *pages { return &q.chunked })
	global := u.tables(b, steps, m.cache.global, func(q *Sequence) *pages { return &q.global })
	var choice samplingParts
	if draws != nil {
		choice = u.draws(draws)
	}
	m.upload = u.values
	buffer, err := u.send(b.work, "batch")
	if err != nil {
		return nil, err
	}
	b.ids, b.rows = parts.ids.in(buffer, bindings.I32), parts.rows.in(buffer, bindings.I32)
	b.SeqStart, b.Past = parts.seqStart.in(buffer, bindings.I32), parts.past.in(buffer, bindings.I32)
	b.chunked, b.global = chunked.in(buffer), global.in(buffer)
	if draws != nil {
		b.sampling = choice.in(buffer, b.work.tensor("chosen", bindings.I32, int64(len(draws))))
	}
	if b.patches, err = patches.table(b.work, m.act, int64(m.config.Hidden)); err != nil {
		return nil, err
	}
	return b, b.work.take()
}

// decodes says whether the steps are of a kind that is recorded: a token and a row
// of logits each, without visits between blocks of rows.
func (m *Model) decodes(steps []Step, rows []int32, draws []sample.Draw) bool {
	if m.graphs == nil || len(rows) != len(steps) || draws == nil && len(rows) > logitsRows {
		return false
	}
	for _, step := range steps {
		// A patch is copied to where the step looks for it, which is not recorded.
		patch := step.Tokens[0] == m.config.ImagePatch && len(step.Sequence.pending) > 0
		if len(step.Tokens) != 1 || step.Logits == NoRows || patch {
			return false
		}
	}
	return true
}

// tableParts are the parts of an upload that become tables.
type tableParts struct {
	pages, first part
	columns      int
}

func (t tableParts) in(b *bindings.Buffer) tables {
	return tables{
		pages: t.pages.in(b, bindings.I32, int64(t.first.n), int64(t.columns)),
		first: t.first.in(b, bindings.I32),
	}
}

// tables lays the sequences' page tables side by side, padded with -1 to the
// longest, or in a decode step to the longest that its bound allows.
func (u *upload) tables(b *batch, steps []Step, pool *pagePool, of func(*Sequence) *pages) tableParts {
	t := tableParts{columns: 1}
	if b.decode {
		t.columns = pool.columns(b.MaxContext)
	}
	for _, step := range steps {
		t.columns = max(t.columns, len(of(step.Sequence).table))
	}
	var table, first []int32
	t.first, first = u.begin(len(steps))
	for i, step := range steps {
		first[i] = int32(of(step.Sequence).first)
	}
	t.pages, table = u.begin(len(steps) * t.columns)
	for i, step := range steps {
		row := table[i*t.columns : (i+1)*t.columns]
		for j := copy(row, of(step.Sequence).table); j < t.columns; j++ {
			row[j] = -1
		}
	}
	return t
}
