package bench

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/bindings/optest"
)

// format is how a weight is quantized.
type format struct {
	name        string
	dtype       bindings.DType
	group       int // 0: the whole row
	scale       bindings.DType
	activations bindings.Activations
	limit       float32
}

// formats are Meta's own and GGUF's.
var formats = []format{
	{name: "int4", dtype: bindings.I4, group: 128, scale: bindings.BF16},
	{name: "fp8", dtype: bindings.F8, scale: bindings.F32, activations: bindings.ActivationsF8Row, limit: 1200},
	{name: "q4_0", dtype: bindings.I4, group: 32, scale: bindings.F16},
	{name: "q8_0", dtype: bindings.I8, group: 32, scale: bindings.F16},
}

// weights are a matrix, or a stack of one an expert, with known contents: bf16, or
// quantized if there is a format.
type weights struct {
	bindings.Weight
	format *format
	n, k   int
	dense  operand // bf16
	scale  operand
	shift  int64 // of the words of quantized ones
}

// matrix makes [n, k], in bf16 without a format.
func (r *rig) matrix(f *format, n, k int) *weights {
	r.b.Helper()
	w := &weights{format: f, n: n, k: k}
	if f == nil {
		w.dense = r.random(bindings.BF16, scaleOf(k), n, k)
		w.Data = w.dense.Tensor
	} else {
		r.quantize(w, n, k)
	}
	return w
}

// experts makes a stack of matrices: in bf16 [experts, k, n], as they are stored.
func (r *rig) experts(f *format, experts, n, k int) *weights {
	r.b.Helper()
	w := &weights{format: f, n: n, k: k}
	if f == nil {
		w.dense = r.random(bindings.BF16, scaleOf(k), experts, k, n)
		w.Data, w.Layout = w.dense.Tensor, bindings.LayoutKN
	} else {
		r.quantize(w, experts, n, k)
	}
	return w
}

// words are random bits, four bytes each, without the NaNs of f8.
var words = sync.OnceValue(func() []int32 {
	rng := rand.New(rand.NewPCG(4, 5))
	out := make([]int32, period)
	for i := range out {
		var word [4]byte
		for j := range word {
			for word[j]&0x7f == 0 || word[j]&0x7f == 0x7f {
				word[j] = byte(rng.Uint32())
			}
		}
		out[i] = int32(binary.LittleEndian.Uint32(word[:]))
	}
	return out
})

// quantize fills w with words and scales.
func (r *rig) quantize(w *weights, shape ...int) {
	r.b.Helper()
	f := w.format
	groups := append([]int(nil), shape...)
	groups[len(groups)-1] = w.groups()
	w.scale = r.random(f.scale, scaleOf(w.k), groups...)
	w.Scale, w.Data = w.scale.Tensor, r.empty(f.dtype, shape...)
	w.Group, w.Activations, w.Limit = int64(w.group()), f.activations, f.limit
	w.shift = w.scale.shift
	flat := w.Data.Buffer.Tensor(bindings.I32, w.Data.Bytes()/4)
	for done := int64(0); done < flat.Elements(); {
		some := words()[(w.shift+done)%period:]
		some = some[:min(int64(len(some)), flat.Elements()-done)]
		require.NoError(r.b, bindings.Write(r.stream, flat.Rows(done, done+int64(len(some))), some))
		done += int64(len(some))
	}
}

func (w *weights) group() int {
	if w.format.group == 0 {
		return w.k
	}
	return w.format.group
}

func (w *weights) groups() int { return (w.k + w.group() - 1) / w.group() }

// bytes are those of some matrices.
func (w *weights) bytes(matrices int) float64 {
	of := float64(w.Bytes())
	if w.Data.Rank() == 3 {
		of /= float64(w.Data.Dim(0))
	}
	return float64(matrices) * of
}

// outputs are some rows of matrix e, as [N, K].
func (w *weights) outputs(e int64, which []int64) optest.Matrix {
	if w.format == nil {
		return w.denseOutputs(e, which)
	}
	f := w.format
	q := &optest.Quantized{
		DType: f.dtype, N: len(which), K: w.k, Group: w.group(), ScaleType: f.scale,
		Activations: f.activations, Limit: float64(f.limit),
	}
	for _, n := range which {
		row := e*int64(w.n) + n
		for k := range int64(w.k) {
			q.Q = append(q.Q, w.number(row, k))
		}
		q.Scale = append(q.Scale, w.scale.slice(row*int64(w.groups()), int64(w.groups()))...)
	}
	return q.Matrix()
}

func (w *weights) denseOutputs(e int64, which []int64) optest.Matrix {
	m := optest.Matrix{N: len(which), K: w.k}
	n, k := int64(w.n), int64(w.k)
	for _, c := range which {
		if w.Layout == bindings.LayoutNK {
			m.Data = append(m.Data, w.dense.slice((e*n+c)*k, k)...)
			continue
		}
		for i := range k {
			m.Data = append(m.Data, w.dense.at((e*k+i)*n+c))
		}
	}
	return m
}

// number is number k of a row, without its scale.
func (w *weights) number(row, k int64) float64 {
	dtype := w.format.dtype
	at := row*dtype.RowBytes(int64(w.k)) + k*dtype.Bits()/8
	word := words()[(w.shift+at/4)%period]
	return decode(dtype, k, byte(uint32(word)>>(8*(at%4))))
}

// number is number k of a row that was read as words.
func number(dtype bindings.DType, k int64, row []int32) float64 {
	at := k * dtype.Bits() / 8
	return decode(dtype, k, byte(uint32(row[at/4])>>(8*(at%4))))
}

// decode is number k of a row, of the byte that has it.
func decode(dtype bindings.DType, k int64, code byte) float64 {
	switch {
	case dtype == bindings.F8:
		return optest.E4M3(code)
	case dtype == bindings.I8:
		return float64(int8(code))
	case k%2 == 0:
		return float64(code&15) - 8
	}
	return float64(code>>4) - 8
}
