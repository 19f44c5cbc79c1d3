package llama4

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/llama4go/llama4go/llama4/internal/fields"
)

// GenerationConfig is the publisher's sampling defaults, generation_config.json.
type GenerationConfig struct {
	DoSample bool // false for greedy decoding (do_sample, default false)
	// Temperature divides the logits (temperature, default 1); 0 is greedy.
	Temperature float64
	TopP        float64 // keep the likeliest tokens of this mass (top_p, default 1: all)
	MinP        float64 // drop tokens under this share of the likeliest (min_p, default 0: none)
	// TopK keeps that many of the likeliest tokens (top_k), 0 for all. Where the
	// file does not say, that is 0; the reference takes 50, a default of its
	// library and not of the publisher.
	TopK              int
	RepetitionPenalty float64 // divides or multiplies the logits of tokens seen (repetition_penalty, default 1: none)
	MaxNewTokens      int     // 0 for no limit (max_new_tokens)
	BOS, EOS          []int32 // a number, a list or null; empty: take those of Config
	Pad               int32   // -1 for none
}

// LoadGenerationConfig reads generation_config.json in a folder. A folder without
// one has the defaults.
func LoadGenerationConfig(dir string) (*GenerationConfig, error) {
	g, err := LoadGenerationConfigFS(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return g, nil
}

// LoadGenerationConfigFS reads generation_config.json in the root of fsys. A file
// system without one has the defaults.
func LoadGenerationConfigFS(fsys fs.FS) (*GenerationConfig, error) {
	raw, err := fields.Read(fsys, "generation_config.json", maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		raw = []byte("{}")
	} else if err != nil {
		return nil, err
	}
	g, err := ParseGenerationConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("generation_config.json: %w", err)
	}
	return g, nil
}

// ParseGenerationConfig reads the contents of a generation_config.json. Fields
// that it does not know are ignored, null is the default, and an error names the
// field and its value.
func ParseGenerationConfig(raw []byte) (*GenerationConfig, error) {
	f, err := fields.Parse(raw, "")
	if err != nil {
		return nil, err
	}
	f.DropNulls()
	g := &GenerationConfig{
		DoSample:          f.Boolean("do_sample", false),
		Temperature:       f.Within("temperature", 1, 0, 100),
		TopP:              f.Within("top_p", 1, 0, 1),
		MinP:              f.Within("min_p", 0, 0, 1),
		TopK:              f.Integer("top_k", 0),
		RepetitionPenalty: f.Within("repetition_penalty", 1, 0.01, 100),
		MaxNewTokens:      f.Integer("max_new_tokens", 0),
		BOS:               f.Tokens("bos_token_id"),
		EOS:               f.Tokens("eos_token_id"),
		Pad:               -1,
	}
	if pad := f.Tokens("pad_token_id"); len(pad) > 0 {
		g.Pad = pad[0]
	}
	for _, err := range []error{
		f.Err(),
		checkTokens("bos_token_id", g.BOS), checkTokens("eos_token_id", g.EOS),
		inBounds([]bound{{"top_k", g.TopK, 0, maxTokens}, {"max_new_tokens", g.MaxNewTokens, 0, maxTokens}}),
	} {
		if err != nil {
			return nil, err
		}
	}
	return g, nil
}
