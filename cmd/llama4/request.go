package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/llama4go/llama4go/llama4"
	"github.com/llama4go/llama4go/llama4/chat"
	"github.com/llama4go/llama4go/llama4/sample"
	"github.com/llama4go/llama4go/llama4/toolcall"
	"github.com/llama4go/llama4go/llama4/vision"
)

// maxStopIDs bounds the stop tokens of a request.
const maxStopIDs = 64

// request is what a line of score or generate asks for.
type request struct {
	llama4.Request
	model       *llama4.Model
	tools       []toolcall.Tool // nil: calls are not looked for
	choices     overrides
	addBOS      *bool
	constrained string   // the field that gives a grammar
	given       []string // the fields that give a prompt
}

// promptReaders read the fields that score and generate share.
func (r *request) promptReaders() readers {
	prompt := func(name string, read func(json.RawMessage) error) func(json.RawMessage) error {
		return func(raw json.RawMessage) error {
			r.given = append(r.given, name)
			return read(raw)
		}
	}
	return readers{
		"prompt":    prompt("prompt", readText(&r.Prompt)),
		"input_ids": prompt("input_ids", readIDs("input_ids", &r.Tokens, 0, r.model.Config().Vocab)),
		"messages": prompt("messages", func(raw json.RawMessage) (err error) {
			r.Messages, err = readMessages(raw)
			return err
		}),
		"tools": func(raw json.RawMessage) (err error) {
			r.Tools = raw
			r.tools, err = toolcall.ReadTools(raw)
			return err
		},
		"add_bos": func(raw json.RawMessage) error {
			r.addBOS = new(bool)
			return readBool(r.addBOS)(raw)
		},
	}
}

// scoreReaders read the fields of score, and pass over those that only generate
// uses: it takes the same lines.
func (r *request) scoreReaders() readers {
	known := r.promptReaders()
	for field := range r.generateReaders() {
		if known[field] == nil {
			known[field] = func(json.RawMessage) error { return nil }
		}
	}
	return known
}

// generateReaders read the fields of generate.
func (r *request) generateReaders() readers {
	known := r.promptReaders()
	for _, s := range settings() {
		known[s.field] = readNumber(&r.choices, s.parse)
	}
	known["seed"] = readNumber(&r.choices, parseSeed)
	known["logit_bias"] = r.readBias
	known["max_tokens"] = readWhole(&r.MaxTokens, 1, r.model.Context())
	known["stop"] = func(raw json.RawMessage) error {
		r.Stop = nil // those of the command's flags
		return errorOr(readTexts(&r.Stop)(raw), func() error { return checkStops(r.Stop) })
	}
	known["stop_ids"] = readIDs("stop_ids", &r.StopIDs, maxStopIDs, r.model.Config().Vocab)
	known["logprobs"] = r.readLogProbs
	r.grammarReaders(known)
	return known
}

func (r *request) readLogProbs(raw json.RawMessage) error {
	switch string(raw) {
	case "true":
		r.LogProbs = 1
		return nil
	case "false":
		return nil
	}
	if readWhole(&r.LogProbs, 0, llama4.MaxLogProbs)(raw) != nil {
		return wantError(fmt.Sprintf("true, false or a whole number from 0 to %d", llama4.MaxLogProbs))
	}
	return nil
}

func (r *request) readBias(raw json.RawMessage) error {
	var biases map[string]*float64
	if json.Unmarshal(raw, &biases) != nil {
		return wantError("an object of token ids and numbers")
	}
	if len(biases) > sample.MaxLogitBias {
		return fmt.Errorf("logit_bias has %d tokens, want at most %d", len(biases), sample.MaxLogitBias)
	}
	for name, value := range biases {
		id, err := strconv.ParseInt(name, 10, 32)
		if vocab := r.model.Config().Vocab; err != nil || id < 0 || id >= int64(vocab) {
			return fmt.Errorf("logit_bias names %q, want a token id from 0 to %d", name, vocab-1)
		}
		if value == nil || *value < -maxBias || *value > maxBias {
			return fmt.Errorf("logit_bias of token %d: want a number from -%d to %d", id, maxBias, maxBias)
		}
		r.choices = append(r.choices, bias(int32(id), *value))
	}
	return nil
}

// readMessages reads a conversation.
func readMessages(raw json.RawMessage) ([]chat.Message, error) {
	messages, err := chat.ReadMessages(raw)
	if err != nil {
		return nil, err
	}
	if len(messages) == 0 {
		return nil, wantError("one message or more")
	}
	return messages, nil
}

// encode returns the prompt.
func (r *request) encode(ctx context.Context) (*llama4.Prompt, error) {
	if len(r.given) != 1 {
		return nil, errors.New("want exactly one of prompt, messages and input_ids")
	}
	r.NoBOS = r.addBOS != nil && !*r.addBOS
	if r.given[0] != "input_ids" && r.model.Tokenizer() == nil {
		return nil, errors.New("the checkpoint has no tokenizer: give input_ids")
	}
	r.ReadImage = vision.ReadFile
	p, err := r.model.Encode(ctx, &r.Request)
	if err != nil || r.addBOS == nil || !*r.addBOS {
		return p, err
	}
	if bos, ok := r.model.BOS(); ok && p.Tokens[0] != bos {
		p.Tokens = append([]int32{bos}, p.Tokens...)
	}
	return p, nil
}

// checkLength refuses a prompt that does not fit the context with the tokens to
// come.
func checkLength(prompt, more, context int) error {
	if prompt+more > context {
		return fmt.Errorf("the prompt has %d tokens, the context %d: shorten the prompt or raise --ctx", prompt, context)
	}
	return nil
}
