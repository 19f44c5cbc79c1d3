package llama4

import (
	"errors"
	"fmt"
	"slices"

	"github.com/llama4go/llama4go/bindings"
)

// pagePool is the cache of one class of layers, chunked or global: for every
// layer a tensor of pages for keys and one for values. A page number means the
// same page in all layers of the class, so a sequence has one page table a class.
type pagePool struct {
	device   *bindings.Device
	dtype    bindings.DType
	pageSize int
	kvHeads  int
	headDim  int

	keys, values []*bindings.Buffer // one a layer of the class
	pages        int                // that every layer has room for
	limit        int                // pages at most
	free         []int32            // descending, so that low numbers go out first

	chunk int    // positions that a sequence holds at most, beside new ones; 0: all
	moved func() // told when pages get another place and nothing runs, if set
}

// minPages is the size that a pool starts with.
const minPages = 16

func newPagePool(d *bindings.Device, c *Config, dtype bindings.DType, layers, pageSize, limit int) *pagePool {
	return &pagePool{
		device: d, dtype: dtype, pageSize: pageSize, kvHeads: c.KVHeads, headDim: c.HeadDim,
		keys: make([]*bindings.Buffer, layers), values: make([]*bindings.Buffer, layers),
		limit: limit,
	}
}

// pageBytes is the size of one page of keys, or of values, of one layer.
func (p *pagePool) pageBytes() int64 {
	return int64(p.kvHeads) * int64(p.pageSize) * int64(p.headDim) * p.dtype.Size()
}

// kv returns one layer's pages, without the tables.
func (p *pagePool) kv(slot int) bindings.KV {
	shape := [4]int64{int64(p.pages), int64(p.kvHeads), int64(p.pageSize), int64(p.headDim)}
	return bindings.KV{
		K: p.keys[slot].Tensor(p.dtype, shape[:]...),
		V: p.values[slot].Tensor(p.dtype, shape[:]...),
	}
}

// inUse is the number of pages that sequences hold.
func (p *pagePool) inUse() int { return p.pages - len(p.free) }

// take hands out n pages, making room for them on the stream if need be. On
// error none are taken.
func (p *pagePool) take(s *bindings.Stream, n int) ([]int32, error) {
	if n > len(p.free) {
		if err := p.grow(s, p.inUse()+n); err != nil {
			return nil, err
		}
	}
	cut := len(p.free) - n
	taken := slices.Clone(p.free[cut:])
	slices.Reverse(taken)
	p.free = p.free[:cut]
	return taken, nil
}

// give takes pages back.
func (p *pagePool) give(pages []int32) { p.free = append(p.free, pages...) }

// grow makes room for at least need pages, doubling so that copies stay rare,
// or just for them where the memory does not suffice for more.
func (p *pagePool) grow(s *bindings.Stream, need int) error {
	if need > p.limit {
		return fmt.Errorf("%w: %d pages of %d tokens are in use and %d allowed: "+
			"finish other sequences first or raise CacheTokens", ErrCacheFull, p.inUse(), p.pageSize, p.limit)
	}
	pages := min(max(need, 2*p.pages, minPages), p.limit)
	err := p.growTo(s, pages)
	if errors.Is(err, bindings.ErrOutOfMemory) && pages > need {
		pages = need
		err = p.growTo(s, pages)
	}
	if err != nil {
		return fmt.Errorf("growing the KV cache to %d pages: %w", pages, err)
	}
	for page := pages - 1; page >= p.pages; page-- {
		p.free = append(p.free, int32(page))
	}
	p.pages = pages
	return nil
}

// columns is the length of a page table for one new token of a sequence of at most
// so many.
func (p *pagePool) columns(context int) int {
	switch {
	case len(p.keys) == 0:
		return 1
	case p.chunk > 0:
		// A chunk may begin at the end of a page.
		context = min(context, p.chunk+p.pageSize-1)
	}
	return (context + p.pageSize - 1) / p.pageSize
}

// growTo enlarges every buffer that is smaller. On error some have grown, which
// the next call finds.
func (p *pagePool) growTo(s *bindings.Stream, pages int) error {
	bytes := int64(pages) * p.pageBytes()
	for _, buffers := range [][]*bindings.Buffer{p.keys, p.values} {
		for i, b := range buffers {
			if b != nil && b.Bytes() >= bytes {
				continue
			}
			if err := p.growBuffer(s, &buffers[i], bytes); err != nil {
				return err
			}
		}
	}
	return nil
}

// growBuffer replaces a buffer by a larger one with the same contents.
func (p *pagePool) growBuffer(s *bindings.Stream, b **bindings.Buffer, bytes int64) error {
	larger, err := p.device.NewBuffer(bytes)
	if err != nil {
		return err
	}
	if old := *b; old != nil {
		elements := int64(p.pages) * p.pageBytes() / p.dtype.Size()
		if elements > 0 {
			err = s.Copy(larger.Tensor(p.dtype, elements), old.Tensor(p.dtype, elements))
		}
		if err = errors.Join(err, s.Synchronize()); err != nil {
			_ = larger.Close()
			return err
		}
		if p.moved != nil {
			p.moved()
		}
		if err := old.Close(); err != nil {
			return err
		}
	}
	*b = larger
	return nil
}

// bytes is the memory of the pool, in use or not.
func (p *pagePool) bytes() int64 {
	total := int64(0)
	for _, buffers := range [][]*bindings.Buffer{p.keys, p.values} {
		for _, b := range buffers {
			if b != nil {
				total += b.Bytes()
			}
		}
	}
	return total
}

func (p *pagePool) close() {
	for _, buffers := range [][]*bindings.Buffer{p.keys, p.values} {
		for _, b := range buffers {
			if b != nil {
				_ = b.Close()
			}
		}
	}
}
