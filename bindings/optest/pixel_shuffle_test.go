package optest

import (
	"fmt"
	"testing"

	"github.com/llama4go/llama4go/bindings"
)

func TestPixelShuffle(t *testing.T) {
	for _, size := range []struct{ tiles, g, factor, rows, channels int }{
		{1, 1, 1, 1, 1}, {2, 4, 1, 16, 8}, {1, 2, 2, 4, 3}, {3, 4, 2, 17, 33}, {2, 6, 2, 40, 8}, {1, 3, 3, 9, 16},
		{2, 9, 3, 82, 5}, {2, 12, 4, 144, 24}, {2, 24, 2, 577, 40},
		{2, 4, 2, 17, 1408}, {1, 4, 4, 16, 131},
	} {
		for _, act := range acts {
			t.Run(fmt.Sprintf("%+v,%v", size, act), func(t *testing.T) {
				x := random(newRand(t.Name()), act, size.tiles*size.rows*size.channels)
				want := PixelShuffle(x, size.rows, size.channels, size.g, size.factor)
				side := int64(size.g / size.factor)
				onTargets(t, func(t *testing.T, r *rig) {
					a := bindings.PixelShuffleArgs{
						Factor: size.factor,
						X:      r.floats("x", act, x, int64(size.tiles), int64(size.rows), int64(size.channels)),
						Out:    r.out("out", act, int64(size.tiles), side*side, int64(size.channels*size.factor*size.factor)),
					}
					r.ran(r.stream.PixelShuffle(&a), act == bindings.F32)
					Compare(t, "out", r.read(a.Out), want)
				})
			})
		}
	}
}
