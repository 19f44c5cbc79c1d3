package optest

// Embed returns table[ids[t]] for each t: rows of hidden elements, exactly.
func Embed(table []float64, hidden int, ids []int32) Values {
	var want []float64
	for _, id := range ids {
		want = append(want, table[int(id)*hidden:(int(id)+1)*hidden]...)
	}
	return Exact(want)
}
