package optest

import (
	"math"

	"github.com/llama4go/llama4go/bindings"
)

// RouterLogits returns x W^T in fp32: [T, E].
func RouterLogits(x []float64, weight Matrix) Values {
	return Matmul(Linear{X: x, Parts: []Matrix{weight}, Precision: Precision{Out: bindings.F32}})
}

// Routing is what the router makes of its logits.
type Routing struct {
	Experts   []int32 // [T, topK], best first
	Scores    Values  // [T, topK]
	Offsets   []int32 // [E+1]
	RowTokens []int32 // [T*topK]
	RowSlots  []int   // [T*topK]: the index into Experts and Scores of a row
}

// Route chooses the experts for logits [T, E], which are those that the router
// computed: the choice itself is exact.
func Route(logits []float32, experts, topK int) Routing {
	var r Routing
	_, r.Experts = TopK(logits, experts, topK)
	for slot, expert := range r.Experts {
		logit := float64(logits[slot/topK*experts+int(expert)])
		score := 1 / (1 + math.Exp(-logit))
		r.Scores.append(Values{
			Want: []float64{score},
			// The exponential, the sum and the quotient; below the smallest normal
			// number the score may be flushed or clamped.
			Tol: []float64{score*(elementary+3*unit32) + tiny32},
		})
	}
	for e := range experts {
		r.Offsets = append(r.Offsets, int32(len(r.RowTokens)))
		for slot, expert := range r.Experts {
			if int(expert) == e {
				r.RowTokens = append(r.RowTokens, int32(slot/topK))
				r.RowSlots = append(r.RowSlots, slot)
			}
		}
	}
	r.Offsets = append(r.Offsets, int32(len(r.RowTokens)))
	return r
}
