package optest

import "github.com/llama4go/llama4go/bindings"

// Embed returns table[ids[t]] for each t, rows of hidden elements, or a row of
// features for ids beyond the table: rounded to the type of the result, which is
// exact where that holds what they hold.
func Embed(table, features []float64, hidden int, ids []int32, out bindings.DType) Values {
	var want []float64
	for _, id := range ids {
		at, from := int(id)*hidden, table
		if at >= len(table) {
			at, from = at-len(table), features
		}
		want = append(want, from[at:at+hidden]...)
	}
	return Rounded(want, out)
}
