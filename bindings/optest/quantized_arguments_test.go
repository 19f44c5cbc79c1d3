package optest

import (
	"math"

	"github.com/llama4go/llama4go/bindings"
)

// quantizedOperationList are the operations with quantized weights and caches.
func quantizedOperationList(r *rig) []operation {
	return []operation{
		quantizeOperation(r), int4Operation(r), f8Operation(r), int8GroupedOperation(r), f8LogitsOperation(r),
		quantizedCacheOperation(r, bindings.F8), quantizedCacheOperation(r, bindings.I4),
		quantizedWriteOperation(r, bindings.F8), quantizedWriteOperation(r, bindings.I4),
	}
}

// zerosQuantized is a weight of zeros, with offsets where its type may have them.
func (r *rig) zerosQuantized(name string, dtype, scale bindings.DType, group int64, shape ...int64) bindings.Weight {
	last := len(shape) - 1
	groups := append(append([]int64(nil), shape[:last]...), (shape[last]+group-1)/group)
	w := bindings.Weight{
		Data: r.zeros(name, dtype, shape...), Group: group, Scale: r.zeros(name+".scale", scale, groups...),
	}
	if dtype != bindings.F8 {
		w.Offset = r.zeros(name+".offset", scale, groups...)
	}
	return w
}

// weightFields are the tensors of a quantized weight.
func weightFields(name string, w *bindings.Weight) []field {
	fields := []field{
		{name: name, tensor: &w.Data}, {name: name + ".scale", tensor: &w.Scale, half: true},
	}
	if !w.Offset.Absent() {
		fields = append(fields, field{name: name + ".offset", tensor: &w.Offset, optional: true, half: true})
	}
	return fields
}

// weightMistakes are those of a quantized weight, which has more than one group.
func weightMistakes(r *rig, name string, w *bindings.Weight) []mistake {
	shape := w.Scale.Shape()
	last := len(shape) - 1
	narrow := append(append([]int64(nil), shape[:last]...), shape[last]-1)
	fewer := append([]int64{shape[0] - 1}, shape[1:]...)
	inf := float32(math.Inf(1))
	list := []mistake{
		set("no group", name, &w.Group, 0), set("negative group", name, &w.Group, -8),
		set("smallest group", name, &w.Group, math.MinInt64),
		set("another group", name+".scale", &w.Group, w.Group/2), set("whole rows", name+".scale", &w.Group, math.MaxInt64),
		set("columns for rows", name, &w.Layout, kn), set("unknown layout", name, &w.Layout, 2),
		set("no scale", name+".scale", &w.Scale, bindings.Tensor{}),
		reshape("fewer scales", name+".scale", &w.Scale, narrow...),
		reshape("scales of fewer rows", name+".scale", &w.Scale, fewer...),
		set("integers for scales", name+".scale", &w.Scale, r.zerosInt(name+".scale", shape...)),
		set("scales of f8", name+".scale", &w.Scale, r.zeros(name+".scale", bindings.F8, shape...)),
		set("unknown activations", name, &w.Activations, 4), set("negative activations", name, &w.Activations, -1),
		set("a limit that is NaN", name, &w.Limit, nan32), set("a negative limit", name, &w.Limit, -1),
		set("an infinite limit", name, &w.Limit, inf),
	}
	if w.Data.DType == bindings.F8 {
		return append(list,
			set("an offset", name, &w.Offset, r.zeros(name+".offset", w.Scale.DType, shape...)),
			set("a limit of plain activations", name, &w.Activations, bindings.ActivationsPlain))
	}
	return append(list,
		reshape("fewer offsets", name+".offset", &w.Offset, narrow...),
		set("integers for offsets", name+".offset", &w.Offset, r.zerosInt(name+".offset", shape...)),
		set("f8 activations", name, &w.Activations, bindings.ActivationsF8Row),
		set("a limit", name, &w.Limit, 1))
}

