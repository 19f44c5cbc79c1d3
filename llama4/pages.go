package llama4

import (
	"errors"
	"fmt"
	"slices"

	"github.com/llama4go/llama4go/bindings"
)

// pagePool is the cache of one class of layers, chunked or global: for every
// layer a tensor of pages for keys and one for values, and where these are quantized
// one each for their scales. A page number means the same page in all layers of the
// class, so a sequence has one page table a class.
type pagePool struct {
	device   *bindings.Device
	dtype    bindings.DType
	pageSize int
	kvHeads  int
	headDim  int

	keys, values           []*bindings.Buffer // one a layer of the class
	keyScales, valueScales []*bindings.Buffer // the same, or none
	pages                  int                // that every layer has room for
	limit                  int                // pages at most
	free                   []int32            // descending, so that low numbers go out first

	chunk int    // positions that a sequence holds at most, beside new ones; 0: all
	moved func() // told when pages get another place and nothing runs, if set
}

// minPages is the size that a pool starts with.
const minPages = 16

func newPagePool(d *bindings.Device, c *Config, dtype bindings.DType, layers, pageSize, limit int) *pagePool {
	p := &pagePool{
		device: d, dtype: dtype, pageSize: pageSize, kvHeads: c.KVHeads, headDim: c.HeadDim,
		keys: make([]*bindings.Buffer, layers), values: make([]*bindings.Buffer, layers),
		limit: limit,
	}
	if scaleBytes(dtype) > 0 {
		p.keyScales, p.valueScales = make([]*bindings.Buffer, layers), make([]*bindings.Buffer, layers)
	}
	return p
}

// pageBuffers are the buffers of all layers for one thing.
type pageBuffers struct {
	layers    []*bindings.Buffer
	pageBytes int64
}

// buffers are the buffers of the pool.
func (p *pagePool) buffers() [4]pageBuffers {
	heads := int64(p.kvHeads) * int64(p.pageSize)
	page, scales := heads*p.dtype.RowBytes(int64(p.headDim)), heads*scaleBytes(p.dtype)
	return [...]pageBuffers{{p.keys, page}, {p.values, page}, {p.keyScales, scales}, {p.valueScales, scales}}
}

// kv returns one layer's pages, without the tables.
func (p *pagePool) kv(slot int) bindings.KV {
	shape := [4]int64{int64(p.pages), int64(p.kvHeads), int64(p.pageSize), int64(p.headDim)}
	kv := bindings.KV{
		K: p.keys[slot].Tensor(p.dtype, shape[:]...),
		V: p.values[slot].Tensor(p.dtype, shape[:]...),
	}
	if p.keyScales != nil {
		kv.KScale = p.keyScales[slot].Tensor(bindings.F32, shape[:3]...)
		kv.VScale = p.valueScales[slot].Tensor(bindings.F32, shape[:3]...)
	}
	return kv
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
	for _, buffers := range p.buffers() {
		bytes := int64(pages) * buffers.pageBytes
		for i, b := range buffers.layers {
			if b != nil && b.Bytes() >= bytes {
				continue
			}
			if err := p.growBuffer(s, &buffers.layers[i], int64(p.pages)*buffers.pageBytes, bytes); err != nil {
				return err
			}
		}
	}
	return nil
}

// growBuffer replaces a buffer by a larger one that has its first bytes.
func (p *pagePool) growBuffer(s *bindings.Stream, b **bindings.Buffer, used, bytes int64) error {
	larger, err := p.device.NewBuffer(bytes)
	if err != nil {
		return err
	}
	if old := *b; old != nil {
		if used > 0 {
			err = s.Copy(larger.Tensor(bindings.I8, used), old.Tensor(bindings.I8, used))
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
	for _, buffers := range p.buffers() {
		for _, b := range buffers.layers {
			if b != nil {
				total += b.Bytes()
			}
		}
	}
	return total
}

func (p *pagePool) close() {
	for _, buffers := range p.buffers() {
		for _, b := range buffers.layers {
			if b != nil {
				_ = b.Close()
			}
		}
	}
}
