package optest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// format is how a weight is stored.
type format struct {
	name        string
	dtype       bindings.DType
	group       int // 0: the whole row
	scale       bindings.DType
	offset      bool
	activations bindings.Activations
	limit       float64
}

func (f format) String() string { return f.name }

// formats are those of checkpoints, and groups that nothing divides.
var formats = []format{
	{name: "Meta int4", dtype: bindings.I4, group: 128, scale: bindings.BF16},
	{name: "Meta fp8", dtype: bindings.F8, scale: bindings.F32, activations: bindings.ActivationsF8Row, limit: 2},
	{name: "fp8 channels", dtype: bindings.F8, scale: bindings.BF16, activations: bindings.ActivationsF8Row},
	{name: "fp8 blocks", dtype: bindings.F8, group: 128, scale: bindings.F32, activations: bindings.ActivationsF8Group},
	{name: "fp8 blocks with a limit", dtype: bindings.F8, group: 32, scale: bindings.F16, activations: bindings.ActivationsF8Group, limit: 2},
	{name: "fp8 static", dtype: bindings.F8, scale: bindings.F32, activations: bindings.ActivationsF8Tensor, limit: 0.006},
	{name: "fp8 alone", dtype: bindings.F8, scale: bindings.F32},
	{name: "fp8 alone, groups of 64", dtype: bindings.F8, group: 64, scale: bindings.F16},
	{name: "fp8 alone, groups of 19", dtype: bindings.F8, group: 19, scale: bindings.BF16},
	{name: "fp8 groups of 19", dtype: bindings.F8, group: 19, scale: bindings.F32, activations: bindings.ActivationsF8Group},
	{name: "Q4_0", dtype: bindings.I4, group: 32, scale: bindings.F16},
	{name: "Q8_0", dtype: bindings.I8, group: 32, scale: bindings.F16},
	{name: "Q4_K", dtype: bindings.I4, group: 32, scale: bindings.F32, offset: true},
	{name: "Q5_K", dtype: bindings.I8, group: 32, scale: bindings.F32, offset: true},
	{name: "Q6_K", dtype: bindings.I8, group: 16, scale: bindings.F32},
	{name: "int4 with offsets", dtype: bindings.I4, group: 64, scale: bindings.BF16, offset: true},
	{name: "int4 channels", dtype: bindings.I4, scale: bindings.F16},
	{name: "int4 channels with offsets", dtype: bindings.I4, scale: bindings.F16, offset: true},
	{name: "int8 channels", dtype: bindings.I8, scale: bindings.BF16},
	{name: "int4 groups of 19", dtype: bindings.I4, group: 19, scale: bindings.F32, offset: true},
	{name: "int8 groups of 7", dtype: bindings.I8, group: 7, scale: bindings.F32, offset: true},
	{name: "int4 groups of 48", dtype: bindings.I4, group: 48, scale: bindings.F16},
	{name: "int4 groups of 1", dtype: bindings.I4, group: 1, scale: bindings.BF16},
}

var bf16 = format{name: "bf16", dtype: bindings.BF16}

// draw makes a matrix in a format. Every number of the type occurs; scales are negative
// now and then, and 0, as those of GGUF are.
func (f format) draw(rng *rand.Rand, n, k int) Matrix {
	if f.dtype == bindings.BF16 {
		return matrix(rng, n, k, nk)
	}
	q := &Quantized{
		DType: f.dtype, N: n, K: k, Group: f.group, ScaleType: f.scale, Activations: f.activations, Limit: float64(float32(f.limit)),
	}
	if f.group == 0 {
		q.Group = k
	}
	var squares float64
	for range n * k {
		v := f.number(rng)
		squares += v * v
		q.Q = append(q.Q, v)
	}
	size := 1 / math.Sqrt(1+squares/float64(n)) // so that outputs are of the size of inputs
	for range n * q.Groups() {
		scale := size * (0.5 + rng.Float64())
		switch rng.IntN(20) {
		case 0:
			scale = 0
		case 1:
			scale = -scale
		}
		q.Scale = append(q.Scale, Round(scale, f.scale))
		if f.offset {
			q.Offset = append(q.Offset, Round(rng.NormFloat64()/math.Sqrt(float64(k)), f.scale))
		}
	}
	return q.Matrix()
}

