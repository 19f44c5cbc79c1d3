package llama4

import "container/list"

// lru keeps what was used last, up to a number of bytes. It is not safe for
// concurrent use.
type lru[K comparable, V any] struct {
	limit, bytes int64
	evicted      func(V) // if set
	entries      map[K]*list.Element
	order        *list.List // of *lruEntry, the latest used in front
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
	bytes int64
}

func newLRU[K comparable, V any](limit int64, evicted func(V)) *lru[K, V] {
	return &lru[K, V]{limit: limit, evicted: evicted, entries: map[K]*list.Element{}, order: list.New()}
}

func (c *lru[K, V]) get(key K) (value V, ok bool) {
	e, ok := c.entries[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*lruEntry[K, V]).value, true
}

// add keeps a value, whose key must be new. What is larger than the limit is
// evicted at once.
func (c *lru[K, V]) add(key K, value V, bytes int64) {
	c.entries[key] = c.order.PushFront(&lruEntry[K, V]{key, value, bytes})
	c.bytes += bytes
	for c.bytes > c.limit {
		c.remove(c.order.Back())
	}
}

func (c *lru[K, V]) remove(e *list.Element) {
	entry := c.order.Remove(e).(*lruEntry[K, V])
	delete(c.entries, entry.key)
	c.bytes -= entry.bytes
	if c.evicted != nil {
		c.evicted(entry.value)
	}
}

func (c *lru[K, V]) clear() {
	for c.order.Len() > 0 {
		c.remove(c.order.Back())
	}
}
