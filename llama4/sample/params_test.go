package sample

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestValidate(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	many := make(map[int32]float64)
	for id := range int32(MaxLogitBias + 1) {
		many[id] = 1
	}
	most := make(map[int32]float64)
	for id := range int32(MaxLogitBias) {
		most[id] = -100
	}
	for name, c := range map[string]struct {
		change func(*Params)
		want   string // "" for valid
	}{
		"default":               {func(*Params) {}, ""},
		"temperature 100":       {func(p *Params) { p.Temperature = 100 }, ""},
		"temperature NaN":       {func(p *Params) { p.Temperature = nan }, "Temperature is NaN, want 0 to 100 (0 is greedy)"},
		"temperature -1":        {func(p *Params) { p.Temperature = -1 }, "Temperature is -1, want 0 to 100 (0 is greedy)"},
		"temperature +Inf":      {func(p *Params) { p.Temperature = inf }, "Temperature is +Inf, want 0 to 100 (0 is greedy)"},
		"top-p 0":               {func(p *Params) { p.TopP = 0 }, ""},
		"top-p NaN":             {func(p *Params) { p.TopP = nan }, "TopP is NaN, want 0 to 1 (1 keeps all tokens)"},
		"top-p 1.5":             {func(p *Params) { p.TopP = 1.5 }, "TopP is 1.5, want 0 to 1 (1 keeps all tokens)"},
		"min-p NaN":             {func(p *Params) { p.MinP = nan }, "MinP is NaN, want 0 to 1 (0 keeps all tokens)"},
		"min-p 1":               {func(p *Params) { p.MinP = 1 }, ""},
		"min-p -0.1":            {func(p *Params) { p.MinP = -0.1 }, "MinP is -0.1, want 0 to 1 (0 keeps all tokens)"},
		"top-k huge":            {func(p *Params) { p.TopK = math.MaxInt }, ""},
		"top-k -1":              {func(p *Params) { p.TopK = -1 }, "TopK is -1, want 0 or more (0 keeps all tokens)"},
		"repetition NaN":        {func(p *Params) { p.RepetitionPenalty = nan }, "RepetitionPenalty is NaN, want 0.01 to 100 (1 is none)"},
		"repetition 0":          {func(p *Params) { p.RepetitionPenalty = 0 }, "RepetitionPenalty is 0, want 0.01 to 100 (1 is none)"},
		"presence NaN":          {func(p *Params) { p.PresencePenalty = nan }, "PresencePenalty is NaN, want -2 to 2 (0 is none)"},
		"presence -2.5":         {func(p *Params) { p.PresencePenalty = -2.5 }, "PresencePenalty is -2.5, want -2 to 2 (0 is none)"},
		"frequency NaN":         {func(p *Params) { p.FrequencyPenalty = nan }, "FrequencyPenalty is NaN, want -2 to 2 (0 is none)"},
		"frequency 3":           {func(p *Params) { p.FrequencyPenalty = 3 }, "FrequencyPenalty is 3, want -2 to 2 (0 is none)"},
		"bias":                  {func(p *Params) { p.LogitBias = map[int32]float64{0: -100, 4999: 100} }, ""},
		"bias -Inf":             {func(p *Params) { p.LogitBias = map[int32]float64{0: -inf} }, ""},
		"bias NaN":              {func(p *Params) { p.LogitBias = map[int32]float64{8: nan} }, "LogitBias[8] is NaN, want -100 to 100, or -Inf to ban the token"},
		"bias +Inf":             {func(p *Params) { p.LogitBias = map[int32]float64{8: inf} }, "LogitBias[8] is +Inf, want -100 to 100, or -Inf to ban the token"},
		"bias of no token":      {func(p *Params) { p.LogitBias = map[int32]float64{5000: 0} }, "LogitBias[5000] is no token, want 0 to 4999"},
		"bias of negative id":   {func(p *Params) { p.LogitBias = map[int32]float64{-1: 0} }, "LogitBias[-1] is no token, want 0 to 4999"},
		"bias, the first error": {func(p *Params) { p.LogitBias = map[int32]float64{7: 101, 9: nan, -5: 1, 3: 0} }, "LogitBias[-5] is no token, want 0 to 4999"},
		"bias, most tokens":     {func(p *Params) { p.LogitBias = most }, ""},
		"bias, too many tokens": {func(p *Params) { p.LogitBias = many }, "LogitBias has 1025 tokens, want at most 1024"},
	} {
		t.Run(name, func(t *testing.T) {
			p := Default()
			c.change(&p)
			_, err := New(p, 5000)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, c.want)
		})
	}
}

func TestValidateVocabulary(t *testing.T) {
	for _, vocab := range []int{-1, 0, math.MaxInt32 + 1} {
		require.ErrorContains(t, Default().Validate(vocab), "the vocabulary has")
	}
	require.NoError(t, Default().Validate(1))
}