// quantizeOperation makes I4 of columns.
func quantizeOperation(r *rig) operation {
	a := &bindings.QuantizeArgs{
		X:   bindings.Weight{Data: r.zeros16("x", 2, 20, 3), Layout: kn},
		Out: r.zerosQuantized("out", bindings.I4, bindings.BF16, 16, 2, 3, 20),
	}
	a.Out.Offset = bindings.Tensor{}
	f8, int8 := r.zeros("out", bindings.F8, 2, 3, 20), r.zeros("out", bindings.I8, 2, 3, 20)
	return operation{
		name: "quantize", call: func() error { return r.stream.Quantize(a) },
		tensors: append(weightFields("out", &a.Out), field{name: "x", tensor: &a.X.Data}),
		mistakes: []mistake{
			set("no group", "out", &a.Out.Group, 0), set("another group", "out.scale", &a.Out.Group, 8),
			set("columns for rows", "out", &a.Out.Layout, kn), set("rows for columns", "out", &a.X.Layout, nk),
			set("unknown layout", "x", &a.X.Layout, 2),
			set("a group of what is not quantized", "x", &a.X.Group, 16),
			set("x of f8", "x", &a.X.Data, f8), set("x in fp32", "x", &a.X.Data, r.zeros32("x", 2, 20, 3)),
			set("out of i8", "out", &a.Out.Data, int8), set("out of bf16", "out", &a.Out.Data, r.zeros16("out", 2, 3, 20)),
			set("an offset", "out", &a.Out.Offset, a.Out.Scale),
			reshape("fewer experts", "out", &a.Out.Data, 1, 3, 20), reshape("fewer rows", "out", &a.Out.Data, 2, 2, 20),
			reshape("fewer columns", "out", &a.Out.Data, 2, 3, 18), reshape("one matrix", "out", &a.Out.Data, 3, 20),
			reshape("fewer scales", "out.scale", &a.Out.Scale, 2, 3, 1),
		},
	}
}

// int4Operation is matmul with parts of I4 and of bf16.
func int4Operation(r *rig) operation {
	a := &bindings.MatmulArgs{
		X: r.zerosAct("x", 3, 20), Out: r.zerosAct("out", 3, 7),
		Weights: []bindings.Weight{
			r.zerosQuantized("weight[0]", bindings.I4, bindings.BF16, 8, 4, 20), {Data: r.zeros16("weight[1]", 3, 20)},
		},
	}
	plain := &a.Weights[1]
	return operation{
		name: "matmul", call: func() error { return r.stream.Matmul(a) }, tensors: weightFields("weight[0]", &a.Weights[0]),
		mistakes: append(weightMistakes(r, "weight[0]", &a.Weights[0]),
			set("bf16 with a group", "weight[1]", &plain.Group, 8),
			set("bf16 with a scale", "weight[1]", &plain.Scale, r.zeros32("scale", 3, 3)),
			set("bf16 with an offset", "weight[1]", &plain.Offset, r.zeros32("offset", 3, 3)),
			set("bf16 with activations", "weight[1]", &plain.Activations, bindings.ActivationsF8Row),
			set("bf16 with a limit", "weight[1]", &plain.Limit, 1),
		),
	}
}

// f8Operation is matmul with each kind of activations.
func f8Operation(r *rig) operation {
	a := &bindings.MatmulArgs{X: r.zerosAct("x", 3, 20), Out: r.zerosAct("out", 3, 12)}
	var list []mistake
	var fields []field
	names := []string{"weight[0]", "weight[1]", "weight[2]"}
	for i, name := range names {
		w := r.zerosQuantized(name, bindings.F8, bindings.F16, 8, 4, 20)
		w.Activations, w.Limit = bindings.ActivationsF8Row+bindings.Activations(i), 1
		a.Weights = append(a.Weights, w)
	}
	for i, name := range names {
		list = append(list, weightMistakes(r, name, &a.Weights[i])...)
		fields = append(fields, weightFields(name, &a.Weights[i])...)
	}
	list = append(list, set("static activations without a scale", "weight[2]", &a.Weights[2].Limit, 0))
	return operation{name: "matmul", call: func() error { return r.stream.Matmul(a) }, tensors: fields, mistakes: list}
}

// int8GroupedOperation is grouped_matmul with I8.
func int8GroupedOperation(r *rig) operation {
	a := &bindings.GroupedMatmulArgs{
		SwiGLU: true, X: r.zerosAct("x", 4, 20), Weight: r.zerosQuantized("weight", bindings.I8, bindings.F32, 8, 2, 6, 20),
		Offsets: r.indices("offsets", 0, 1, 4), Out: r.zerosAct("out", 4, 3),
	}
	return operation{
		name: "grouped_matmul", call: func() error { return r.stream.GroupedMatmul(a) },
		tensors: weightFields("weight", &a.Weight), mistakes: weightMistakes(r, "weight", &a.Weight),
		contents: []content{
			{"offsets that descend", "offsets", &a.Offsets, []int32{0, 5, 4}},
			{"an end past the rows", "offsets", &a.Offsets, []int32{0, 1, 5}},
		},
	}
}

