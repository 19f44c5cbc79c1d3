package sample

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func FuzzStopper(f *testing.F) {
	f.Add("END", "the END", uint64(1))
	f.Add("aab|ab", "aaaabaab", uint64(0b1011))
	f.Add("é|è!", "caféè!", uint64(0xffff))
	f.Add("\n\n|User:", "Hello.\n\nUser: x", uint64(0x5555))
	f.Add("x", "\xff\xc3x", uint64(3))
	f.Fuzz(func(t *testing.T, stops, text string, cuts uint64) {
		list := strings.FieldsFunc(stops, func(r rune) bool { return r == '|' })
		text = text[:min(len(text), 256)] // the plain rules are slow
		if _, err := NewStopper(list); err != nil {
			require.True(t, len(list) > MaxStops || !utf8.ValidString(stops) || len(stops) > MaxStopBytes, err)
			return
		}
		checkStopper(t, list, cutAt(text, cuts))
	})
}

// cutAt cuts text after the bytes whose bits, modulo 64, are set.
func cutAt(text string, cuts uint64) []string {
	var pieces []string
	from := 0
	for i := range len(text) {
		if cuts>>(i%64)&1 == 1 {
			pieces = append(pieces, text[from:i+1])
			from = i + 1
		}
	}
	return append(pieces, text[from:])
}

// Whatever the logits and parameters are, the outcome is an error or a token that
// has a logit above -Inf.
func FuzzNext(f *testing.F) {
	f.Add([]byte{0, 0, 128, 63, 0, 0, 0, 64}, 0.6, 0.9, 0.0, 1.0, 0.0, 0)
	f.Add([]byte{0, 0, 192, 127, 0, 0, 128, 255}, 1.0, 1.0, 0.1, 1.2, -1.0, 3)
	f.Add([]byte{0, 0, 128, 255, 255, 255, 127, 127, 255, 255, 127, 255}, 1e-310, 0.0, 1.0, 0.01, 2.0, 1)
	f.Fuzz(func(t *testing.T, raw []byte, temperature, topP, minP, repetition, presence float64, topK int) {
		logits := make([]float32, len(raw)/4)
		for i := range logits {
			logits[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		seed := uint64(len(raw))
		s, err := New(Params{
			Temperature: temperature, TopP: topP, MinP: minP, TopK: topK, RepetitionPenalty: repetition,
			PresencePenalty: presence, LogitBias: map[int32]float64{0: presence}, Seed: &seed,
		}, len(logits))
		if err != nil {
			return
		}
		s.ObservePrompt(0, 1, 2)
		for range 3 {
			id, err := s.Next(logits)
			if err != nil {
				return
			}
			require.Greater(t, logits[id], float32(math.Inf(-1)))
			s.Observe(id)
		}
	})
}
