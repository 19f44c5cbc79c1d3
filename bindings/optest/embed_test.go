package optest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

type embedSize struct{ vocabulary, hidden, tokens, features int }

func TestEmbed(t *testing.T) {
	for _, act := range acts {
		for _, size := range []embedSize{
			{1, 1, 1, 0}, {7, 33, 12, 0}, {50, 128, 3, 0}, {300, 100, 130, 0},
			{1, 1, 2, 1}, {7, 33, 12, 3}, {50, 128, 4, 200}, {3, 100, 130, 144}, {9, 1032, 20, 5},
		} {
			t.Run(fmt.Sprint(act, size), func(t *testing.T) { testEmbed(t, act, size, bindings.BF16) })
			if size.features > 0 {
				t.Run(fmt.Sprint(act, size, " in f32"), func(t *testing.T) { testEmbed(t, act, size, bindings.F32) })
			}
		}
	}
}

// Tokens and features mixed, the last row of each among them.
func testEmbed(t *testing.T, act bindings.DType, size embedSize, featureType bindings.DType) {
	rng := newRand(t.Name())
	table := random(rng, bindings.BF16, size.vocabulary*size.hidden)
	features := random(rng, featureType, size.features*size.hidden)
	ids := make([]int32, size.tokens)
	for i := range ids {
		ids[i] = int32(rng.IntN(size.vocabulary))
		if size.features > 0 && i%3 != 0 {
			ids[i] = int32(size.vocabulary + rng.IntN(size.features))
		}
	}
	ids[0], ids[len(ids)-1] = int32(size.vocabulary-1), int32(size.vocabulary+size.features-1)
	want := Embed(table, features, size.hidden, ids, act)
	onTargets(t, func(t *testing.T, r *rig) {
		a := bindings.EmbedArgs{
			IDs:   r.ints("ids", ids, int64(size.tokens)),
			Table: r.floats("table", bindings.BF16, table, int64(size.vocabulary), int64(size.hidden)),
			Out:   r.out("out", act, int64(size.tokens), int64(size.hidden)),
		}
		if size.features > 0 {
			a.Features = r.floats("features", featureType, features, int64(size.features), int64(size.hidden))
		}
		require.NoError(t, r.stream.Embed(&a))
		Compare(t, "out", r.read(a.Out), want)
	})
}
