package optest

import (
	"cmp"
	"slices"
)

// TopK returns the k largest of each row of n, largest first, ties by the lowest
// index, and where they are. A NaN is less than any number.
func TopK(x []float32, n, k int) (values []float32, indices []int32) {
	for start := 0; start < len(x); start += n {
		row := x[start : start+n]
		order := make([]int32, n)
		for i := range order {
			order[i] = int32(i)
		}
		slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(row[b], row[a]) })
		for _, i := range order[:k] {
			values = append(values, row[i])
			indices = append(indices, i)
		}
	}
	return values, indices
}
