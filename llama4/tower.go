package llama4

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/vision"
)

// maxTowerTiles bounds the tiles of one pass over the vision tower, so that its
// memory does not grow with the pictures of a request: one picture of published
// models has 17 at most.
const maxTowerTiles = 20

// tower is one pass over the vision tower: tiles become patches as the text model
// takes them. Rows of its activations are positions, a tile's together: patches
// row by row, and last the class token.
type tower struct {
	*Model
	vision  *VisionConfig
	weights *towerWeights
	work    *workspace
	tiles   int
	batch   bindings.Batch
	kv      bindings.KV // a page a tile

	x    bindings.Tensor // [T, Hv]: the residual stream, in fp32 as in the text model
	h, q bindings.Tensor // [T, Hv]
	qkv  bindings.Tensor // [T, 3 Hv] in fp32
	up   bindings.Tensor // [T, intermediate]
}

// tilePart is a tile and where its patches go, [patches, hidden].
type tilePart struct {
	pix []byte // three planes
	out bindings.Tensor
}

// tileParts are a picture's tiles.
func tileParts(p *vision.Tiles, out bindings.Tensor) []tilePart {
	parts := make([]tilePart, p.Count())
	size, patches := len(p.Pix)/len(parts), out.Dim(0)/int64(len(parts))
	for i := range parts {
		parts[i] = tilePart{p.Pix[i*size : (i+1)*size], out.Rows(int64(i)*patches, int64(i+1)*patches)}
	}
	return parts
}

// encodeTiles runs the vision tower, and waits until it is done.
func (m *Model) encodeTiles(ctx context.Context, parts []tilePart) (err error) {
	work := workspace{device: m.device, stream: m.stream}
	defer func() {
		err = errors.Join(err, m.stream.Synchronize()) // what is in flight uses the workspace
		work.close()
	}()
	for some := range slices.Chunk(parts, maxTowerTiles) {
		t, err := m.newTower(&work, some)
		if err == nil {
			err = t.run(ctx, some)
		}
		if err != nil {
			return fmt.Errorf("vision tower: %w", err)
		}
	}
	return nil
}

// newTower uploads tiles and takes the memory for a pass over them.
func (m *Model) newTower(work *workspace, tiles []tilePart) (*tower, error) {
	v := m.config.Vision
	n, positions := int64(len(tiles)), int64(v.Positions())
	rows, hidden := n*positions, int64(v.Hidden)
	t := &tower{
		Model: m, vision: v, weights: m.weights.tower, work: work, tiles: len(tiles),
		x:   work.tensor("x", bindings.F32, rows, hidden),
		h:   work.tensor("h", m.act, rows, hidden),
		q:   work.tensor("q", m.act, rows, hidden),
		qkv: work.tensor("qkv", bindings.F32, rows, 3*hidden),
		up:  work.tensor("up", m.act, rows, int64(v.Intermediate)),
		kv: bindings.KV{
			K: work.tensor("k", m.kvType, n, int64(v.Heads), positions, int64(v.HeadDim())),
			V: work.tensor("v", m.kvType, n, int64(v.Heads), positions, int64(v.HeadDim())),
		},
	}
	if err := work.take(); err != nil {
		return nil, err
	}
	if err := t.describe(); err != nil {
		return nil, err
	}
	return t, t.embed(tiles)
}

// describe uploads the batch: a sequence and a page a tile.
func (t *tower) describe() error {
	positions := t.vision.Positions()
	u := upload{}
	start, starts := u.begin(t.tiles + 1)
	for i := range starts {
		starts[i] = int32(i * positions)
	}
	page, pages := u.begin(t.tiles)
	for i := range pages {
		pages[i] = int32(i)
	}
	past := u.int32s(make([]int32, t.tiles))
	buffer, err := u.send(t.work, "batch")
	if err != nil {
		return err
	}
	t.batch = bindings.Batch{
		Sequences: t.tiles, Tokens: t.tiles * positions, MaxNew: positions, MaxContext: positions,
		SeqStart: start.in(buffer, bindings.I32), Past: past.in(buffer, bindings.I32),
	}
	t.kv.PageTable = page.in(buffer, bindings.I32, int64(t.tiles), 1)
	return nil
}

// embed makes x of the tiles' pixels: the patches' product with the patch weights,
// and for all rows the positions' embeddings, which in the class token's row are
// the whole.
func (t *tower) embed(tiles []tilePart) error {
	v, n, positions := t.vision, int64(t.tiles), int64(t.vision.Positions())
	pixels := make([]bindings.BFloat16, 0, len(tiles)*len(tiles[0].pix))
	for _, tile := range tiles {
		pixels = appendNormalized(pixels, tile.pix, &t.images.normalized)
	}
	size := int64(v.ImageSize)
	x := t.work.tensor("pixels", bindings.BF16, n, int64(v.Channels), size, size)
	patches := t.work.tensor("patches", t.act, n, positions, int64(v.patchWidth()))
	if err := t.work.take(); err != nil {
		return err
	}
	if err := bindings.Write(t.stream, x, pixels); err != nil {
		return err
	}
	err := t.stream.Unfold(&bindings.UnfoldArgs{Patch: v.PatchSize, X: x, Out: patches})
	if err != nil {
		return err
	}
	for i := range n {
		if err := t.stream.Copy(t.x.Rows(i*positions, (i+1)*positions), t.weights.positions); err != nil {
			return err
		}
	}
	return t.matmul(&bindings.MatmulArgs{
		X: patches.Reshape(n*positions, patches.Dim(2)), Weights: t.weights.patch, Out: t.x, Accumulate: true,
	})
}

