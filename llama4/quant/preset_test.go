package quant

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPresets(t *testing.T) {
	parts := []string{PartExperts, PartShared, PartDense, PartAttention, PartHead, "router", "norms", "embedding", "vision"}
	for _, row := range []struct {
		name  string
		inner []string // quantized in a layer that is neither the first nor the last
		outer []string
	}{
		{"", nil, nil},
		{"none", nil, nil},
		{"int4", parts[:2], parts[:2]},
		{"int4-all", parts[:5], parts[:5]},
		{"fp8", parts[:1], nil},
		{"fp8-all", parts[:5], parts[:5]},
	} {
		p, err := ParsePreset(row.name)
		require.NoError(t, err)
		require.Equal(t, row.inner == nil, p.None())
		for layer, want := range map[int][]string{0: row.outer, 1: row.inner, 6: row.inner, 7: row.outer} {
			for _, part := range parts {
				require.Equal(t, slices.Contains(want, part), p.Applies(part, layer, 8), "%s, %s of layer %d", row.name, part, layer)
			}
		}
		if !p.None() {
			require.Equal(t, row.name, p.Scheme.Name)
			require.True(t, p.Scheme.Quantized())
		}
	}
	_, err := ParsePreset("int3")
	require.ErrorContains(t, err, `unknown quantization "int3", want none, int4, int4-all, fp8, fp8-all`)
	require.Contains(t, PresetNames(), "fp8-all")
}

func TestFormatBytes(t *testing.T) {
	int4 := Format{Type: I4, Group: 128, Scale: BF16}
	require.EqualValues(t, 2*(64+2), int4.Bytes(2, 128))
	require.EqualValues(t, 2*(65+4), int4.Bytes(2, 129)) // a byte and a group more
	int4.Offset = true
	require.EqualValues(t, 2*(64+4), int4.Bytes(2, 128))
	require.EqualValues(t, 3*(100+4), Format{Type: F8, Scale: F32}.Bytes(3, 100))
	require.EqualValues(t, 600, Format{}.Bytes(3, 100))
	require.Equal(t, "i4", I4.String())
	require.Equal(t, "type 9", Type(9).String())
}
