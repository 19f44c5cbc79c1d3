package optest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

func TestEmbed(t *testing.T) {
	for _, act := range acts {
		for _, size := range []struct{ vocabulary, hidden, tokens int }{
			{1, 1, 1}, {7, 33, 12}, {50, 128, 3}, {300, 100, 130},
		} {
			t.Run(fmt.Sprint(act, size), func(t *testing.T) {
				rng := newRand(t.Name())
				table := random(rng, bindings.BF16, size.vocabulary*size.hidden)
				ids := make([]int32, size.tokens)
				for i := range ids {
					ids[i] = int32(rng.IntN(size.vocabulary))
				}
				ids[0] = int32(size.vocabulary - 1)
				want := Embed(table, size.hidden, ids)
				onTargets(t, func(t *testing.T, r *rig) {
					a := bindings.EmbedArgs{
						IDs:   r.ints("ids", ids, int64(size.tokens)),
						Table: r.floats("table", bindings.BF16, table, int64(size.vocabulary), int64(size.hidden)),
						Out:   r.out("out", act, int64(size.tokens), int64(size.hidden)),
					}
					require.NoError(t, r.stream.Embed(&a))
					Compare(t, "out", r.read(a.Out), want)
				})
			})
		}
	}
}
