package optest

import (
	"fmt"
	"testing"

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
				{9, 72, 264, []int32{8, 0, 3}},
				{9, 1096, 72, []int32{8}},
				{2, 64, 40, []int32{1, 0}},
				{3, 67, 41, []int32{2, 2, 0, 1}},
				{7, 264, 48, []int32{6, 1, 5, 0, 3}},
				{40, 40, 520, reversed(40)},
				{130, 72, 520, reversed(130)},
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
						r.ran(r.stream.Logits(&a), m.act == bindings.F32)
						Compare(t, "out", r.read(a.Out), Logits(x, s.rows, weight, m.precision(r.info)))
					})
				})
			}
		}
	}
}

// reversed returns n-1 to 0.
func reversed(n int32) []int32 {
	rows := make([]int32, n)
	for i := range rows {
		rows[i] = n - 1 - int32(i)
	}
	return rows
}
