package optest

import (
	"math"

	"github.com/llama4go/llama4go/bindings"
)

// anglesOperation is qkv_epilogue with a table of angles.
func anglesOperation(r *rig) operation {
	a := &bindings.QKVEpilogueArgs{
		Batch: smallBatch(r), KV: smallKV(r), QKV: r.zerosAct("qkv", 3, 32),
		Angles: r.zeros32("angles", 5, 2), Q: r.zerosAct("q", 3, 4, 4),
	}
	return operation{
		name: "qkv_epilogue", call: func() error { return r.stream.QKVEpilogue(a) },
		tensors: []field{{name: "angles", tensor: &a.Angles, optional: true}},
		mistakes: []mistake{
			set("frequencies as well", "angles", &a.InvFreq, r.zeros32("inv_freq", 2)),
			reshape("fewer positions", "angles", &a.Angles, 4, 2),
			reshape("fewer angles", "angles", &a.Angles, 5, 1),
			set("angles in bf16", "angles", &a.Angles, r.zeros16("angles", 5, 2)),
			set("a larger bound of the context", "angles", &a.Batch.MaxContext, 6),
		},
		contents: []content{
			{"a past beyond the angles", "batch", &a.Batch.Past, []int32{1, 5}},
			{"a negative past", "batch", &a.Batch.Past, []int32{-1, 4}},
			{"a past that wraps", "batch", &a.Batch.Past, []int32{math.MaxInt32, 4}},
		},
	}
}

// bidirectionalOperation is attention where all see all.
func bidirectionalOperation(r *rig) operation {
	a := &bindings.AttentionArgs{
		Scale: 0.5, Bidirectional: true, Batch: smallBatch(r), KV: smallKV(r),
		Q: r.zerosAct("q", 3, 4, 4), Out: r.zerosAct("out", 3, 4, 4),
	}
	return operation{
		name: "attention", call: func() error { return r.stream.Attention(a) },
		mistakes: []mistake{set("a chunk", "chunk", &a.Chunk, 7)},
		contents: append(batchContents(&a.Batch, &a.KV),
			content{"a first page past what is seen", "kv.", &a.KV.FirstPage, []int32{0, 1}}),
	}
}

// biasOperation is matmul with all that it can do to a sum.
func biasOperation(r *rig) operation {
	a := &bindings.MatmulArgs{
		X: r.zerosAct("x", 3, 8), Out: r.zerosAct("out", 3, 7), Activation: bindings.ActivationGELU,
		Weights: []bindings.Weight{{Data: r.zeros16("weight[0]", 4, 8)}, {Data: r.zeros16("weight[1]", 8, 3), Layout: kn}},
		Bias:    []bindings.Tensor{r.zeros32("bias[0]", 4), r.zeros32("bias[1]", 3)},
	}
	return operation{
		name: "matmul", call: func() error { return r.stream.Matmul(a) },
		tensors: []field{
			{name: "bias[0]", tensor: &a.Bias[0], optional: true}, {name: "bias[1]", tensor: &a.Bias[1], optional: true},
		},
		mistakes: []mistake{
			set("one bias", "bias", &a.Bias, a.Bias[:1]),
			set("unknown activation", "activation", &a.Activation, 2),
			set("negative activation", "activation", &a.Activation, -1),
			reshape("a shorter bias", "bias[1]", &a.Bias[1], 2),
			set("the other's bias", "bias[0]", &a.Bias[0], a.Bias[1]),
			set("a bias in bf16", "bias[0]", &a.Bias[0], r.zeros16("bias[0]", 4)),
		},
	}
}

func layerNormOperation(r *rig) operation {
	a := &bindings.LayerNormArgs{
		Eps: 1e-5, X: r.zerosAct("x", 3, 8), Weight: r.zeros32("weight", 8), Bias: r.zeros16("bias", 8),
		Out: r.zerosAct("out", 3, 8),
	}
	return operation{
		name: "layer_norm", call: func() error { return r.stream.LayerNorm(a) },
		tensors: []field{
			{name: "x", tensor: &a.X}, {name: "weight", tensor: &a.Weight}, {name: "bias", tensor: &a.Bias},
			{name: "out", tensor: &a.Out},
		},
		mistakes: []mistake{
			set("negative eps", "eps", &a.Eps, -1), set("eps that is NaN", "eps", &a.Eps, nan32),
			reshape("no columns", "x", &a.X, 3, 0),
			reshape("fewer weights", "weight", &a.Weight, 7), reshape("fewer biases", "bias", &a.Bias, 7),
			reshape("fewer rows", "out", &a.Out, 2, 8), reshape("fewer columns", "out", &a.Out, 3, 7),
			set("integers", "x", &a.X, r.zerosInt("x", 3, 8)), set("integers out", "out", &a.Out, r.zerosInt("out", 3, 8)),
		},
	}
}

func unfoldOperation(r *rig) operation {
	a := &bindings.UnfoldArgs{Patch: 2, X: r.zerosAct("x", 2, 3, 4, 4), Out: r.zerosAct("out", 2, 5, 16)}
	return operation{
		name: "unfold", call: func() error { return r.stream.Unfold(a) },
		tensors: []field{{name: "x", tensor: &a.X}, {name: "out", tensor: &a.Out}},
		mistakes: []mistake{
			set("patches of 0", "patch", &a.Patch, 0), set("negative patches", "patch", &a.Patch, -2),
			set("patches that do not divide", "patch", &a.Patch, 3), set("larger patches", "out", &a.Patch, 4),
			set("beyond 32 bits", "patch", &a.Patch, 1<<32+2),
			set("largest patches", "patch", &a.Patch, math.MaxInt32),
			reshape("a rectangle", "x", &a.X, 2, 3, 4, 2), reshape("no channels", "x", &a.X, 2, 0, 4, 4),
			reshape("no pixels", "x", &a.X, 2, 3, 0, 0), reshape("fewer tiles", "out", &a.Out, 1, 5, 16),
			reshape("fewer rows", "out", &a.Out, 2, 3, 16), reshape("fewer columns", "out", &a.Out, 2, 5, 11),
			reshape("no tiles and impossible sides", "x", &a.X, 0, 3, 1<<40, 1<<40),
			set("integers", "x", &a.X, r.zerosInt("x", 2, 3, 4, 4)),
		},
	}
}

func pixelShuffleOperation(r *rig) operation {
	a := &bindings.PixelShuffleArgs{Factor: 2, X: r.zerosAct("x", 2, 17, 8), Out: r.zerosAct("out", 2, 4, 32)}
	return operation{
		name: "pixel_shuffle", call: func() error { return r.stream.PixelShuffle(a) },
		tensors: []field{{name: "x", tensor: &a.X}, {name: "out", tensor: &a.Out}},
		mistakes: []mistake{
			set("factor of 0", "factor", &a.Factor, 0), set("negative factor", "factor", &a.Factor, -2),
			set("another factor", "out", &a.Factor, 1), set("beyond 32 bits", "factor", &a.Factor, 1<<32+2),
			set("the largest factor", "out", &a.Factor, math.MaxInt32),
			reshape("fewer patches", "x", &a.X, 2, 15, 8), reshape("rows that are no square", "out", &a.Out, 2, 3, 32),
			reshape("no rows", "out", &a.Out, 2, 0, 32), reshape("fewer columns", "out", &a.Out, 2, 4, 31),
			reshape("fewer tiles", "out", &a.Out, 1, 4, 32),
			set("another type out", "out", &a.Out, r.zerosOther("out", 2, 4, 32)),
		},
	}
}
