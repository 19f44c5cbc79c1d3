package main

import (
	"context"
	"encoding/json"

	"github.com/llama4go/llama4go/llama4"
	"github.com/llama4go/llama4go/llama4/toolcall"
)

// completion is the answer to a request of generate.
type completion struct {
	ID           json.RawMessage `json:"id"`
	InputIDs     []int32         `json:"input_ids"`
	OutputIDs    []int32         `json:"output_ids"`
	Text         string          `json:"text"`
	ToolCalls    []jsonCall      `json:"tool_calls,omitempty"`
	FinishReason llama4.Finish   `json:"finish_reason"`
	Usage        tokenUsage      `json:"usage"`
	LogProbs     []jsonNumber    `json:"logprobs,omitempty"`
	Top          [][]jsonTop     `json:"top,omitempty"`
}

// jsonCall is a call of a tool. One that the end of the text cut short is
// incomplete; its arguments are closed.
type jsonCall struct {
	Name       string          `json:"name"`
	Arguments  json.RawMessage `json:"arguments"`
	Incomplete bool            `json:"incomplete,omitempty"`
}

type tokenUsage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

// generateLines answers the requests of generate --jsonl.
func (a *app) generateLines(ctx context.Context, m *loaded, f *generateFlags, args []string) error {
	in, err := a.requests(args)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	return a.answerLines(ctx, in, func(ctx context.Context, o *object) (any, error) {
		r := &request{model: m.Model}
		r.MaxTokens, r.Stop, r.Grammar = f.sampling.maxTokens, f.sampling.stop, f.sampling.grammar
		r.choices = append(r.choices, f.sampling.choices...)
		if err := o.read(r.generateReaders()); err != nil {
			return nil, err
		}
		return r.complete(ctx, o.id)
	})
}

// complete generates the whole answer.
func (r *request) complete(ctx context.Context, id json.RawMessage) (*completion, error) {
	p, err := r.encode(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkLength(p.Len(), 1, r.model.Context()); err != nil {
		return nil, err
	}
	r.Sampling = r.choices.over(r.model.Sampling())
	r.Prompt, r.Messages, r.Tools, r.Tokens, r.Images = "", nil, nil, p.Tokens, p.Images
	c, err := r.model.Complete(ctx, &r.Request)
	if err != nil {
		return nil, err
	}
	answer := &completion{
		ID: id, InputIDs: c.InputIDs, OutputIDs: c.OutputIDs, Text: c.Text, FinishReason: c.Finish,
		Usage: tokenUsage{c.Usage.PromptTokens, c.Usage.GeneratedTokens, c.Usage.PromptTokens + c.Usage.GeneratedTokens},
	}
	if r.tools != nil {
		answer.ToolCalls = r.calls(c)
	}
	for _, piece := range c.Pieces {
		if r.LogProbs > 0 {
			answer.LogProbs = append(answer.LogProbs, jsonNumber(piece.LogProb))
		}
		if r.LogProbs > 1 {
			answer.Top = append(answer.Top, jsonTops(piece.Top))
		}
	}
	return answer, nil
}

// calls returns the calls of tools in an answer, whose special tokens are not in
// its text.
func (r *request) calls(c *llama4.Completion) (calls []jsonCall) {
	parser, tok := toolcall.NewParser(toolcall.Options{Tools: r.tools}), r.model.Tokenizer()
	for _, piece := range c.Pieces {
		if tok.IsSpecial(piece.ID) {
			parser.Special(tok.Token(piece.ID))
		}
		parser.Feed(piece.Text)
	}
	parser.Flush()
	for _, call := range parser.Result().Calls {
		calls = append(calls, jsonCall{call.Name, call.Arguments, call.Incomplete})
	}
	return calls
}
