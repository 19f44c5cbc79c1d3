package optest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

func TestLogits(t *testing.T) {
	for _, m := range modes {
		for _, layout := range []bindings.Layout{nk, kn} {
			for _, s := range []struct {
				tokens, hidden, vocabulary int
				rows                       []int32
			}{
				{1, 1, 1, []int32{0}},
				{1, 128, 300, []int32{0}},
				{9, 33, 100, []int32{8, 0, 3, 3, 3, 1}}, // unordered, repeated
				{40, 72, 65, []int32{39, 39, 0}},
				{5, 64, 33, []int32{4, 3, 2, 1, 0, 4, 3, 2, 1, 0}}, // more than tokens
			} {
				t.Run(fmt.Sprint(m, layout, s.tokens, s.hidden, s.vocabulary), func(t *testing.T) {
					rng := newRand(t.Name())
					x := random(rng, m.act, s.tokens*s.hidden)
					weight := matrix(rng, s.vocabulary, s.hidden, layout)
					onTargets(t, func(t *testing.T, r *rig) {
						a := bindings.LogitsArgs{
							Compute: m.compute,
							X:       r.floats("x", m.act, x, int64(s.tokens), int64(s.hidden)),
							Rows:    r.ints("rows", s.rows, int64(len(s.rows))),
							Weight:  r.weight("weight", weight),
							Out:     r.out("out", bindings.F32, int64(len(s.rows)), int64(s.vocabulary)),
						}
						require.NoError(t, r.stream.Logits(&a))
						Compare(t, "out", r.read(a.Out), Logits(x, s.rows, weight, m.precision(r.info).BF16))
					})
				})
			}
		}
	}
}
