package bindings

/*
#include "lib.h"
*/
import "C"

import "math"

// Batch is a ragged batch: B sequences, each with its own new tokens and its own
// past. Token i of sequence b is row SeqStart[b]+i of every [T, ...] tensor and
// stands at position Past[b]+i. A sequence may have no new tokens.
type Batch struct {
	Sequences  int    // B
	Tokens     int    // T
	MaxNew     int    // bound of the new tokens of a sequence
	MaxContext int    // bound of past and new tokens of a sequence
	SeqStart   Tensor // i32 [B+1], ascending from 0 to T
	Past       Tensor // i32 [B]
}

func (c *call) batch(b *Batch) C.ll4_batch {
	return C.ll4_batch{
		sequences:   c.int32("batch.sequences", b.Sequences),
		tokens:      c.int32("batch.tokens", b.Tokens),
		max_new:     c.int32("batch.max_new", b.MaxNew),
		max_context: c.int32("batch.max_context", b.MaxContext),
		seq_start:   c.tensor("batch.seq_start", &b.SeqStart),
		past:        c.tensor("batch.past", &b.Past),
	}
}

// int32 converts a count, which must fit.
func (c *call) int32(field string, n int) C.int32_t {
	if n < math.MinInt32 || n > math.MaxInt32 {
		c.fail(field, "does not fit 32 bits")
	}
	return C.int32_t(n)
}

// flag converts a switch.
func flag(on bool) C.int32_t {
	if on {
		return 1
	}
	return 0
}