// number draws one of the type.
func (f format) number(rng *rand.Rand) float64 {
	switch f.dtype {
	case bindings.I8:
		return float64(rng.IntN(256) - 128)
	case bindings.I4:
		return float64(rng.IntN(16) - 8)
	}
	code := byte(rng.IntN(0x7f))
	return E4M3(code | byte(rng.IntN(2))<<7)
}

// quantizedWeight places matrices of one format.
func (r *rig) quantizedWeight(name string, parts []Matrix) bindings.Weight {
	r.t.Helper()
	q := parts[0].Quantized
	var data []byte
	var scale, offset []float64
	for _, m := range parts {
		data = append(data, pack(q.DType, m.Quantized.Q, q.K)...)
		scale = append(scale, m.Quantized.Scale...)
		offset = append(offset, m.Quantized.Offset...)
	}
	shape, groups := []int64{int64(q.N), int64(q.K)}, []int64{int64(q.N), int64(q.Groups())}
	if len(parts) > 1 {
		shape = append([]int64{int64(len(parts))}, shape...)
		groups = append([]int64{int64(len(parts))}, groups...)
	}
	w := bindings.Weight{
		Data:  r.place(name, q.DType, data, false, shape),
		Group: int64(q.Group), Activations: q.Activations, Limit: float32(q.Limit),
		Scale: r.floats(name+".scale", q.ScaleType, scale, groups...),
	}
	if offset != nil {
		w.Offset = r.floats(name+".offset", q.ScaleType, offset, groups...)
	}
	return w
}

// uneven draws rows of different sizes, one of zeros among many, with values far out,
// as activations have them.
func uneven(rng *rand.Rand, dtype bindings.DType, rows, columns int) []float64 {
	x := random(rng, dtype, rows*columns)
	for i := range x {
		row := i / columns
		x[i] = Round(math.Ldexp(x[i], row%5-2), dtype)
		switch {
		case row%8 == 5:
			x[i] = 0
		case i%columns == row*13%columns:
			x[i] = Round(8*x[i], dtype)
		}
	}
	return x
}

// quantizedProduct is the shape of a matmul with quantized weights.
type quantizedProduct struct {
	m, k, n int
}

// quantizedShapes are around the depths that vectors, blocks and groups have, and the
// row counts that kernels tell apart.
var quantizedShapes = []quantizedProduct{
	{1, 1, 1}, {1, 31, 3}, {2, 32, 8}, {1, 256, 40}, {3, 100, 33}, {4, 128, 64}, {5, 33, 17}, {8, 130, 24},
	{9, 384, 16}, {17, 65, 70}, {33, 200, 9}, {1, 1160, 5}, {2, 513, 12}, {70, 64, 72}, {130, 96, 40}, {9, 1100, 66},
}

func TestMatmulQuantized(t *testing.T) {
	for _, f := range formats {
		for _, s := range quantizedShapes {
			for _, m := range wideModes() {
				t.Run(fmt.Sprint(f, s, m), func(t *testing.T) {
					testMatmulQuantized(t, s, m, false, f)
				})
			}
		}
	}
}

// Parts of several formats beside each other, each with a bias or without.
func TestMatmulQuantizedParts(t *testing.T) {
	named := func(name string) format {
		for _, f := range formats {
			if f.name == name {
				return f
			}
		}
		panic(name)
	}
	for _, parts := range [][]format{
		{named("Meta int4"), bf16},
		{bf16, named("Q4_0"), named("Q6_K")},
		{named("Q4_K"), named("Q4_K"), named("Q6_K")},
		{named("Meta fp8"), named("Meta fp8")},
		{named("Meta fp8"), named("fp8 static"), named("fp8 blocks"), bf16},
		{named("fp8 alone"), named("Q8_0"), bf16, named("fp8 channels")},
		// What differs decides what becomes of x.
		{named("Meta fp8"), named("fp8 channels"), named("fp8 alone"), named("Meta fp8")},
		{named("fp8 groups of 19"), named("fp8 blocks"), named("fp8 blocks with a limit")},
		{named("Q4_0"), named("Q4_K"), named("int4 with offsets"), named("int4 groups of 19")},
		{named("int8 groups of 7"), named("Q5_K"), named("Q8_0"), named("Q4_0")},
	} {
		for _, s := range []quantizedProduct{{1, 256, 40}, {3, 100, 33}, {6, 160, 16}, {70, 130, 72}} {
			for _, m := range wideModes() {
				t.Run(fmt.Sprint(parts, s, m), func(t *testing.T) {
					testMatmulQuantized(t, s, m, true, parts...)
				})
			}
		}
	}
}

