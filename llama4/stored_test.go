package llama4

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/quant"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

const (
	float8  = `"num_bits":8,"type":"float","strategy":%q`
	byToken = `{"num_bits":8,"type":"float","strategy":"token","dynamic":true}`
	static  = `{"num_bits":8,"type":"float","strategy":"tensor","dynamic":false}`
)

// scalar is a tensor of one number.
func scalar(name string, v float32, shape ...int64) safetensors.Tensor {
	t := zeros(name, safetensors.F32, shape...)
	_, one := quant.Quantize(quant.Format{Type: quant.F8, Scale: quant.F32}, []float32{v * quant.F8Max}, 1)
	for i := range t.Elements() {
		copy(t.Data[4*i:], one)
	}
	return t
}

// storeTensorF8 stores 8-bit floats with a scale for all and one for the input.
func storeTensorF8(module string, w []float32, n, k int64) []safetensors.Tensor {
	values, _ := quant.Quantize(quant.Format{Type: quant.F8, Scale: quant.F32}, w, n*k)
	return []safetensors.Tensor{
		bytesTensor(module+".weight", safetensors.F8_E4M3, values, n, k),
		scalar(module+".weight_scale", 1.0/64), scalar(module+".input_scale", 1.0/32, 1),
	}
}

// storeFused stores experts as ModelOpt does, [E, K, N] with a scale of the given shape.
func storeFused(scaleShape ...int64) func(l *Linear) []safetensors.Tensor {
	return func(l *Linear) []safetensors.Tensor {
		w, k := l.rows(), l.Columns()
		if len(l.Shape) == 2 {
			return storeTensorF8(l.Name, w, l.Shape[0], k)
		}
		var tensors []safetensors.Tensor
		experts, n := l.Shape[0], l.Shape[1]
		data := make([]byte, len(w))
		for e := range experts {
			values, _ := quant.Quantize(quant.Format{Type: quant.F8, Scale: quant.F32}, w[e*n*k:(e+1)*n*k], n*k)
			for i, v := range values {
				data[(e*k+int64(i)%k)*n+int64(i)/k] = v
			}
		}
		return append(tensors, bytesTensor(l.Name, safetensors.F8_E4M3, data, experts, k, n),
			scalar(l.Name+"_weight_scale", 1.0/64, scaleShape...), scalar(l.Name+"_input_scale", 1.0/32))
	}
}

// storeGateUp is storeTensorF8 for experts one by one, whose gate and up projection
// share a range as the fused ones do.
func storeGateUp(l *Linear) (tensors []safetensors.Tensor) {
	w, k := l.rows(), l.Columns()
	if len(l.Shape) == 2 {
		return storeTensorF8(l.Name, w, l.Shape[0], k)
	}
	n := l.Shape[1]
	modules := []string{"down_proj"}
	if strings.HasSuffix(l.Name, "gate_up_proj") {
		modules = []string{"gate_proj", "up_proj"}
	}
	for e := range l.Shape[0] {
		values, _ := quant.Quantize(quant.Format{Type: quant.F8, Scale: quant.F32}, w[e*n*k:(e+1)*n*k], n*k)
		rows := n / int64(len(modules))
		for i, module := range modules {
			name := l.expert(e, module)
			tensors = append(tensors, bytesTensor(name+".weight", safetensors.F8_E4M3, values[int64(i)*rows*k:int64(i+1)*rows*k], rows, k),
				scalar(name+".weight_scale", 1.0/64, 1), scalar(name+".input_scale", 1.0/32, 1))
		}
	}
	return tensors
}

// ModelOpt's fused experts are the same as those of one module each.
func TestFusedExperts(t *testing.T) {
	const modelOpt = `{"quant_method":"modelopt","quant_algo":"FP8","ignore":["*router*"]}`
	one := writeModel(t, "scout16", compressed("float-quantized", fmt.Sprintf(float8, "tensor"), static), storeGateUp)
	for _, shape := range [][]int64{{}, {1}, {16}, {16, 1}, {16, 1, 1}} {
		fused := writeModel(t, "scout16", modelOpt, storeFused(shape...))
		for _, device := range testDevices(t) {
			o := Options{Device: device, placeBytes: 3000}
			a, b := openFolder(t, one, o), openFolder(t, fused, o)
			requireSameWeights(t, a, b)
		}
		o := Options{Device: "cpu", Compute: bindings.ComputeF32}
		require.Equal(t, logProbs(t, "scout16", one, o), logProbs(t, "scout16", fused, o))
	}
}

