package bench

import (
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/bindings/optest"
)

// quantize makes an expert of few bits from one as it is stored.
func quantize(r *rig, s shape) job {
	n, k := s.dims["n"], s.dims["k"]
	x := r.experts(nil, 1, n, k)
	out := &weights{format: s.format, n: n, k: k}
	row := s.format.dtype.RowBytes(int64(k))
	args := &bindings.QuantizeArgs{X: x.Weight, Out: bindings.Weight{
		Data: r.empty(s.format.dtype, 1, n, k), Group: int64(out.group()), Scale: r.empty(s.format.scale, 1, n, out.groups()),
	}}
	// check holds a row, read as words, against the reference.
	check := func(c int64) error {
		want := optest.Quantize(x.outputs(0, []int64{c}), s.format.dtype, out.group(), s.format.scale)
		scales, err := bindings.ReadFloat32s(r.stream, args.Out.Scale.Reshape(int64(n), int64(out.groups())).Rows(c, c+1))
		require.NoError(r.b, err)
		if !slices.Equal(widen(scales), want.Scale) {
			return fmt.Errorf("row %d: wrong scales", c)
		}
		got := make([]int32, row/4)
		words := args.Out.Data.Buffer.Tensor(bindings.I32, int64(n), row/4).Rows(c, c+1)
		require.NoError(r.b, bindings.Read(r.stream, words, got))
		for i, q := range want.Q {
			if number(s.format.dtype, int64(i), got) != q {
				return fmt.Errorf("row %d, number %d: not %v", c, i, q)
			}
		}
		return nil
	}
	return job{
		bytes: x.bytes(1) + float64(args.Out.Bytes()),
		run:   func() error { return r.stream.Quantize(args) },
		check: func() error {
			for _, c := range ends(n) {
				if err := check(c); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
