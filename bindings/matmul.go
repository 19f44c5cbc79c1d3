package bindings

/*
#include "lib.h"

#cgo noescape llama4_matmul
#cgo nocallback llama4_matmul
static ll4_status llama4_matmul(const ll4_api *api, ll4_stream *stream,
    const ll4_matmul_args *args, ll4_error *error) {
  return api->matmul(stream, args, error);
}
*/
import "C"

import (
	"fmt"
	"runtime"
)

// MaxParts is the largest number of weights that one Matmul stacks.
const MaxParts = 4

// MatmulArgs are the arguments of [Stream.Matmul].
type MatmulArgs struct {
	Compute    Compute
	Accumulate bool
	X          Tensor   // act [T, K]
	Weights    []Weight // 1 to MaxParts parts: [N_i, K] or [K, N_i]
	Out        Tensor   // act or F32 [T, sum of N_i]
	Bias       []Tensor // F32 [N_i], one a part, each optional; or nil
	Activation Activation
}

// Matmul multiplies: out = activation(x W^T + bias) for W the parts stacked along N
// (q, k and v, or gate and up, in one call), and out += that with Accumulate.
func (s *Stream) Matmul(a *MatmulArgs) error {
	c := begin(s, "matmul")
	if a == nil {
		c.fail("args", "is nil")
		return c.err
	}
	args := C.ll4_matmul_args{
		size:       C.uint32_t(C.sizeof_ll4_matmul_args),
		parts:      C.int32_t(len(a.Weights)),
		compute:    C.int32_t(a.Compute),
		accumulate: flag(a.Accumulate),
		x:          c.tensor("x", &a.X),
		weight:     c.weights(a.Weights),
		out:        c.tensor("out", &a.Out),
		bias:       c.biases(a.Bias, len(a.Weights)),
		activation: C.int32_t(a.Activation),
	}
	if c.err != nil {
		return c.err
	}
	status := C.llama4_matmul(c.api, c.stream, &args, &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(a)
	return c.end(status)
}

// weights converts the parts of a matmul. A wrong count is the library's to
// refuse, by the number of parts it is told.
func (c *call) weights(parts []Weight) (out [MaxParts]C.ll4_weight) {
	if len(parts) > MaxParts {
		c.fail("parts", fmt.Sprintf("%d, want 1 to %d", len(parts), MaxParts))
		return out
	}
	for i := range parts {
		out[i] = c.weight(&partNames[i], &parts[i])
	}
	return out
}

// biases converts the biases of a matmul of so many parts.
func (c *call) biases(biases []Tensor, parts int) (out [MaxParts]C.ll4_tensor) {
	if len(biases) != 0 && len(biases) != parts || len(biases) > MaxParts {
		c.fail("bias", fmt.Sprintf("%d for %d parts", len(biases), parts))
		return out
	}
	for i := range biases {
		out[i] = c.tensor(biasNames[i], &biases[i])
	}
	return out
}

// The fields, as errors name them.
var (
	partNames = [MaxParts]weightNames{
		{"weight[0]", "weight[0].scale", "weight[0].offset"}, {"weight[1]", "weight[1].scale", "weight[1].offset"},
		{"weight[2]", "weight[2].scale", "weight[2].offset"}, {"weight[3]", "weight[3].scale", "weight[3].offset"},
	}
	biasNames = [MaxParts]string{"bias[0]", "bias[1]", "bias[2]", "bias[3]"}
)
