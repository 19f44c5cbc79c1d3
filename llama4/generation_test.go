package llama4

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/llama4/demo"
)

func TestGenerationConfig(t *testing.T) {
	defaults := GenerationConfig{Temperature: 1, TopP: 1, RepetitionPenalty: 1, Pad: -1}
	with := func(change func(*GenerationConfig)) *GenerationConfig {
		g := defaults
		change(&g)
		return &g
	}
	tests := []struct {
		name, raw string
		want      *GenerationConfig
	}{
		{"empty", `{}`, &defaults},
		{"nulls", `{"temperature":null,"top_k":null,"eos_token_id":null,"do_sample":null,"max_new_tokens":null}`, &defaults},
		{"published", `{"bos_token_id":200000,"do_sample":true,"eos_token_id":[200001,200007,200008],"pad_token_id":200018,"temperature":0.6,"top_p":0.9,"transformers_version":"4.51.0.dev0"}`,
			with(func(g *GenerationConfig) {
				g.BOS, g.EOS, g.Pad = []int32{200000}, []int32{200001, 200007, 200008}, 200018
				g.DoSample, g.Temperature, g.TopP = true, 0.6, 0.9
			})},
		{"all", `{"top_k":50,"min_p":0.05,"repetition_penalty":1.1,"max_new_tokens":256,"eos_token_id":2,"temperature":0}`,
			with(func(g *GenerationConfig) {
				g.TopK, g.MinP, g.RepetitionPenalty, g.MaxNewTokens, g.EOS, g.Temperature = 50, 0.05, 1.1, 256, []int32{2}, 0
			})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := LoadGenerationConfigFS(fstest.MapFS{"generation_config.json": {Data: []byte(tt.raw)}})
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
	absent, err := LoadGenerationConfig(t.TempDir())
	require.NoError(t, err)
	require.Equal(t, &defaults, absent)
	g, err := LoadGenerationConfigFS(demo.FS())
	require.NoError(t, err)
	require.Equal(t, []int32{748, 752, 753}, g.EOS)
}

func TestGenerationConfigFaults(t *testing.T) {
	for raw, want := range map[string]string{
		`{"temperature":"hot"}`:         `temperature is "hot", want a number`,
		`{"temperature":-1}`:            "temperature is -1, want 0 to 100",
		`{"top_p":1.5}`:                 "top_p is 1.5, want 0 to 1",
		`{"min_p":2}`:                   "min_p is 2",
		`{"top_k":-1}`:                  "top_k is -1",
		`{"top_k":1.5}`:                 "top_k is 1.5, want an integer",
		`{"do_sample":1}`:               "do_sample is 1, want true or false",
		`{"repetition_penalty":0}`:      "repetition_penalty is 0",
		`{"max_new_tokens":-5}`:         "max_new_tokens is -5",
		`{"eos_token_id":"x"}`:          `eos_token_id is "x"`,
		`{"eos_token_id":[-1]}`:         "eos_token_id holds -1",
		`{"bos_token_id":{}}`:           "bos_token_id is {}",
		`[]`:                            "not a JSON object",
		`{"temperature":0.6`:            "not JSON",
		`{"max_new_tokens":9999999999}`: "max_new_tokens is 9999999999",
	} {
		_, err := LoadGenerationConfigFS(fstest.MapFS{"generation_config.json": {Data: []byte(raw)}})
		require.ErrorContains(t, err, "generation_config.json: ")
		require.ErrorContains(t, err, want)
	}
}
