package optest

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/csrc"
)

// operations makes small arguments that work for every operation; for some there are
// several, with options that exclude each other.
func operations(r *rig) []operation {
	return append(quantizedOperationList(r), []operation{
		embedOperation(r), rmsNormOperation(r), qkvOperation(r), anglesOperation(r), attentionOperation(r),
		bidirectionalOperation(r), matmulOperation(r), biasOperation(r), routerOperation(r), groupedOperation(r),
		swigluOperation(r), logitsOperation(r), logSoftmaxOperation(r), topKOperation(r), sampleOperation(r),
		layerNormOperation(r), unfoldOperation(r), pixelShuffleOperation(r),
	}...)
}

func TestOperationsAreAll(t *testing.T) {
	onTargets(t, func(t *testing.T, r *rig) {
		names := make(map[string]bool)
		for _, op := range operations(r) {
			require.Contains(t, csrc.Header, "ll4_"+op.name+"(ll4_stream *")
			names[op.name] = true
		}
		require.Len(t, names, 16)
	})
}

var nan32 = float32(math.NaN())

func embedOperation(r *rig) operation {
	a := &bindings.EmbedArgs{
		IDs: r.indices("ids", 0, 5, 3), Table: r.zeros16("table", 4, 8), Out: r.zerosAct("out", 3, 8),
		Features: r.zerosAct("features", 2, 8),
	}
	return operation{
		name: "embed", call: func() error { return r.stream.Embed(a) },
		tensors: []field{
			{name: "ids", tensor: &a.IDs}, {name: "table", tensor: &a.Table}, {name: "out", tensor: &a.Out},
			{name: "features", tensor: &a.Features, optional: true},
		},
		mistakes: []mistake{
			set("no features", "ids", &a.Features, bindings.Tensor{}),
			set("integers for features", "features", &a.Features, r.zerosInt("features", 2, 8)),
			reshape("narrower features", "features", &a.Features, 2, 7),
			reshape("fewer features", "ids", &a.Features, 1, 8),
			reshape("fewer rows", "out", &a.Out, 2, 8),
			reshape("fewer columns", "out", &a.Out, 3, 7),
			set("table in fp32", "table", &a.Table, r.zeros32("table", 4, 8)),
		},
		contents: []content{
			{"id past the features", "ids", &a.IDs, []int32{0, 6, 1}},
			{"negative id", "ids", &a.IDs, []int32{0, 1, -1}},
			{"largest id", "ids", &a.IDs, []int32{math.MaxInt32, 1, 1}},
		},
	}
}

func rmsNormOperation(r *rig) operation {
	a := &bindings.RMSNormArgs{
		Eps: 1e-5, X: r.zerosAct("x", 3, 8), Add: r.zerosAct("add", 3, 8), Weight: r.zeros32("weight", 8), Out: r.zerosAct("out", 3, 8),
		Unrounded: r.zeros32("unrounded", 3, 8),
	}
	return operation{
		name: "rms_norm", call: func() error { return r.stream.RMSNorm(a) },
		tensors: []field{
			{name: "x", tensor: &a.X}, {name: "add", tensor: &a.Add, optional: true},
			{name: "weight", tensor: &a.Weight}, {name: "out", tensor: &a.Out},
			{name: "unrounded", tensor: &a.Unrounded, optional: true},
		},
		mistakes: []mistake{
			set("negative eps", "eps", &a.Eps, -1), set("eps that is NaN", "eps", &a.Eps, nan32),
			reshape("fewer rows to add", "add", &a.Add, 2, 8),
			reshape("fewer weights", "weight", &a.Weight, 7),
			reshape("fewer columns", "out", &a.Out, 3, 7),
			set("integers out", "out", &a.Out, r.zerosInt("out", 3, 8)),
			reshape("fewer columns unrounded", "unrounded", &a.Unrounded, 3, 7),
			set("unrounded in bf16", "unrounded", &a.Unrounded, r.zeros16("unrounded", 3, 8)),
			set("integers to add", "add", &a.Add, r.zerosInt("add", 3, 8)),
		},
	}
}

// smallBatch is two sequences of two and one tokens, with pasts of one and four, in
// pages of two positions.
func smallBatch(r *rig) bindings.Batch {
	return bindings.Batch{
		Sequences: 2, Tokens: 3, MaxNew: 2, MaxContext: 5,
		SeqStart: r.indices("batch.seq_start", 0, 2, 3), Past: r.indices("batch.past", 1, 4),
	}
}

