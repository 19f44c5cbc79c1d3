package bench

import (
	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/bindings/optest"
)

// tower are the sizes of a vision tower.
type tower struct {
	side, patch, columns        int // of a tile and a patch, in pixels; of the unfolded patches
	hidden, heads, intermediate int
	factor, projector, text     int // of the pixel shuffle; of the rows made of it; the text model's
}

var (
	llamaTower = tower{
		side: 336, patch: 14, columns: 592, hidden: 1408, heads: 16, intermediate: 5632,
		factor: 2, projector: 4096, text: 5120,
	}
	tinyTower = tower{
		side: 12, patch: 3, columns: 32, hidden: 24, heads: 3, intermediate: 40,
		factor: 2, projector: 36, text: 20,
	}
)

// vision lists what the vision tower does with tiles, which are sequences of g^2
// patches and a class token.
func (p plan) vision() []shape {
	var out []shape
	w := p.tower
	g := w.side / w.patch
	add := func(operation, kind string, d dims) {
		out = append(out, shape{operation: operation, kind: kind, dims: d})
	}
	for _, tiles := range p.tiles {
		rows := g*g + 1
		matmul := func(kind string, rows, n, k, bias int, activation bindings.Activation) {
			add("Matmul", "vision_"+kind, dims{
				"tiles": tiles, "m": tiles * rows, "n": n, "k": k, "bias": bias, "gelu": int(activation),
			})
		}
		shuffled := rows / (w.factor * w.factor)
		matmul("patches", rows, w.hidden, w.columns, 0, bindings.ActivationNone)
		matmul("qkv", rows, 3*w.hidden, w.hidden, 1, bindings.ActivationNone)
		matmul("o", rows, w.hidden, w.hidden, 1, bindings.ActivationNone)
		matmul("fc1", rows, w.intermediate, w.hidden, 1, bindings.ActivationGELU)
		matmul("fc2", rows, w.hidden, w.intermediate, 1, bindings.ActivationNone)
		matmul("adapter_fc1", shuffled, w.projector, w.hidden*w.factor*w.factor, 0, bindings.ActivationGELU)
		matmul("adapter_fc2", shuffled, w.projector, w.projector, 0, bindings.ActivationGELU)
		matmul("projector", shuffled, w.text, w.projector, 0, bindings.ActivationNone)
		add("Attention", "vision", dims{
			"sequences": tiles, "new": rows, "context": rows, "bidirectional": 1,
			"heads": w.heads, "kv_heads": w.heads, "dim": w.hidden / w.heads,
		})
		add("LayerNorm", "", dims{"tiles": tiles, "tokens": tiles * rows, "hidden": w.hidden})
		add("Unfold", "", dims{"tiles": tiles, "side": w.side, "patch": w.patch, "rows": rows, "columns": w.columns})
		add("PixelShuffle", "", dims{"tiles": tiles, "g": g, "factor": w.factor, "rows": rows, "channels": w.hidden})
	}
	return out
}

func layerNorm(r *rig, s shape) job {
	tokens, hidden := s.dims["tokens"], s.dims["hidden"]
	const eps = 1e-5
	x, w, b := r.random(bindings.F32, 1, tokens, hidden), r.random(bindings.BF16, 1, hidden), r.random(bindings.BF16, 1, hidden)
	args := &bindings.LayerNormArgs{
		Eps: eps, X: x.Tensor, Weight: w.Tensor, Bias: b.Tensor, Out: r.empty(r.act, tokens, hidden),
	}
	return job{
		bytes: float64(x.Bytes() + w.Bytes() + b.Bytes() + args.Out.Bytes()),
		run:   func() error { return r.stream.LayerNorm(args) },
		check: func() error {
			n := int64(hidden)
			for _, t := range ends(tokens) {
				want := optest.LayerNorm(x.slice(t*n, n), w.slice(0, n), b.slice(0, n), float64(float32(eps)), r.act)
				if err := optest.Difference(r.row(args.Out, t), want); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func unfold(r *rig, s shape) job {
	tiles := s.dims["tiles"]
	const channels = 3
	p := optest.Picture{
		Channels: channels, Side: s.dims["side"], Patch: s.dims["patch"], Rows: s.dims["rows"], Columns: s.dims["columns"],
	}
	x := r.random(bindings.BF16, 1, tiles, channels, p.Side, p.Side)
	args := &bindings.UnfoldArgs{Patch: p.Patch, X: x.Tensor, Out: r.empty(r.act, tiles, p.Rows, p.Columns)}
	return job{
		bytes: float64(x.Bytes() + args.Out.Bytes()),
		run:   func() error { return r.stream.Unfold(args) },
		check: func() error {
			size := x.Elements() / int64(tiles)
			for _, t := range ends(tiles) {
				want := optest.Unfold(p, x.slice(t*size, size), r.act)
				if err := optest.Difference(r.row(args.Out, t), want); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func pixelShuffle(r *rig, s shape) job {
	tiles, g, factor, rows, channels := s.dims["tiles"], s.dims["g"], s.dims["factor"], s.dims["rows"], s.dims["channels"]
	squares := g * g / (factor * factor)
	x := r.random(r.act, 1, tiles, rows, channels)
	args := &bindings.PixelShuffleArgs{Factor: factor, X: x.Tensor, Out: r.empty(r.act, tiles, squares, channels*factor*factor)}
	return job{
		bytes: float64(2 * args.Out.Bytes()),
		run:   func() error { return r.stream.PixelShuffle(args) },
		check: func() error {
			size := int64(rows * channels)
			for _, t := range ends(tiles) {
				want := optest.PixelShuffle(x.slice(t*size, size), rows, channels, g, factor)
				if err := optest.Difference(r.row(args.Out, t), want); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