// f8LogitsOperation is logits with F8.
func f8LogitsOperation(r *rig) operation {
	a := &bindings.LogitsArgs{
		X: r.zerosAct("x", 3, 20), Rows: r.indices("rows", 2, 0), Out: r.zeros32("out", 2, 5),
		Weight: r.zerosQuantized("weight", bindings.F8, bindings.F32, 16, 5, 20),
	}
	a.Weight.Activations, a.Weight.Limit = bindings.ActivationsF8Row, 1200
	return operation{
		name: "logits", call: func() error { return r.stream.Logits(a) },
		tensors: weightFields("weight", &a.Weight), mistakes: weightMistakes(r, "weight", &a.Weight),
		contents: []content{{"a row past the tokens", "rows", &a.Rows, []int32{3, 0}}},
	}
}

// quantizedKV is smallKV with scales.
func quantizedKV(r *rig, dtype bindings.DType) bindings.KV {
	kv := smallKV(r)
	kv.K, kv.V = r.zeros("kv.k", dtype, 6, 2, 2, 4), r.zeros("kv.v", dtype, 6, 2, 2, 4)
	kv.KScale, kv.VScale = r.zeros32("kv.k_scale", 6, 2, 2), r.zeros32("kv.v_scale", 6, 2, 2)
	return kv
}

func quantizedKVFields(b *bindings.Batch, kv *bindings.KV) []field {
	return append(batchFields(b, kv),
		field{name: "kv.k_scale", tensor: &kv.KScale}, field{name: "kv.v_scale", tensor: &kv.VScale})
}

func quantizedKVMistakes(r *rig, b *bindings.Batch, kv *bindings.KV) []mistake {
	var list []mistake
	for _, s := range []struct {
		name string
		at   *bindings.Tensor
	}{{"kv.k_scale", &kv.KScale}, {"kv.v_scale", &kv.VScale}} {
		list = append(list,
			reshape(s.name+" of fewer pages", s.name, s.at, 5, 2, 2), reshape(s.name+" of fewer heads", s.name, s.at, 6, 1, 2),
			reshape(s.name+" of fewer positions", s.name, s.at, 6, 2, 1), reshape(s.name+" a number", s.name, s.at, 6, 2, 2, 1),
			set(s.name+" in bf16", s.name, s.at, r.zeros16(s.name, 6, 2, 2)))
	}
	other := bindings.I4
	if kv.K.DType == bindings.I4 {
		other = bindings.F8
	}
	return append(append(list, batchMistakes(r, b, kv)...),
		set("another quantized type", "kv.v", &kv.V, r.zeros("kv.v", other, 6, 2, 2, 4)),
		set("i8", "kv.k", &kv.K, r.zeros("kv.k", bindings.I8, 6, 2, 2, 4)))
}

// quantizedCacheOperation is attention over a quantized cache.
func quantizedCacheOperation(r *rig, dtype bindings.DType) operation {
	a := &bindings.AttentionArgs{
		Scale: 0.5, Batch: smallBatch(r), KV: quantizedKV(r, dtype), Q: r.zerosAct("q", 3, 4, 4), Out: r.zerosAct("out", 3, 4, 4),
	}
	return operation{
		name: "attention", call: func() error { return r.stream.Attention(a) },
		tensors: quantizedKVFields(&a.Batch, &a.KV), mistakes: quantizedKVMistakes(r, &a.Batch, &a.KV),
		contents: batchContents(&a.Batch, &a.KV),
	}
}

// quantizedWriteOperation writes a quantized cache.
func quantizedWriteOperation(r *rig, dtype bindings.DType) operation {
	a := &bindings.QKVEpilogueArgs{
		Batch: smallBatch(r), KV: quantizedKV(r, dtype), QKV: r.zerosAct("qkv", 3, 32), Q: r.zerosAct("q", 3, 4, 4),
	}
	return operation{
		name: "qkv_epilogue", call: func() error { return r.stream.QKVEpilogue(a) },
		tensors: quantizedKVFields(&a.Batch, &a.KV), mistakes: quantizedKVMistakes(r, &a.Batch, &a.KV),
		contents: batchContents(&a.Batch, &a.KV),
	}
}