func smallKV(r *rig) bindings.KV {
	kv := bindings.KV{
		K: r.zerosAct("kv.k", 6, 2, 2, 4), V: r.zerosAct("kv.v", 6, 2, 2, 4),
		PageTable: r.indices("kv.page_table", 0, 1, -1, 4, 5, 2), FirstPage: r.indices("kv.first_page", 0, 0),
	}
	kv.PageTable = kv.PageTable.Reshape(2, 3)
	return kv
}

func batchFields(b *bindings.Batch, kv *bindings.KV) []field {
	return []field{
		{name: "batch.seq_start", tensor: &b.SeqStart}, {name: "batch.past", tensor: &b.Past},
		{name: "kv.k", tensor: &kv.K}, {name: "kv.v", tensor: &kv.V},
		{name: "kv.page_table", tensor: &kv.PageTable}, {name: "kv.first_page", tensor: &kv.FirstPage, optional: true},
	}
}

// batchMistakes are wrong bounds and shapes. Where two fields disagree, either may
// be named.
func batchMistakes(r *rig, b *bindings.Batch, kv *bindings.KV) []mistake {
	return []mistake{
		set("no sequences", "batch.sequences", &b.Sequences, 0),
		set("negative sequences", "batch.sequences", &b.Sequences, -2),
		set("sequences beyond 32 bits", "batch.sequences", &b.Sequences, 1<<33),
		set("more sequences", "batch.seq_start", &b.Sequences, 3),
		set("no tokens", "batch.tokens", &b.Tokens, 0),
		set("tokens beyond 32 bits", "batch.tokens", &b.Tokens, 1<<32+3),
		set("more tokens", "", &b.Tokens, 4),
		set("bound of new tokens of 0", "batch.max_new", &b.MaxNew, 0),
		set("bound of new tokens too small", "batch.", &b.MaxNew, 1),
		set("negative bound of the context", "batch.max_context", &b.MaxContext, -1),
		set("bound of the context too small", "batch.", &b.MaxContext, 4),
		reshape("pasts missing", "batch.past", &b.Past, 1),
		reshape("heads that differ", "kv.v", &kv.V, 6, 1, 2, 4),
		reshape("pages that differ", "kv.v", &kv.V, 5, 2, 2, 4),
		reshape("a head dimension that differs", "kv.k", &kv.K, 6, 2, 2, 2),
		reshape("no pages", "kv", &kv.K, 0, 2, 2, 4),
		reshape("tables of one sequence", "kv.page_table", &kv.PageTable, 1, 3),
		reshape("a table too narrow", "kv.page_table", &kv.PageTable, 2, 1),
		set("types that differ", "kv.v", &kv.V, r.zerosOther("kv.v", 6, 2, 2, 4)),
	}
}

func batchContents(b *bindings.Batch, kv *bindings.KV) []content {
	return []content{
		{"a start that is not 0", "batch.seq_start", &b.SeqStart, []int32{1, 2, 3}},
		{"starts that descend", "batch.seq_start", &b.SeqStart, []int32{0, 4, 3}},
		{"an end that is not the tokens", "batch.seq_start", &b.SeqStart, []int32{0, 2, 2}},
		{"an end past the tokens", "batch.seq_start", &b.SeqStart, []int32{0, 2, 4}},
		{"a negative past", "batch.past", &b.Past, []int32{-1, 4}},
		{"a past that wraps", "batch", &b.Past, []int32{math.MaxInt32, 4}},
		{"a past beyond the bound", "batch", &b.Past, []int32{1, 5}},
		{"a page past the last", "kv.page_table", &kv.PageTable, []int32{0, 6, -1, 4, 5, 2}},
		{"a negative page", "kv.page_table", &kv.PageTable, []int32{0, 1, -1, 4, 5, -1}},
		{"a first page past the tokens", "kv.", &kv.FirstPage, []int32{0, 3}},
		{"a negative first page", "kv.", &kv.FirstPage, []int32{-1, 0}},
	}
}