func testMatmulQuantized(t *testing.T, s quantizedProduct, m wideMode, full bool, parts ...format) {
	rng := newRand(t.Name())
	l := Linear{X: uneven(rng, m.act, s.m, s.k)}
	n := 0
	for i, f := range parts {
		l.Parts = append(l.Parts, f.draw(rng, s.n+i, s.k))
		n += s.n + i
		l.Bias = append(l.Bias, nil)
		if full && i%2 == 0 {
			l.Bias[i] = random(rng, bindings.F32, s.n+i)
		}
	}
	if full {
		l.Activation = bindings.ActivationGELU
		l.Old = random(rng, m.out, s.m*n)
	}
	l.compare(t, m)
}

func TestLogitsQuantized(t *testing.T) {
	for _, f := range formats {
		for _, m := range modes {
			for _, rows := range [][]int32{{4}, {8, 0, 3, 3}, reversed(9)} {
				t.Run(fmt.Sprint(f, m, len(rows)), func(t *testing.T) {
					const tokens, hidden, vocabulary = 9, 136, 70
					rng := newRand(t.Name())
					x := uneven(rng, m.act, tokens, hidden)
					weight := f.draw(rng, vocabulary, hidden)
					onTargets(t, func(t *testing.T, r *rig) {
						a := bindings.LogitsArgs{
							Compute: m.compute, X: r.floats("x", m.act, x, tokens, hidden),
							Rows: r.ints("rows", rows, int64(len(rows))), Weight: r.weight("weight", weight),
							Out: r.out("out", bindings.F32, int64(len(rows)), vocabulary),
						}
						r.ran(r.stream.Logits(&a), m.act == bindings.F32)
						Compare(t, "out", r.read(a.Out), Logits(x, rows, weight, m.precision(r.info)))
					})
				})
			}
		}
	}
}

// What is no number makes the rows that have it so, and no other row.
func TestMatmulQuantizedNaN(t *testing.T) {
	const rows, k, n = 6, 136, 40
	for _, f := range formats {
		for _, m := range modes {
			t.Run(fmt.Sprint(f, m), func(t *testing.T) {
				rng := newRand(t.Name())
				l := Linear{X: random(rng, m.act, rows*k), Parts: []Matrix{f.draw(rng, n, k)}}
				onTargets(t, func(t *testing.T, r *rig) {
					l.Precision = m.precision(r.info)
					want := Matmul(l)
					broken := l
					broken.X = append([]float64(nil), l.X...)
					for _, row := range []int{1, 4} {
						broken.X[row*k+17*row] = math.NaN()
						for i := range n {
							want.Want[row*n+i] = math.NaN()
						}
					}
					a := broken.args(r, wideMode{m, m.act})
					r.ran(r.stream.Matmul(&a), m.act == bindings.F32)
					Compare(t, "out", r.read(a.Out), want)
				})
			})
		}
	}
}

func TestE4M3(t *testing.T) {
	require.Equal(t, 448.0, E4M3(0x7e))
	require.Equal(t, 1.0, E4M3(0x38))
	require.Equal(t, -0x1p-9, E4M3(0x81))
	require.Equal(t, 0x1p-6, E4M3(0x08))
	for code := range 256 {
		if x := E4M3(byte(code)); !math.IsNaN(x) {
			require.Equal(t, byte(code), EncodeE4M3(x))
		}
	}
	for _, tt := range []struct {
		x    float64
		want byte
	}{
		{17, 0x58}, {18, 0x59}, {19, 0x5a}, {17.01, 0x59}, // multiples of 2, ties to even
		{0x1p-10, 0}, {0x1.8p-9, 2}, {-0x1p-11, 0x80}, // multiples of 2^-9
		{449, 0x7e}, {464, 0x7e}, {1e9, 0x7e}, {math.Inf(-1), 0xfe},
	} {
		require.Equal(t, tt.want, EncodeE4M3(tt.x), "%v", tt.x)
	}
	require.True(t, math.IsNaN(E4M3(EncodeE4M3(math.NaN()))))
}
