package sample

import (
	"cmp"
	"math"
	"slices"
)

// TokenLogProb is a token with the natural logarithm of its probability.
type TokenLogProb struct {
	ID      int32
	LogProb float64
}

// LogProb returns the natural logarithm of a token's probability by the model:
// logit - ln(sum of e^logit), in float64. It is -Inf for a logit of -Inf, and NaN
// for an id that is no token, where a logit is NaN or +Inf, and where all are -Inf.
func LogProb(logits []float32, id int32) float64 {
	if id < 0 || int(id) >= len(logits) {
		return math.NaN()
	}
	return float64(logits[id]) - logSumExp(logits)
}

// TopLogProbs returns the n most likely tokens, or all where there are fewer, most
// likely first, ties by the lowest id. The numbers are those of [LogProb].
func TopLogProbs(logits []float32, n int) []TokenLogProb {
	n = min(n, len(logits))
	if n <= 0 {
		return nil
	}
	top := make([]TokenLogProb, n)
	for id, x := range logits[:n] {
		top[id] = TokenLogProb{int32(id), float64(x)}
	}
	for i := n/2 - 1; i >= 0; i-- {
		siftDown(top, i)
	}
	for id, x := range logits[n:] {
		if float64(x) <= top[0].LogProb {
			continue
		}
		if next := (TokenLogProb{int32(n + id), float64(x)}); byRank(next, top[0]) < 0 {
			top[0] = next
			siftDown(top, 0)
		}
	}
	slices.SortFunc(top, byRank)
	sum := logSumExp(logits)
	for i := range top {
		top[i].LogProb -= sum
	}
	return top
}

// byRank orders the most likely first; NaN comes last.
func byRank(a, b TokenLogProb) int {
	if c := cmp.Compare(b.LogProb, a.LogProb); c != 0 {
		return c
	}
	return cmp.Compare(a.ID, b.ID)
}

// siftDown restores a heap, with the least likely token at its root, below i.
func siftDown(heap []TokenLogProb, i int) {
	for {
		child := 2*i + 1
		if child >= len(heap) {
			return
		}
		if right := child + 1; right < len(heap) && byRank(heap[right], heap[child]) > 0 {
			child = right
		}
		if byRank(heap[child], heap[i]) <= 0 {
			return
		}
		heap[i], heap[child] = heap[child], heap[i]
		i = child
	}
}

// logSumExp returns ln(sum of e^logit). The largest logit is taken out of the sum,
// so that no power overflows.
func logSumExp(logits []float32) float64 {
	best, err := largest(logits)
	if err != nil {
		return math.NaN()
	}
	sum, top := 0.0, float64(logits[best])
	for _, x := range logits {
		sum += expNegative(float64(x) - top)
	}
	return top + math.Log(sum)
}