func qkvOperation(r *rig) operation {
	a := &bindings.QKVEpilogueArgs{
		QKNorm: true, QKNormEps: 1e-5, AttnScale: 0.1, FloorScale: 4, Batch: smallBatch(r), KV: smallKV(r),
		QKV: r.zerosAct("qkv", 3, 32), InvFreq: r.zeros32("inv_freq", 2), Q: r.zerosAct("q", 3, 4, 4),
	}
	return operation{
		name: "qkv_epilogue", call: func() error { return r.stream.QKVEpilogue(a) },
		tensors: append(batchFields(&a.Batch, &a.KV),
			field{name: "qkv", tensor: &a.QKV}, field{name: "q", tensor: &a.Q},
			field{name: "inv_freq", tensor: &a.InvFreq, optional: true}),
		mistakes: append(batchMistakes(r, &a.Batch, &a.KV),
			set("negative eps", "qk_norm_eps", &a.QKNormEps, -1),
			set("eps that is NaN", "qk_norm_eps", &a.QKNormEps, nan32),
			set("scale that is NaN", "attn_scale", &a.AttnScale, nan32),
			set("floor of 0", "floor_scale", &a.FloorScale, 0),
			set("floor that is NaN", "floor_scale", &a.FloorScale, nan32),
			reshape("fewer heads", "qkv", &a.QKV, 3, 28),
			reshape("fewer frequencies", "inv_freq", &a.InvFreq, 1),
			set("integers for q", "q", &a.Q, r.zerosInt("q", 3, 4, 4)),
		),
		contents: batchContents(&a.Batch, &a.KV),
	}
}

func attentionOperation(r *rig) operation {
	a := &bindings.AttentionArgs{
		Scale: 0.5, Batch: smallBatch(r), KV: smallKV(r),
		Q: r.zerosAct("q", 3, 4, 4), Out: r.zerosAct("out", 3, 4, 4),
	}
	return operation{
		name: "attention", call: func() error { return r.stream.Attention(a) },
		tensors: append(batchFields(&a.Batch, &a.KV),
			field{name: "q", tensor: &a.Q}, field{name: "out", tensor: &a.Out}),
		mistakes: append(batchMistakes(r, &a.Batch, &a.KV),
			set("negative chunk", "chunk", &a.Chunk, -1),
			set("chunk beyond 32 bits", "chunk", &a.Chunk, 1<<40),
			set("unknown compute", "compute", &a.Compute, 3),
			set("scale that is NaN", "scale", &a.Scale, nan32),
			reshape("heads that KV heads do not divide", "q", &a.Q, 3, 3, 4),
			reshape("fewer heads out", "out", &a.Out, 3, 2, 4),
			set("another type out", "out", &a.Out, r.zerosOther("out", 3, 4, 4)),
			set("a scale", "kv.k_scale", &a.KV.KScale, r.zeros32("kv.k_scale", 6, 2, 2)),
			set("a scale of values", "kv.v_scale", &a.KV.VScale, r.zeros32("kv.v_scale", 6, 2, 2)),
		),
		contents: append(batchContents(&a.Batch, &a.KV),
			content{"a first page past what is seen", "kv.", &a.KV.FirstPage, []int32{0, 1}}),
	}
}

func matmulOperation(r *rig) operation {
	a := &bindings.MatmulArgs{
		X: r.zerosAct("x", 3, 8), Out: r.zerosAct("out", 3, 7),
		Weights: []bindings.Weight{{Data: r.zeros16("weight[0]", 4, 8)}, {Data: r.zeros16("weight[1]", 8, 3), Layout: kn}},
	}
	return operation{
		name: "matmul", call: func() error { return r.stream.Matmul(a) },
		tensors: []field{
			{name: "x", tensor: &a.X}, {name: "out", tensor: &a.Out},
			{name: "weight[0]", tensor: &a.Weights[0].Data}, {name: "weight[1]", tensor: &a.Weights[1].Data},
		},
		mistakes: []mistake{
			set("no parts", "parts", &a.Weights, nil),
			set("five parts", "parts", &a.Weights, make([]bindings.Weight, 5)),
			set("one part", "out", &a.Weights, a.Weights[:1]),
			set("unknown compute", "compute", &a.Compute, -1),
			set("unknown layout", "weight[1]", &a.Weights[1].Layout, 2),
			set("the other layout", "weight[0]", &a.Weights[0].Layout, kn),
			reshape("fewer inputs", "weight[0]", &a.Weights[0].Data, 4, 7),
			reshape("fewer rows", "out", &a.Out, 2, 7),
			set("weight in fp32", "weight[0]", &a.Weights[0].Data, r.zeros32("weight[0]", 4, 8)),
			set("integers out", "out", &a.Out, r.zerosInt("out", 3, 7)),
		},
	}
}

