package bindings

/*
#include "lib.h"
*/
import "C"

// Weight is a weight matrix, or a stack of one an expert: [N, K] or [E, N, K] with
// [LayoutNK], [K, N] or [E, K, N] with [LayoutKN]. In BF16 it is what it says, and
// the fields after Layout are zero.
//
// Quantized, in F8, I8 or I4, it is NK, and
// W[n, k] = Scale[n, g] q[n, k] + Offset[n, g] with g = k / Group, where the last
// group of a row may be shorter. The type of scales and offsets is one of F32, BF16
// and F16; F8 has no Offset.
type Weight struct {
	Data        Tensor
	Layout      Layout
	Activations Activations
	Group       int64  // values along K that share a scale; K or more: the whole row
	Scale       Tensor // [N, G] or [E, N, G], G = ceil(K / Group)
	Offset      Tensor // the same; optional: 0
	// Limit bounds max |x| of ActivationsF8Row and ActivationsF8Group, 0 for none;
	// it is the scale of ActivationsF8Tensor.
	Limit float32
}

// Activations is how x is quantized before it is multiplied by a weight of F8, in
// [ComputeF32] as well: it is part of the scheme. Rows times scores
// ([Stream.GroupedMatmul]) are quantized as the scaled rows.
type Activations int32

// The kinds of activations, ll4_activations of llama4.h.
const (
	// ActivationsPlain are not quantized.
	ActivationsPlain Activations = 0
	// ActivationsF8Row has a scale a row, min(max |x|, Limit) / 448, and
	// q = e4m3(x / scale), saturating.
	ActivationsF8Row Activations = 1
	// ActivationsF8Group has one for each Group values of a row.
	ActivationsF8Group Activations = 2
	// ActivationsF8Tensor has the scale Limit for all.
	ActivationsF8Tensor Activations = 3
)

// Bytes returns the size of the weight with its scales and offsets.
func (w *Weight) Bytes() int64 { return w.Data.Bytes() + w.Scale.Bytes() + w.Offset.Bytes() }

// Rows returns matrices from to to-1 of a stack, or those rows of a matrix as
// [N, K].
func (w Weight) Rows(from, to int64) Weight {
	w.Data = w.Data.Rows(from, to)
	if !w.Scale.Absent() {
		w.Scale = w.Scale.Rows(from, to)
	}
	if !w.Offset.Absent() {
		w.Offset = w.Offset.Rows(from, to)
	}
	return w
}

// The fields of weights, as errors name them.
type weightNames struct{ data, scale, offset string }

func (c *call) weight(names *weightNames, w *Weight) C.ll4_weight {
	return C.ll4_weight{
		data:        c.tensor(names.data, &w.Data),
		layout:      C.int32_t(w.Layout),
		activations: C.int32_t(w.Activations),
		group:       C.int64_t(w.Group),
		scale:       c.tensor(names.scale, &w.Scale),
		offset:      c.tensor(names.offset, &w.Offset),
		limit:       C.float(w.Limit),
	}
}

// oneWeight are the fields of an operation with one weight.
var oneWeight = weightNames{"weight", "weight.scale", "weight.offset"}
