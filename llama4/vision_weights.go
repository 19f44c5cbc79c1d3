package llama4

import (
	"math"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

// towerWeights is the vision tower's weights, and the tables made from them.
type towerWeights struct {
	patch     []bindings.Weight // [Hv, patch width]
	positions bindings.Tensor   // f32 [S, Hv], with the class embedding in the last row
	angles    bindings.Tensor   // f32 [S, D / 2]
	pre, post affineWeights
	layers    []towerLayerWeights
	// The two matrices after the pixel shuffle, and the projector to the text model.
	adapterIn, adapterOut, projector []bindings.Weight
}

// towerLayerWeights is one block's.
type towerLayerWeights struct {
	attnNorm, mlpNorm affineWeights
	qkv, o, up, down  []bindings.Weight
	qkvBias, oBias    []bindings.Tensor // f32
	upBias, downBias  []bindings.Tensor
}

// affineWeights is a LayerNorm's.
type affineWeights struct{ weight, bias bindings.Tensor }

// patchAlign is what the width of unfolded patches is a multiple of: the 588
// values of published models are not aligned for a GPU, 592 are.
const patchAlign = 8

// patchWidth is the width of a patch's row, of which the last few may be 0.
func (v *VisionConfig) patchWidth() int {
	n := v.Channels * v.PatchSize * v.PatchSize
	return (n + patchAlign - 1) / patchAlign * patchAlign
}

func (p *placement) tower(w *VisionWeights, c *VisionConfig) *towerWeights {
	t := &towerWeights{
		patch: p.matrix(w.Patch, int64(c.patchWidth())),
		pre:   p.affine(w.NormPre), post: p.affine(w.NormPost),
		layers:     make([]towerLayerWeights, len(w.Layers)),
		adapterIn:  p.matrix(w.AdapterIn, w.AdapterIn.Shape[1]),
		adapterOut: p.matrix(w.AdapterOut, w.AdapterOut.Shape[1]),
		projector:  p.matrix(w.Projector, w.Projector.Shape[1]),
	}
	for i := range w.Layers {
		t.layers[i] = p.towerLayer(&w.Layers[i])
	}
	positions, class := w.Position.Float32s(nil), w.Class.Float32s(nil)
	p.done += w.Position.Bytes() + w.Class.Bytes()
	for i, v := range positions[len(positions)-len(class):] {
		positions[len(positions)-len(class)+i] = v + class[i]
	}
	t.positions = p.floats(positions, w.Position.Shape...)
	t.angles = p.floats(c.angles(), int64(c.Positions()), int64(c.HeadDim()/2))
	return t
}

func (p *placement) towerLayer(w *VisionLayerWeights) towerLayerWeights {
	matrices := func(of ...LinearWeights) (weights []bindings.Weight, biases []bindings.Tensor) {
		for _, l := range of {
			weights = append(weights, p.matrix(l.Weight, l.Weight.Shape[1])...)
			biases = append(biases, p.widened(l.Bias))
		}
		return weights, biases
	}
	l := towerLayerWeights{attnNorm: p.affine(w.AttnNorm), mlpNorm: p.affine(w.MLPNorm)}
	l.qkv, l.qkvBias = matrices(w.Q, w.K, w.V)
	l.o, l.oBias = matrices(w.O)
	l.up, l.upBias = matrices(w.Up)
	l.down, l.downBias = matrices(w.Down)
	return l
}

func (p *placement) affine(w AffineWeights) affineWeights {
	return affineWeights{weight: p.widened(w.Weight), bias: p.widened(w.Bias)}
}

// matrix places a matrix with zeros after each row up to a width. One that is
// stored wider than bf16, the type of weights, is rounded.
func (p *placement) matrix(t safetensors.Tensor, width int64) []bindings.Weight {
	if t.DType == safetensors.BF16 && t.Shape[1] == width {
		return []bindings.Weight{{Data: p.tensor(t), Layout: bindings.LayoutNK}}
	}
	if p.err != nil {
		return nil
	}
	values := t.Float32s(nil)
	rows, columns := t.Shape[0], t.Shape[1]
	padded := make([]bindings.BFloat16, rows*width)
	for i, v := range values {
		padded[int64(i)/columns*width+int64(i)%columns] = bindings.BF16FromFloat32(v)
	}
	out := p.upload(bindings.BF16, []int64{rows, width}, func(to bindings.Tensor) error {
		return bindings.Write(p.model.stream, to, padded)
	})
	p.placed(t)
	return []bindings.Weight{{Data: out, Layout: bindings.LayoutNK}}
}

// angles returns by how much the pairs of q and k turn, [positions, head_dim / 2]
// in radians: the first half of a patch's pairs by (x+1) f_j, the second by
// (y+1) f_j, with f_j = theta^(-2j/(head_dim/2)), each step rounded to float32 as
// the reference does it (Llama4VisionRotaryEmbedding). The class token, the last
// row, does not turn.
func (v *VisionConfig) angles() []float32 {
	grid, quarter := v.Grid(), v.HeadDim()/4
	freqs := make([]float32, quarter)
	for j := range freqs {
		exponent := float32(2*j) / float32(2*quarter)
		freqs[j] = 1 / float32(math.Pow(float64(float32(v.RopeTheta)), float64(exponent)))
	}
	angles := make([]float32, 0, v.Positions()*2*quarter)
	for i := range v.Patches() {
		for _, at := range []int{i % grid, i / grid} {
			for _, f := range freqs {
				angles = append(angles, float32(at+1)*f)
			}
		}
	}
	return append(angles, make([]float32, 2*quarter)...)
}