func routerOperation(r *rig) operation {
	a := new(bindings.RouterArgs)
	*a = routerArgs(r, r.act, make([]float64, 3*8), Matrix{Data: make([]float64, 5*8), N: 5, K: 8}, 2)
	return operation{
		name: "router", call: func() error { return r.stream.Router(a) },
		tensors: []field{
			{name: "x", tensor: &a.X}, {name: "weight", tensor: &a.Weight}, {name: "logits", tensor: &a.Logits},
			{name: "experts", tensor: &a.Experts}, {name: "scores", tensor: &a.Scores}, {name: "offsets", tensor: &a.Offsets},
			{name: "row_tokens", tensor: &a.RowTokens}, {name: "row_scores", tensor: &a.RowScores},
		},
		mistakes: []mistake{
			set("no experts", "top_k", &a.TopK, 0), set("negative", "top_k", &a.TopK, -1),
			set("more than experts", "top_k", &a.TopK, 6), set("beyond 32 bits", "top_k", &a.TopK, 1<<32+2),
			set("another count", "experts", &a.TopK, 1),
			reshape("offsets without an end", "offsets", &a.Offsets, 5),
			reshape("fewer rows", "row_tokens", &a.RowTokens, 5),
			set("weight in fp32", "weight", &a.Weight, r.zeros32("weight", 5, 8)),
			set("weight in f8", "weight", &a.Weight, r.zeros("weight", bindings.F8, 5, 8)),
		},
	}
}

func groupedOperation(r *rig) operation {
	a := &bindings.GroupedMatmulArgs{
		SwiGLU: true, X: r.zerosAct("x", 3, 8), Weight: bindings.Weight{Data: r.zeros16("weight", 2, 8, 6), Layout: kn},
		Offsets: r.indices("offsets", 0, 1, 4), Gather: r.indices("gather", 0, 1, 2, 2),
		RowScores: r.zeros32("row_scores", 4), Scatter: r.indices("scatter", 1, 1, 0, 1), Out: r.zerosAct("out", 2, 3),
	}
	return operation{
		name: "grouped_matmul", call: func() error { return r.stream.GroupedMatmul(a) },
		tensors: []field{
			{name: "x", tensor: &a.X}, {name: "weight", tensor: &a.Weight.Data}, {name: "offsets", tensor: &a.Offsets},
			{name: "gather", tensor: &a.Gather, optional: true}, {name: "row_scores", tensor: &a.RowScores, optional: true},
			{name: "scatter", tensor: &a.Scatter, optional: true}, {name: "out", tensor: &a.Out},
		},
		mistakes: []mistake{
			set("unknown compute", "compute", &a.Compute, 7),
			set("unknown layout", "weight", &a.Weight.Layout, -1),
			reshape("an odd number to gate", "weight", &a.Weight.Data, 2, 8, 5),
			reshape("no experts", "offsets", &a.Offsets, 1),
			reshape("fewer experts", "weight", &a.Weight.Data, 1, 8, 6),
			reshape("fewer scores", "row_scores", &a.RowScores, 3),
			reshape("fewer to scatter", "scatter", &a.Scatter, 3),
			reshape("fewer columns", "out", &a.Out, 2, 2),
			set("not gated", "out", &a.SwiGLU, false),
			set("integers out", "out", &a.Out, r.zerosInt("out", 2, 3)),
		},
		contents: []content{
			{"a start that is not 0", "offsets", &a.Offsets, []int32{1, 2, 4}},
			{"offsets that descend", "offsets", &a.Offsets, []int32{0, 5, 4}},
			{"negative offset", "offsets", &a.Offsets, []int32{0, -1, 4}},
			{"an end that is not the rows", "offsets", &a.Offsets, []int32{0, 1, 3}},
			{"an end past the rows", "offsets", &a.Offsets, []int32{0, 1, 5}},
			{"gathering past the tokens", "gather", &a.Gather, []int32{0, 1, 3, 2}},
			{"gathering before the tokens", "gather", &a.Gather, []int32{-1, 1, 2, 2}},
			{"scattering past the tokens", "scatter", &a.Scatter, []int32{1, 1, 2, 1}},
			{"scattering before the tokens", "scatter", &a.Scatter, []int32{1, 1, -1, 1}},
		},
	}
}

func swigluOperation(r *rig) operation {
	a := &bindings.SwiGLUArgs{GateUp: r.zerosAct("gate_up", 3, 16), Out: r.zerosAct("out", 3, 8)}
	return operation{
		name: "swiglu", call: func() error { return r.stream.SwiGLU(a) },
		tensors: []field{{name: "gate_up", tensor: &a.GateUp}, {name: "out", tensor: &a.Out}},
		mistakes: []mistake{
			reshape("an odd number", "gate_up", &a.GateUp, 3, 15),
			reshape("fewer rows", "out", &a.Out, 2, 8), reshape("fewer columns", "out", &a.Out, 3, 7),
			set("another type out", "out", &a.Out, r.zerosOther("out", 3, 8)),
		},
	}
}

