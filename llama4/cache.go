package llama4

import (
	"errors"
	"fmt"

	"github.com/llama4go/llama4go/bindings"
)

// ErrCacheFull is returned when sequences need more of the KV cache than
// [Options.CacheTokens] allows.
var ErrCacheFull = errors.New("the KV cache is full")

// ErrContext is returned when a sequence would grow past [Options.Context].
var ErrContext = errors.New("the context is full")

func contextError(past, fresh, limit int) error {
	return fmt.Errorf("%w: %d tokens and %d new ones, %d allowed: shorten the prompt or raise Context",
		ErrContext, past, fresh, limit)
}

// cache is the paged KV cache of all sequences: a pool for the layers that
// attend within a chunk, whose pages come back when the chunk is over, and one
// for the layers that keep everything.
type cache struct {
	chunk           int
	pageSize        int
	chunked, global *pagePool
	slot            []int // of each layer, within its pool
}

func newCache(d *bindings.Device, c *Config, plan []LayerPlan, dtype bindings.DType, o *Options) *cache {
	k := &cache{chunk: c.Chunk, pageSize: o.PageSize, slot: make([]int, len(plan))}
	layers := [2]int{}
	for i, layer := range plan {
		class := 0
		if layer.Chunked {
			class = 1
		}
		k.slot[i] = layers[class]
		layers[class]++
	}
	limit := 1 + (o.CacheTokens-1)/k.pageSize
	k.global = newPagePool(d, c, dtype, layers[0], k.pageSize, limit)
	k.chunked = newPagePool(d, c, dtype, layers[1], k.pageSize, limit)
	k.chunked.chunk = c.Chunk
	return k
}

// pool returns the pool of a layer.
func (k *cache) pool(layer LayerPlan) *pagePool {
	if layer.Chunked {
		return k.chunked
	}
	return k.global
}

// bytes is the memory that the pools hold, in use or not.
func (k *cache) bytes() int64 { return k.chunked.bytes() + k.global.bytes() }

func (k *cache) close() {
	k.chunked.close()
	k.global.close()
}

// pages is one sequence's part of a pool: pages[j] holds the positions from
// (first+j)*pageSize on.
type pages struct {
	first int
	table []int32
}

// reserve makes room for positions before end.
func (t *pages) reserve(p *pagePool, s *bindings.Stream, end int) error {
	need := (end+p.pageSize-1)/p.pageSize - t.first - len(t.table)
	if need <= 0 || len(p.keys) == 0 {
		return nil
	}
	taken, err := p.take(s, need)
	if err != nil {
		return err
	}
	t.table = append(t.table, taken...)
	return nil
}

// truncate gives back what reserve took for positions from end on.
func (t *pages) truncate(p *pagePool, end int) {
	n := max((end+p.pageSize-1)/p.pageSize-t.first, 0)
	if n < len(t.table) {
		p.give(t.table[n:])
		t.table = t.table[:n:n]
	}
}

// release gives back every page whose positions all lie before position.
func (t *pages) release(p *pagePool, position int) {
	n := min(position/p.pageSize-t.first, len(t.table))
	if n <= 0 {
		return
	}
	p.give(t.table[:n])
	t.table = append([]int32(nil), t.table[n:]...)
	t.first += n
}

// Sequence is a text in progress: its tokens so far, in the KV cache of a
// [Model]. A Sequence is not safe for concurrent use; different sequences of a
// model are.
type Sequence struct {
	model           *Model
	length          int
	chunked, global pages
	pending         []pendingImage // pictures to come
	closed          bool
}

// NewSequence returns an empty sequence. Close gives its memory back.
func (m *Model) NewSequence() *Sequence { return &Sequence{model: m} }

// Len returns the number of tokens in the sequence.
func (q *Sequence) Len() int { return q.length }

// Close gives the sequence's pages back to the cache. It may be called twice.
func (q *Sequence) Close() error {
	q.model.mu.Lock()
	defer q.model.mu.Unlock()
	if q.closed {
		return nil
	}
	q.closed = true
	k := q.model.cache
	k.chunked.give(q.chunked.table)
	k.global.give(q.global.table)
	q.chunked, q.global = pages{}, pages{}
	q.dropImages()
	return nil
}

// reserve makes room for n more tokens.
func (q *Sequence) reserve(n int) error {
	m := q.model
	if q.closed {
		return fmt.Errorf("the sequence: %w", ErrClosed)
	}
	if limit := m.options.Context; q.length+n > limit {
		return contextError(q.length, n, limit)
	}
	if err := q.chunked.reserve(m.cache.chunked, m.stream, q.length+n); err != nil {
		return err
	}
	return q.global.reserve(m.cache.global, m.stream, q.length+n)
}

// cancel undoes reserve after a pass that failed.
func (q *Sequence) cancel() {
	if !q.closed {
		q.chunked.truncate(q.model.cache.chunked, q.length)
		q.global.truncate(q.model.cache.global, q.length)
	}
}

// releaseChunks gives back what chunked layers hold before the chunk of the next
// token: no later token sees it.
func (q *Sequence) releaseChunks() {
	k := q.model.cache
	q.chunked.release(k.chunked, q.length/k.chunk*k.chunk)
}
