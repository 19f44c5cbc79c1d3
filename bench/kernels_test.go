package bench

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/bindings/optest"
)

// BenchmarkKernels measures every operation at the shapes of shapes_test.go.
func BenchmarkKernels(b *testing.B) {
	d, err := openDevice()
	require.NoError(b, err)
	info, err := d.Info()
	require.NoError(b, err)
	p := planFor(info)
	if testing.Short() {
		p = p.short()
	}
	for _, s := range p.shapes() {
		b.Run(s.name(), func(b *testing.B) { benchmark(b, s) })
	}
}

// builders make the job of a shape, by operation.
var builders = map[string]func(*rig, shape) job{
	"Attention":     attention,
	"Embed":         embed,
	"GroupedMatmul": groupedMatmul,
	"LayerNorm":     layerNorm,
	"LogSoftmax":    logSoftmax,
	"Logits":        logits,
	"Matmul":        matmul,
	"PixelShuffle":  pixelShuffle,
	"QKVEpilogue":   qkvEpilogue,
	"Quantize":      quantize,
	"RMSNorm":       rmsNorm,
	"Router":        router,
	"Sample":        sample,
	"SwiGLU":        swiglu,
	"TopK":          topK,
	"Unfold":        unfold,
}

// ends picks a few of n: both ends, their neighbours and the middle.
func ends(n int) []int64 {
	var out []int64
	for _, i := range []int{0, 1, n / 2, n - 2, n - 1} {
		if i >= 0 && i < n && (len(out) == 0 || int64(i) > out[len(out)-1]) {
			out = append(out, int64(i))
		}
	}
	return out
}

// columns picks elements of a row.
func columns(row []float32, which []int64) []float32 {
	out := make([]float32, len(which))
	for i, c := range which {
		out[i] = row[c]
	}
	return out
}

// outputs are some rows of a stored matrix of row-major weights [N, K].
func outputs(w operand, which []int64, k int) optest.Matrix {
	m := optest.Matrix{N: len(which), K: k}
	for _, n := range which {
		m.Data = append(m.Data, w.slice(n*int64(k), int64(k))...)
	}
	return m
}