func logitsOperation(r *rig) operation {
	a := &bindings.LogitsArgs{
		X: r.zerosAct("x", 3, 8), Rows: r.indices("rows", 2, 0), Weight: bindings.Weight{Data: r.zeros16("weight", 5, 8)},
		Out: r.zeros32("out", 2, 5),
	}
	return operation{
		name: "logits", call: func() error { return r.stream.Logits(a) },
		tensors: []field{
			{name: "x", tensor: &a.X}, {name: "rows", tensor: &a.Rows}, {name: "weight", tensor: &a.Weight.Data},
			{name: "out", tensor: &a.Out},
		},
		mistakes: []mistake{
			set("unknown compute", "compute", &a.Compute, 4), set("unknown layout", "weight", &a.Weight.Layout, 9),
			reshape("fewer inputs", "weight", &a.Weight.Data, 5, 7),
			reshape("fewer rows", "out", &a.Out, 1, 5), reshape("fewer columns", "out", &a.Out, 2, 4),
			set("out in bf16", "out", &a.Out, r.zeros16("out", 2, 5)),
		},
		contents: []content{
			{"a row past the tokens", "rows", &a.Rows, []int32{3, 0}},
			{"a negative row", "rows", &a.Rows, []int32{0, -1}},
		},
	}
}

func logSoftmaxOperation(r *rig) operation {
	a := &bindings.LogSoftmaxArgs{X: r.zeros32("x", 3, 8), Out: r.zeros32("out", 3, 8)}
	return operation{
		name: "log_softmax", call: func() error { return r.stream.LogSoftmax(a) },
		tensors: []field{{name: "x", tensor: &a.X}, {name: "out", tensor: &a.Out}},
		mistakes: []mistake{
			reshape("fewer rows", "out", &a.Out, 2, 8), reshape("fewer columns", "out", &a.Out, 3, 7),
			set("x in bf16", "x", &a.X, r.zeros16("x", 3, 8)),
		},
	}
}

func topKOperation(r *rig) operation {
	a := &bindings.TopKArgs{
		X: r.zeros32("x", 3, 8), Values: r.zeros32("values", 3, 2),
		Indices: r.zeros("indices", bindings.I32, 3, 2),
	}
	return operation{
		name: "top_k", call: func() error { return r.stream.TopK(a) },
		tensors: []field{{name: "x", tensor: &a.X}, {name: "values", tensor: &a.Values}, {name: "indices", tensor: &a.Indices}},
		mistakes: []mistake{
			reshape("k of 0", "values", &a.Values, 3, 0), reshape("fewer rows", "values", &a.Values, 2, 2),
			reshape("fewer indices", "indices", &a.Indices, 3, 1),
			set("more than there are", "values", &a.Values, r.zeros32("values", 3, 9)),
		},
	}
}

func sampleOperation(r *rig) operation {
	a := &bindings.SampleArgs{
		X: r.zeros32("x", 3, 8), Temperature: r.zeros32("temperature", 3), TopK: r.indices("top_k", 0, 0, 0),
		TopP: r.zeros32("top_p", 3), MinP: r.zeros32("min_p", 3), Draw: r.zeros32("draw", 3),
		IDs: r.zeros("ids", bindings.I32, 3),
	}
	return operation{
		name: "sample", call: func() error { return r.stream.Sample(a) },
		tensors: []field{
			{name: "x", tensor: &a.X}, {name: "temperature", tensor: &a.Temperature}, {name: "top_k", tensor: &a.TopK},
			{name: "top_p", tensor: &a.TopP}, {name: "min_p", tensor: &a.MinP}, {name: "draw", tensor: &a.Draw},
			{name: "ids", tensor: &a.IDs},
		},
		mistakes: []mistake{
			reshape("no columns", "x", &a.X, 3, 0),
			reshape("fewer temperatures", "temperature", &a.Temperature, 2), reshape("fewer top_k", "top_k", &a.TopK, 1),
			reshape("fewer top_p", "top_p", &a.TopP, 2), reshape("fewer min_p", "min_p", &a.MinP, 2),
			reshape("fewer draws", "draw", &a.Draw, 2), reshape("fewer ids", "ids", &a.IDs, 2),
			set("x in bf16", "x", &a.X, r.zeros16("x", 3, 8)),
		},
	}
}
