package optest

import (
	"fmt"
	"testing"

	"github.com/llama4go/llama4go/bindings"
)

func TestUnfold(t *testing.T) {
	for _, size := range []struct {
		tiles int
		Picture
	}{
		{1, Picture{Channels: 1, Side: 1, Patch: 1, Rows: 1, Columns: 1}},
		{1, Picture{Channels: 3, Side: 12, Patch: 4, Rows: 9, Columns: 48}},
		{2, Picture{Channels: 3, Side: 12, Patch: 4, Rows: 10, Columns: 48}}, // a row for the class
		{2, Picture{Channels: 3, Side: 12, Patch: 4, Rows: 9, Columns: 56}},
		{3, Picture{Channels: 1, Side: 15, Patch: 5, Rows: 12, Columns: 29}}, // odd, one channel
		{2, Picture{Channels: 2, Side: 21, Patch: 7, Rows: 10, Columns: 98}},
		{1, Picture{Channels: 4, Side: 8, Patch: 8, Rows: 3, Columns: 256}}, // one patch
		{2, Picture{Channels: 3, Side: 6, Patch: 1, Rows: 40, Columns: 3}},
		{2, Picture{Channels: 3, Side: 56, Patch: 14, Rows: 17, Columns: 592}}, // as in Llama 4
		{5, Picture{Channels: 3, Side: 28, Patch: 14, Rows: 5, Columns: 588}},
		{1, Picture{Channels: 5, Side: 34, Patch: 17, Rows: 4, Columns: 1600}},
	} {
		for _, in := range acts {
			for _, act := range acts {
				t.Run(fmt.Sprintf("%+v,%v,%v", size, in, act), func(t *testing.T) { testUnfold(t, size.tiles, size.Picture, in, act) })
			}
		}
	}
}

func testUnfold(t *testing.T, tiles int, p Picture, in, act bindings.DType) {
	x := random(newRand(t.Name()), in, tiles*p.Channels*p.Side*p.Side)
	want := Unfold(p, x, act)
	onTargets(t, func(t *testing.T, r *rig) {
		a := bindings.UnfoldArgs{
			Patch: p.Patch,
			X:     r.floats("x", in, x, int64(tiles), int64(p.Channels), int64(p.Side), int64(p.Side)),
			Out:   r.out("out", act, int64(tiles), int64(p.Rows), int64(p.Columns)),
		}
		r.ran(r.stream.Unfold(&a), act == bindings.F32)
		Compare(t, "out", r.read(a.Out), want)
	})
}