func matmul(r *rig, s shape) job {
	m, n, k := s.dims["m"], s.dims["n"], s.dims["k"]
	x, w := r.random(r.act, 1, m, k), r.matrix(s.format, n, k)
	args := &bindings.MatmulArgs{
		X: x.Tensor, Weights: []bindings.Weight{w.Weight}, Out: r.empty(r.act, m, n),
		Activation: bindings.Activation(s.dims["gelu"]),
	}
	var bias operand
	if s.dims["bias"] != 0 {
		bias = r.random(bindings.F32, 1, n)
		args.Bias = []bindings.Tensor{bias.Tensor}
	}
	// check some outputs of row t.
	check := func(t int64) error {
		chosen := ends(n)
		want := optest.Linear{
			X: x.slice(t*int64(k), int64(k)), Parts: []optest.Matrix{w.outputs(0, chosen)},
			Activation: args.Activation, Precision: r.precision(r.act),
		}
		if args.Bias != nil {
			want.Bias = [][]float64{nil}
			for _, c := range chosen {
				want.Bias[0] = append(want.Bias[0], bias.at(c))
			}
		}
		return optest.Difference(columns(r.row(args.Out, t), chosen), optest.Matmul(want))
	}
	return job{
		flops: 2 * float64(m) * float64(n) * float64(k),
		bytes: w.bytes(1) + float64(x.Bytes()+args.Out.Bytes()),
		run:   func() error { return r.stream.Matmul(args) },
		check: func() error {
			for _, t := range ends(m) {
				if err := check(t); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func logits(r *rig, s shape) job {
	rows, n, k := s.dims["rows"], s.dims["n"], s.dims["k"]
	x, w := r.random(r.act, 1, rows, k), r.matrix(s.format, n, k)
	which := make([]int32, rows)
	for i := range which {
		which[i] = int32(i)
	}
	args := &bindings.LogitsArgs{
		X: x.Tensor, Rows: r.int32s(which...), Weight: w.Weight, Out: r.empty(bindings.F32, rows, n),
	}
	return job{
		flops: 2 * float64(rows) * float64(n) * float64(k),
		bytes: w.bytes(1) + float64(x.Bytes()+args.Out.Bytes()),
		run:   func() error { return r.stream.Logits(args) },
		check: func() error {
			chosen := ends(n)
			for _, t := range ends(rows) {
				want := optest.Logits(x.slice(t*int64(k), int64(k)), []int32{0}, w.outputs(0, chosen), r.precision(bindings.F32))
				if err := optest.Difference(columns(r.row(args.Out, t), chosen), want); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// routing sends each token to an expert at random, and lists the rows by expert.
func (r *rig) routing(tokens, experts int) (offsets, rows []int32) {
	of := make([][]int32, experts)
	for t := range tokens {
		e := r.rng.IntN(experts)
		of[e] = append(of[e], int32(t))
	}
	offsets = []int32{0}
	for _, list := range of {
		rows = append(rows, list...)
		offsets = append(offsets, int32(len(rows)))
	}
	return offsets, rows
}

// groupedMatmul is gate_up, which gathers, scales and gates, or down, which
// scatters: as a layer calls them.
func groupedMatmul(r *rig, s shape) job {
	tokens, experts, n, k := s.dims["tokens"], s.dims["experts"], s.dims["n"], s.dims["k"]
	up := s.kind == "gate_up"
	offsets, rows := r.routing(tokens, experts)
	x, w := r.random(r.act, 1, tokens, k), r.experts(s.format, experts, n, k)
	args := &bindings.GroupedMatmulArgs{
		SwiGLU: up, X: x.Tensor, Weight: w.Weight, Offsets: r.int32s(offsets...),
	}
	var scores operand
	if up {
		scores = r.random(bindings.F32, 1, tokens)
		args.Gather, args.RowScores, args.Out = r.int32s(rows...), scores.Tensor, r.empty(r.act, tokens, n/2)
	} else {
		args.Scatter, args.Out = r.int32s(rows...), r.empty(r.act, tokens, n)
	}
	used := 0
	for e := range experts {
		if offsets[e] < offsets[e+1] {
			used++
		}
	}
	check := func(row int64) error {
		e := int64(0)
		for int64(offsets[e+1]) <= row {
			e++
		}
		g := optest.Grouped{SwiGLU: up, Offsets: []int32{0, 1}, Precision: r.precision(r.act)}
		source, target := row, int64(rows[row])
		if up {
			source, target = target, row
			g.RowScores = []float64{scores.at(row)}
		}
		g.X = x.slice(source*int64(k), int64(k))
		chosen := ends(int(args.Out.Dim(1)))
		var wanted []int64
		for half := range int64(n) / args.Out.Dim(1) { // gates, then ups
			for _, c := range chosen {
				wanted = append(wanted, half*args.Out.Dim(1)+c)
			}
		}
		g.Experts = []optest.Matrix{w.outputs(e, wanted)}
		return optest.Difference(columns(r.row(args.Out, target), chosen), optest.GroupedMatmul(g))
	}
	return job{
		flops: 2 * float64(tokens) * float64(n) * float64(k),
		bytes: w.bytes(used) + float64(x.Bytes()+args.Out.Bytes()),
		run:   func() error { return r.stream.GroupedMatmul(args) },
		check: func() error {
			for _, row := range ends(tokens) {
				if err := check(row); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func router(r *rig, s shape) job {
	tokens, experts, hidden := s.dims["tokens"], s.dims["experts"], s.dims["hidden"]
	x, w := r.random(r.act, 1, tokens, hidden), r.random(bindings.BF16, scaleOf(hidden), experts, hidden)
	args := &bindings.RouterArgs{
		TopK: 1, X: x.Tensor, Weight: w.Tensor, Logits: r.empty(bindings.F32, tokens, experts),
		Experts: r.empty(bindings.I32, tokens, 1), Scores: r.empty(bindings.F32, tokens, 1),
		Offsets: r.empty(bindings.I32, experts+1), RowTokens: r.empty(bindings.I32, tokens),
		RowScores: r.empty(bindings.F32, tokens),
	}
	return job{
		flops: 2 * float64(tokens) * float64(experts) * float64(hidden),
		bytes: float64(x.Bytes() + w.Bytes() + args.Logits.Bytes()),
		run:   func() error { return r.stream.Router(args) },
		check: func() error {
			chosen := ends(experts)
			for _, t := range ends(tokens) {
				want := optest.RouterLogits(x.slice(t*int64(hidden), int64(hidden)), outputs(w, chosen, hidden))
				if err := optest.Difference(columns(r.row(args.Logits, t), chosen), want); err != nil {
					return err
				}
			}
			return r.checkRouting(args, experts)
		},
	}
}

// checkRouting holds what the router made of its logits against the reference.
func (r *rig) checkRouting(args *bindings.RouterArgs, experts int) error {
	got, err := bindings.ReadFloat32s(r.stream, args.Logits)
	require.NoError(r.b, err)
	want := optest.Route(got, experts, 1)
	for _, list := range []struct {
		name   string
		tensor bindings.Tensor
		want   []int32
	}{{"experts", args.Experts, want.Experts}, {"offsets", args.Offsets, want.Offsets}, {"row_tokens", args.RowTokens, want.RowTokens}} {
		have := make([]int32, list.tensor.Elements())
		require.NoError(r.b, bindings.Read(r.stream, list.tensor, have))
		if !slices.Equal(list.want, have) {
			return fmt.Errorf("%s: not those of the logits", list.name)
		}
	}
	scores, err := bindings.ReadFloat32s(r.stream, args.Scores)
	require.NoError(r.b, err)
	return optest.Difference(scores, want.Scores)
}