// appendNormalized appends a tile's pixels, three planes of bytes, as bf16.
func appendNormalized(dst []bindings.BFloat16, tile []byte, table *[3][256]uint16) []bindings.BFloat16 {
	plane := len(tile) / len(table)
	for c := range table {
		for _, value := range tile[c*plane : (c+1)*plane] {
			dst = append(dst, bindings.BFloat16(table[c][value]))
		}
	}
	return dst
}

// run goes through the blocks and the adapter to the features.
func (t *tower) run(ctx context.Context, tiles []tilePart) error {
	if err := t.norm(&t.weights.pre, t.x); err != nil {
		return err
	}
	if err := t.tap(t.x, "vision.embed"); err != nil {
		return err
	}
	for i := range t.weights.layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.layer(&t.weights.layers[i]); err != nil {
			return fmt.Errorf("layer %d: %w", i, err)
		}
		if err := t.tap(t.x, "vision.layers.%d", i); err != nil {
			return err
		}
	}
	if err := t.norm(&t.weights.post, t.h); err != nil {
		return err
	}
	if err := t.tap(t.h, "vision.norm"); err != nil {
		return err
	}
	features, err := t.adapt()
	if err != nil {
		return err
	}
	patches := int64(t.vision.Tokens())
	for i, tile := range tiles {
		if err := t.stream.Copy(tile.out, features.Rows(int64(i)*patches, int64(i+1)*patches)); err != nil {
			return err
		}
	}
	return nil
}

func (t *tower) norm(w *affineWeights, out bindings.Tensor) error {
	return t.stream.LayerNorm(&bindings.LayerNormArgs{
		Eps: t.vision.Eps, X: t.x, Weight: w.weight, Bias: w.bias, Out: out,
	})
}

// matmul fills in how the model computes.
func (t *tower) matmul(a *bindings.MatmulArgs) error {
	a.Compute = t.options.Compute
	return t.stream.Matmul(a)
}

// layer is one block: x += attention(norm(x)), x += mlp(norm(x)).
func (t *tower) layer(w *towerLayerWeights) error {
	if err := t.norm(&w.attnNorm, t.h); err != nil {
		return err
	}
	if err := t.attention(w); err != nil {
		return err
	}
	if err := t.norm(&w.mlpNorm, t.h); err != nil {
		return err
	}
	err := t.matmul(&bindings.MatmulArgs{
		X: t.h, Weights: w.up, Bias: w.upBias, Activation: bindings.ActivationGELU, Out: t.up,
	})
	if err != nil {
		return err
	}
	return t.matmul(&bindings.MatmulArgs{X: t.up, Weights: w.down, Bias: w.downBias, Out: t.x, Accumulate: true})
}

// attention adds attention over a tile's own positions to x.
func (t *tower) attention(w *towerLayerWeights) error {
	rows, heads, headDim := t.h.Dim(0), int64(t.vision.Heads), int64(t.vision.HeadDim())
	err := t.matmul(&bindings.MatmulArgs{X: t.h, Weights: w.qkv, Bias: w.qkvBias, Out: t.qkv})
	if err != nil {
		return err
	}
	q, attn := t.q.Reshape(rows, heads, headDim), t.h.Reshape(rows, heads, headDim)
	err = t.stream.QKVEpilogue(&bindings.QKVEpilogueArgs{
		Batch: t.batch, QKV: t.qkv, Angles: t.weights.angles, Q: q, KV: t.kv,
	})
	if err != nil {
		return err
	}
	err = t.stream.Attention(&bindings.AttentionArgs{
		Scale: float32(1 / math.Sqrt(float64(headDim))), Bidirectional: true, Compute: t.options.Compute,
		Batch: t.batch, Q: q, KV: t.kv, Out: attn,
	})
	if err != nil {
		return err
	}
	return t.matmul(&bindings.MatmulArgs{X: t.h, Weights: w.o, Bias: w.oBias, Out: t.x, Accumulate: true})
}

// adapt makes features of h: squares of patches become one, which goes through
// the adapter's two layers and the projector.
func (t *tower) adapt() (features bindings.Tensor, err error) {
	v, n := t.vision, int64(t.tiles)
	rows := n * int64(v.Tokens())
	shuffled := t.work.tensor("shuffled", t.act, rows, int64(v.Intermediate))
	in := t.work.tensor("adapter_in", t.act, rows, int64(v.ProjectorIn))
	out := t.work.tensor("adapter_out", t.act, rows, int64(v.OutputDim))
	features = t.work.tensor("features", t.act, rows, int64(t.config.Hidden))
	if err := t.work.take(); err != nil {
		return features, err
	}
	err = t.stream.PixelShuffle(&bindings.PixelShuffleArgs{
		Factor: v.Shuffle,
		X:      t.h.Reshape(n, int64(v.Positions()), int64(v.Hidden)),
		Out:    shuffled.Reshape(n, int64(v.Tokens()), int64(v.Intermediate)),
	})
	if err != nil {
		return features, err
	}
	if err := t.tap(shuffled, "vision.shuffle"); err != nil {
		return features, err
	}
	for _, step := range []struct {
		x, out     bindings.Tensor
		weights    []bindings.Weight
		activation bindings.Activation
		tap        string
	}{
		{shuffled, in, t.weights.adapterIn, bindings.ActivationGELU, "adapter_in"},
		{in, out, t.weights.adapterOut, bindings.ActivationGELU, "adapter"},
		{out, features, t.weights.projector, bindings.ActivationNone, "features"},
	} {
		err := t.matmul(&bindings.MatmulArgs{X: step.x, Weights: step.weights, Activation: step.activation, Out: step.out})
		if err != nil {
			return features, err
		}
		if err := t.tap(step.out, "vision.%s", step.tap); err != nil {
			return features, err
		}
	}
	return features, nil
}
