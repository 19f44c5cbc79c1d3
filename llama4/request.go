package llama4

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/llama4go/llama4go/llama4/chat"
	"github.com/llama4go/llama4go/llama4/grammar"
	"github.com/llama4go/llama4go/llama4/sample"
)

// Request asks for a continuation of a prompt. The prompt is exactly one of
// Prompt, Messages and Tokens.
type Request struct {
	// Prompt is raw text; special tokens in it are plain text. It is the one that
	// may be empty: a text from the beginning-of-text token on.
	Prompt string
	// NoBOS leaves out the beginning-of-text token that else precedes Prompt.
	NoBOS bool
	// Messages is a conversation, rendered with the checkpoint's chat template up
	// to the header of the assistant's answer. Its images are encoded together.
	Messages []chat.Message
	// Tools are the tool descriptions handed to the template, a JSON array.
	Tools json.RawMessage
	// ReadImage reads the file of an image that a message gives by its path; nil
	// refuses paths, which may come from a stranger. [vision.ReadFile] is one to use.
	ReadImage func(path string) ([]byte, error)
	// Tokens are the prompt's tokens themselves, and Images what their patch tokens
	// show: see [Prompt].
	Tokens []int32
	Images []*Image

	// MaxTokens bounds the tokens generated; 0 goes on to the end of the context,
	// or to the publisher's limit (max_new_tokens) where there is one.
	MaxTokens int
	// Sampling is how tokens are chosen; nil is [Model.Sampling], the publisher's
	// defaults.
	Sampling *sample.Params
	// Stop ends the text before the first of these strings.
	Stop []string
	// Grammar, if set, constrains the text: each token is chosen among those with
	// which it can still become a text of the grammar, and it ends where it is one.
	Grammar *grammar.Grammar
	// StopIDs end the text like the model's own end-of-sequence tokens.
	StopIDs []int32
	// LogProbs asks for the log-probability of each token and, for LogProbs > 1,
	// of that many of its most probable rivals.
	LogProbs int
}

// MaxLogProbs bounds [Request.LogProbs], as the usual servers do.
const MaxLogProbs = 20

// Finish says why a text ended.
type Finish string

// The reasons of Finish.
const (
	FinishStop   Finish = "stop"   // an end-of-sequence token or a stop string
	FinishLength Finish = "length" // MaxTokens or the end of the context
)

// Sampling returns the publisher's sampling defaults, generation_config.json.
func (m *Model) Sampling() sample.Params {
	g := m.generation
	p := sample.Default()
	p.RepetitionPenalty = g.RepetitionPenalty // the reference applies it to greedy decoding too
	if g.DoSample {
		p.Temperature, p.TopK, p.TopP, p.MinP = g.Temperature, g.TopK, g.TopP, g.MinP
	}
	return p
}

// BOS returns the beginning-of-text token, if the model has one: the tokenizer's,
// by name, or that of the configuration.
func (m *Model) BOS() (id int32, ok bool) {
	if m.tokenizer != nil {
		if id, ok := m.tokenizer.Special("<|begin_of_text|>"); ok {
			return id, true
		}
	}
	for _, ids := range [][]int32{m.generation.BOS, m.config.BOS} {
		if len(ids) > 0 {
			return ids[0], true
		}
	}
	return 0, false
}

// endNames are the special tokens that end a text, by their names.
var endNames = [...]string{"<|end_of_text|>", "<|eom|>", "<|eot|>"}

// eos returns the tokens that end a text: the publisher's. Where neither file names
// them the configuration has ids of ordinary tokens, and Llama 4's names count.
func (m *Model) eos() []int32 {
	switch {
	case len(m.generation.EOS) > 0:
		return m.generation.EOS
	case m.tokenizer == nil || slices.ContainsFunc(m.config.EOS, m.tokenizer.IsSpecial):
		return m.config.EOS
	}
	var ids []int32
	for _, name := range endNames {
		if id, ok := m.tokenizer.Special(name); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// check refuses what a request may not ask.
func (m *Model) check(r *Request) error {
	switch {
	case r.MaxTokens < 0:
		return fmt.Errorf("MaxTokens is %d, want 0 or more", r.MaxTokens)
	case r.LogProbs < 0 || r.LogProbs > MaxLogProbs:
		return fmt.Errorf("LogProbs is %d, want 0 to %d", r.LogProbs, MaxLogProbs)
	}
	if len(r.Stop) > 0 && m.tokenizer == nil {
		return errors.New("stop strings need a tokenizer, which the checkpoint does not have: use StopIDs")
	}
	if err := m.checkTokens(r.StopIDs); err != nil {
		return fmt.Errorf("StopIDs: %w", err)
	}
	return nil
}
