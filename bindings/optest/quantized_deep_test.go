package optest

import (
	"fmt"
	"testing"

	"github.com/llama4go/llama4go/bindings"
)

// kernelFormats has one format for each kind of kernel, which deep and large products
// are tried with.
func kernelFormats() []format {
	var chosen []format
	for _, f := range formats {
		switch f.name {
		case "Meta int4", "Meta fp8", "fp8 blocks", "fp8 alone", "Q4_K", "Q8_0", "Q6_K":
			chosen = append(chosen, f)
		}
	}
	return chosen
}

var deepMode = wideMode{mode{bindings.BF16, bindings.ComputeAuto}, bindings.F32}

// A pipeline of stages goes around several times, in each size of tile.
func TestMatmulQuantizedDeep(t *testing.T) {
	for _, f := range kernelFormats() {
		for _, s := range []quantizedProduct{{7, 1184, 70}, {40, 544, 100}, {300, 704, 200}} {
			if testing.Short() && s.m > 100 {
				continue
			}
			t.Run(fmt.Sprint(f, s), func(t *testing.T) { testMatmulQuantized(t, s, deepMode, false, f) })
		}
	}
}

func TestGroupedMatmulQuantizedDeep(t *testing.T) {
	cases := []groupedCase{
		{name: "small tiles", tokens: 60, k: 736, n: 100, rows: []int{20, 1, 70, 0, 40}, gather: true, scores: true, scatter: true, swiglu: true},
		{name: "large tiles", tokens: 200, k: 544, n: 140, rows: []int{1, 190, 3, 140}, scatter: true},
	}
	for _, f := range kernelFormats() {
		for _, c := range cases {
			if testing.Short() && c.tokens > 100 {
				continue
			}
			t.Run(fmt.Sprint(f, ",", c.name), func(t *testing.T) {
				compareGrouped(t, c, deepMode, c.drawQuantized(newRand(t.Name()), deepMode.act, f))
			})
		}
	}
}
