package llama4

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/llama4go/llama4go/bindings"
)

// features is what the vision tower made of a picture, on the device. It is kept
// by the cache and by every sequence that has yet to read some of it; the model's
// lock guards it.
type features struct {
	rows   bindings.Tensor // [patches, hidden]
	owners int
}

func (f *features) release() {
	if f.owners--; f.owners == 0 {
		_ = f.rows.Buffer.Close()
	}
}

// pendingImage is a picture of which a sequence has not read all patches.
type pendingImage struct {
	features *features
	next     int // the first patch that was not read
}

// AddImages encodes pictures, all together, and puts them after those that the
// sequence has yet to see: of the tokens appended to it from now on, those that
// are Config.ImagePatch become their patches, in order. What was encoded before
// and is still kept ([Options.ImageCacheBytes]) is not encoded again. The number of
// tiles that were is returned.
func (q *Sequence) AddImages(ctx context.Context, pictures ...*Image) (encoded int, err error) {
	q.model.mu.Lock()
	defer q.model.mu.Unlock()
	return q.addImages(ctx, pictures)
}

// setImages makes pictures, without their first patches, those that the sequence
// has yet to see, and otherwise does what AddImages does.
func (q *Sequence) setImages(ctx context.Context, pictures []*Image, patches int) (encoded int, err error) {
	q.model.mu.Lock()
	defer q.model.mu.Unlock()
	q.dropImages()
	if encoded, err = q.addImages(ctx, pictures); err == nil {
		q.readPatches(patches)
	}
	return encoded, err
}

func (q *Sequence) addImages(ctx context.Context, pictures []*Image) (encoded int, err error) {
	m := q.model
	switch {
	case m.closed:
		return 0, fmt.Errorf("the model: %w", ErrClosed)
	case q.closed:
		return 0, fmt.Errorf("the sequence: %w", ErrClosed)
	case m.images.err != nil && len(pictures) > 0:
		return 0, m.images.err
	case slices.Contains(pictures, nil):
		return 0, errors.New("an image is nil")
	}
	found, encoded, err := m.encode(ctx, pictures)
	if err != nil {
		return 0, err
	}
	for _, f := range found {
		q.pending = append(q.pending, pendingImage{features: f})
	}
	return encoded, nil
}

// patchesBefore returns how many of the pictures the first n patches are, and how
// many patches of the next one.
func (m *Model) patchesBefore(pictures []*Image, n int) (whole, rest int) {
	for _, p := range pictures {
		patches := m.patchesOf(p)
		if n < patches {
			break
		}
		n -= patches
		whole++
	}
	if whole == len(pictures) {
		n = 0 // tokens like any other
	}
	return whole, n
}

// readPatches drops the first n patches that the sequence has yet to see.
func (q *Sequence) readPatches(n int) {
	for n > 0 && len(q.pending) > 0 {
		first := &q.pending[0]
		left := int(first.features.rows.Dim(0)) - first.next
		if n < left {
			first.next += n
			return
		}
		n -= left
		first.features.release()
		q.pending = q.pending[1:]
	}
}

// dropImages drops the pictures that the sequence has yet to see.
func (q *Sequence) dropImages() {
	for _, p := range q.pending {
		p.features.release()
	}
	q.pending = nil
}

// encode returns the features of pictures, each with one more owner, and how many
// tiles were encoded for that.
func (m *Model) encode(ctx context.Context, pictures []*Image) (found []*features, encoded int, err error) {
	made := map[imageKey]*features{} // by this call; nil: to be made
	var missing []*Image
	for _, p := range pictures {
		if _, ok := made[p.key]; ok {
			continue
		}
		if f, ok := m.features.get(p.key); ok {
			made[p.key] = f
			continue
		}
		made[p.key] = nil
		missing = append(missing, p)
	}
	if len(missing) > 0 {
		if err := m.encodeMissing(ctx, missing, made); err != nil {
			return nil, 0, err
		}
	}
	for _, p := range pictures {
		f := made[p.key]
		f.owners++
		found = append(found, f)
	}
	for _, p := range missing {
		f := made[p.key]
		encoded += p.Tiles.Count()
		f.owners++
		m.features.add(p.key, f, f.rows.Bytes())
	}
	return found, encoded, nil
}

// encodeMissing runs the vision tower over the tiles of all pictures.
func (m *Model) encodeMissing(ctx context.Context, pictures []*Image, made map[imageKey]*features) (err error) {
	defer func() {
		if err != nil {
			for _, p := range pictures {
				if f := made[p.key]; f != nil {
					_ = f.rows.Buffer.Close()
				}
			}
		}
	}()
	hidden := int64(m.config.Hidden)
	var parts []tilePart
	for _, p := range pictures {
		b, err := m.device.NewBuffer(int64(m.patchesOf(p)) * hidden * m.act.Size())
		if err != nil {
			return err
		}
		f := &features{rows: b.Tensor(m.act, int64(m.patchesOf(p)), hidden)}
		made[p.key] = f
		parts = append(parts, tileParts(p.Tiles, f.rows)...)
	}
	return m.encodeTiles(ctx, parts)
}

// patchRows describes the patches that a pass puts in the place of tokens: rows of
// one table, copied together from the pictures' own.
type patchRows struct {
	from []bindings.Tensor
	n    int
}

// take replaces the patch tokens of a step by numbers of rows, counted from the
// end of the vocabulary on, as the operation embed has them. The sequence itself
// is not changed.
func (r *patchRows) take(q *Sequence, ids []int32, patch, vocab int32) {
	at, next := 0, 0
	if len(q.pending) > 0 {
		next = q.pending[0].next
	}
	from := next
	flush := func() {
		if next > from {
			r.from = append(r.from, q.pending[at].features.rows.Rows(int64(from), int64(next)))
		}
	}
	for i, id := range ids {
		if id != patch || at == len(q.pending) {
			continue
		}
		ids[i] = vocab + int32(r.n)
		r.n++
		next++
		if int64(next) == q.pending[at].features.rows.Dim(0) {
			flush()
			at, from, next = at+1, 0, 0
		}
	}
	flush()
}

// table puts the copies on the stream and returns the table, absent if there are
// no patches.
func (r *patchRows) table(w *workspace, dtype bindings.DType, hidden int64) (bindings.Tensor, error) {
	if r.n == 0 {
		return bindings.Tensor{}, nil
	}
	table := w.tensor("patches", dtype, int64(r.n), hidden)
	if err := w.take(); err != nil {
		return table, err
	}
	at := int64(0)
	for _, from := range r.from {
		to := table.Rows(at, at+from.Dim(0))
		if err := w.stream.Copy(to, from); err != nil {
			return table, err
		}
		at += from.Dim(0)
	}
	return table, nil
}