func openFolder(t *testing.T, dir string, o Options) *Model {
	t.Helper()
	m, err := Open(t.Context(), dir, &o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// requireSameWeights compares two models bit by bit.
func requireSameWeights(t *testing.T, a, b *Model) {
	t.Helper()
	want, got := a.weights.placed(), b.weights.placed()
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, want[i].Data.Shape(), got[i].Data.Shape())
		require.Equal(t, want[i].Data.DType, got[i].Data.DType)
		require.Equal(t, want[i].Layout, got[i].Layout)
		require.Equal(t, want[i].Activations, got[i].Activations)
		require.Equal(t, want[i].Limit, got[i].Limit)
		require.Equal(t, want[i].Group, got[i].Group)
		require.Equal(t, readBytes(t, a, want[i].Data), readBytes(t, b, got[i].Data), i)
		if !want[i].Scale.Absent() {
			require.Equal(t, readBytes(t, a, want[i].Scale), readBytes(t, b, got[i].Scale), i)
		}
	}
}

// Every layout comes to the same place on every device: what is used where it is
// mapped, what is copied, and what is converted in pieces.
func TestStoredOnDevices(t *testing.T) {
	int4 := quant.Format{Type: quant.I4, Group: 32, Scale: quant.BF16}
	fp8 := quant.Format{Type: quant.F8, Scale: quant.F32}
	for _, row := range []struct {
		config string
		store  store
		format quant.Format
	}{
		{packed("group", 32), storePacked(int4), int4},
		{compressed("float-quantized", fmt.Sprintf(float8, "channel"), byToken),
			storeF8(fp8, func(n, groups int64) []int64 { return []int64{n, groups} }), fp8},
	} {
		dir := writeQuantized(t, "scout16", row.config, row.store)
		_, w := openWeights(t, "testdata/scout16")
		linears := slices.Collect(w.Linears())
		for _, device := range testDevices(t) {
			m := openFolder(t, dir, Options{Device: device, placeBytes: 3000})
			for i, got := range m.weights.placed() {
				l := linears[i]
				values, scales := quant.Quantize(row.format, l.rows(), l.Columns())
				require.Equal(t, values, readBytes(t, m, got.Data), l.Name)
				require.Equal(t, scales, readBytes(t, m, got.Scale), l.Name)
			}
		}
	}
}

// Experts that a scheme leaves alone may be modules of their own in BF16; they can be
// quantized at load like others.
func TestPlainExpertsOneByOne(t *testing.T) {
	plain := func(module string, w []float32, n, k int64) []safetensors.Tensor {
		data := make([]byte, 0, 2*len(w))
		for _, v := range w {
			b := bindings.BF16FromFloat32(v)
			data = append(data, byte(b), byte(b>>8))
		}
		return []safetensors.Tensor{bytesTensor(module+".weight", safetensors.BF16, data, n, k)}
	}
	dir := writeQuantized(t, "scout16", packed("group", 32), plain)
	for _, device := range testDevices(t) {
		for _, preset := range []string{"int4", "fp8-all"} {
			o := Options{Device: device, Quant: preset, placeBytes: 3000}
			requireSameWeights(t, openTest(t, "scout16", o), openFolder(t, dir, o))
		}
	}
	o := Options{Device: "cpu", Compute: bindings.ComputeF32}
	require.Equal(t, logProbs(t, "scout16", "testdata/scout16", o), logProbs(t, "scout16", dir, o))
	for _, device := range testDevices(t) {
		o := Options{Device: device}
		requireSameWeights(t, openTest(t, "scout16", o), openFolder(t, dir, o))
	}
}
