package optest

import "github.com/llama4go/llama4go/bindings"

// Logits returns x[rows[r]] W^T in fp32: [R, V].
func Logits(x []float64, rows []int32, weight Matrix, p Precision) Values {
	var chosen []float64
	for _, r := range rows {
		chosen = append(chosen, x[int(r)*weight.K:(int(r)+1)*weight.K]...)
	}
	p.Out = bindings.F32
	return Matmul(Linear{X: chosen, Parts: []Matrix{weight}, Precision: p})
}
