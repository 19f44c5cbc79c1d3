package llama4

import (
	"math"
	"math/bits"

	"github.com/llama4go/llama4go/bindings"
)

// Parameters is a model's numbers of parameters.
type Parameters struct {
	// Parts has the number of each part, by the Part constants.
	Parts map[string]int64
	// Total is all of them. A head that is tied to the embedding counts once.
	Total int64
	// Active is what one text token passes through: all parts of the text model,
	// but of the routed experts those it is sent to. The embedding table and the
	// head are counted, as in the published 17 B of Scout and Maverick.
	Active int64
}

// Parameters counts the tensors that [Config.Tensors] lists. The Config must be valid.
func (c *Config) Parameters() Parameters {
	p := Parameters{Parts: map[string]int64{}}
	for _, spec := range c.Tensors() {
		n := spec.Elements()
		p.Parts[spec.Part] += n
		p.Total += n
	}
	p.Active = p.Total - p.Parts[PartVision]
	if routed := p.Parts[PartExperts]; routed > 0 {
		p.Active -= routed / int64(c.Experts) * int64(c.Experts-c.ExpertsPerToken)
	}
	return p
}

// KVBytes returns the size of the key-value cache of one sequence of tokens
// positions, in elements of dtype, of which F8 and I4 have an fp32 scale for each
// head. In paged, chunked layers keep their current chunk only, and so stop growing
// at the chunk's length; in full, every layer keeps every position. Both leave out the
// unused rest of the last page. The Config must be valid; sizes past 63 bits are
// returned as the largest.
func (c *Config) KVBytes(tokens int, dtype bindings.DType) (paged, full int64) {
	position := 2 * int64(c.KVHeads) * (dtype.RowBytes(int64(c.HeadDim)) + scaleBytes(dtype))
	for _, layer := range c.Plan() {
		kept := tokens
		if layer.Chunked {
			kept = min(tokens, layer.Chunk)
		}
		paged = addProduct(paged, int64(kept), position)
		full = addProduct(full, int64(tokens), position)
	}
	return paged, full
}

// scaleBytes is the size of a scale of a head in a KV cache, 0 of types without.
func scaleBytes(dtype bindings.DType) int64 {
	if dtype == bindings.F8 || dtype == bindings.I4 {
		return bindings.F32.Size()
	}
	return 0
}

// addProduct returns a + b*c of non-negative numbers, at most MaxInt64.
func addProduct(a, b, c int64) int64 {
	hi, lo := bits.Mul64(uint64(b), uint64(c))
	sum, carry := bits.Add64(lo, uint64(a), 0)
	if hi != 0 || carry != 0 || sum > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(sum)
}
