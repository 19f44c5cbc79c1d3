package llama4

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/quant"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

// deviceWeights is the model's weights where the device can use them.
type deviceWeights struct {
	embed   bindings.Tensor // [V, H]
	layers  []layerWeights
	norm    bindings.Tensor // [H]
	head    bindings.Weight // [V, H]
	invFreq bindings.Tensor // f32 [D / 2]
	tower   *towerWeights   // nil for text-only models

	bytes   int64 // of all of them
	buffers []*bindings.Buffer
}

// layerWeights is one layer's; those of the feed-forward that it does not have
// are absent.
type layerWeights struct {
	inputNorm, postNorm        bindings.Tensor
	qkv, o                     []bindings.Weight
	gateUp, down               []bindings.Weight // dense layer or shared expert
	router                     bindings.Tensor   // [E, H]
	expertsGateUp, expertsDown bindings.Weight   // [E, H, 2F], [E, F, H]
}

func (w *deviceWeights) close() {
	if w == nil {
		return
	}
	for _, b := range w.buffers {
		_ = b.Close()
	}
}

// placement puts tensors on the device and keeps the first error.
type placement struct {
	ctx     context.Context
	model   *Model
	visible bool // the device uses the mapped file itself
	fits    bool // the host's memory holds the whole checkpoint
	weights *deviceWeights
	preset  quant.Preset
	stage   scratch // for what is to be quantized
	done    int64
	total   int64
	touched byte // keeps the reads of touch from being optimised away
	err     error
}

// placeWeights makes the weights usable on the model's device: a view of the
// mapped file where the device sees the host's memory, a copy elsewhere. The
// weights returned are to be closed, also on error.
func placeWeights(ctx context.Context, m *Model, w *Weights) (*deviceWeights, error) {
	info, err := m.device.Info()
	if err != nil {
		return nil, err
	}
	p := &placement{ctx: ctx, model: m, visible: info.HostVisible, preset: m.preset, weights: &deviceWeights{}}
	p.total = w.placedBytes()
	for _, n := range w.LoadedBytes(m.preset) {
		p.weights.bytes += n
	}
	p.fits = p.weights.bytes < info.MemoryTotal
	defer p.stage.close()
	p.text(&w.TextWeights, m.config)
	if w.Vision != nil {
		p.weights.tower = p.tower(w.Vision, m.config.Vision)
	}
	p.model.options.Progress(p.total, p.total)
	return p.weights, p.err
}

func (p *placement) text(w *TextWeights, c *Config) {
	d := p.weights
	d.embed = p.tensor(w.Embed)
	d.layers = make([]layerWeights, len(w.Layers))
	for i := range w.Layers {
		d.layers[i] = p.layer(&w.Layers[i])
	}
	d.norm = p.tensor(w.Norm)
	if c.TieEmbeddings && !p.preset.Applies(PartHead, -1, c.Layers) {
		d.head = bindings.Weight{Data: d.embed}
	} else {
		d.head = p.linear(&w.Head)
	}
	frequencies := c.RoPE.InvFreq(c.HeadDim)
	d.invFreq = p.floats(frequencies, int64(len(frequencies)))
}

func (p *placement) layer(w *LayerWeights) layerWeights {
	l := layerWeights{
		inputNorm: p.tensor(w.AttnNorm), postNorm: p.tensor(w.FFNNorm),
		qkv: []bindings.Weight{p.linear(&w.Attn.Q), p.linear(&w.Attn.K), p.linear(&w.Attn.V)},
		o:   []bindings.Weight{p.linear(&w.Attn.O)},
	}
	mlp := w.MLP
	if w.MoE != nil {
		mlp = &w.MoE.Shared
		l.router = p.tensor(w.MoE.Router)
		l.expertsGateUp, l.expertsDown = p.linear(&w.MoE.GateUp), p.linear(&w.MoE.Down)
	}
	l.gateUp = []bindings.Weight{p.linear(&mlp.Gate), p.linear(&mlp.Up)}
	l.down = []bindings.Weight{p.linear(&mlp.Down)}
	return l
}

// tensor places a tensor of the checkpoint.
func (p *placement) tensor(t safetensors.Tensor) (out bindings.Tensor) {
	if p.err != nil {
		return out
	}
	if p.err = p.ctx.Err(); p.err != nil {
		return out
	}
	switch {
	case t.DType == safetensors.F16: // which no operation reads
		return p.widened(t)
	case p.visible && aligned(t):
		if p.touch(t.Data); p.err == nil {
			out = p.wrapped(t.Data, dtypes[t.DType], t.Shape...)
		}
	default:
		out = p.upload(dtypes[t.DType], t.Shape, func(to bindings.Tensor) error {
			return p.model.stream.WriteBytes(to.Buffer, to.Offset, t.Data)
		})
		p.model.files.Unload(t.Data)
	}
	p.placed(t)
	return out
}

// placed notes that a tensor is done, or why not.
func (p *placement) placed(t safetensors.Tensor) {
	if p.err != nil {
		p.err = fmt.Errorf("tensor %s: %w", t.Name, p.err)
	}
	p.done += t.Bytes()
	p.model.options.Progress(p.done, p.total)
}

// dtypes are the types that operations take weights in.
var dtypes = map[safetensors.DType]bindings.DType{
	safetensors.BF16: bindings.BF16, safetensors.F32: bindings.F32,
}

// aligned says whether the elements may be read where the file is mapped.
func aligned(t safetensors.Tensor) bool {
	size := uintptr(dtypes[t.DType].Size())
	return uintptr(unsafe.Pointer(unsafe.SliceData(t.Data)))%size == 0
}

// touch reads a byte of every page, so that loading, and not the first token,
// waits for the disk. A checkpoint larger than the memory would only push itself
// out again.
func (p *placement) touch(data []byte) {
	const page = 4096
	if !p.fits {
		return
	}
	for i := 0; i < len(data) && p.err == nil; i += page {
		p.touched += data[i]
		if i%(page<<10) == 0 {
			p.err = p.ctx.Err()
		}
	}
}

// wrapped is memory of the host as a tensor of the device, which shares it.
func (p *placement) wrapped(data []byte, dtype bindings.DType, shape ...int64) (out bindings.Tensor) {
	b, err := p.model.device.WrapHost(data)
	if err != nil {
		p.err = err
		return out
	}
	p.weights.buffers = append(p.weights.buffers, b)
	return b.Tensor(dtype, shape...)
}

// widened places a tensor of the checkpoint as fp32.
func (p *placement) widened(t safetensors.Tensor) (out bindings.Tensor) {
	if p.err == nil {
		out = p.floats(t.Float32s(nil), t.Shape...)
		p.placed(t)
	}
	return out
}

// floats places numbers that are not in the checkpoint as they are.
func (p *placement) floats(values []float32, shape ...int64) bindings.Tensor {
	return p.upload(bindings.F32, shape, func(to bindings.Tensor) error {
		return bindings.Write(p.model.stream, to, values)
	})
}

// upload makes a tensor in the device's memory and fills it.
func (p *placement) upload(dtype bindings.DType, shape []int64, fill func(bindings.Tensor) error) bindings.Tensor {
	out := p.room(dtype, shape...)
	if p.err == nil {
		p.err = fill(out)
	}
	return out
}

// room makes a tensor in the device's memory.
func (p *placement) room(dtype bindings.DType, shape ...int64) (out bindings.Tensor) {
	if p.err != nil {
		return out
	}
	if out, p.err = p.model.device.NewTensor(dtype, shape...); p.err == nil {
		p.weights.buffers = append(p.weights.buffers, out.Buffer)
	}
	return out
}
