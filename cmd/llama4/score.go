package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llama4go/llama4go/llama4"
)

// scoreTop is how many next tokens score lists.
const scoreTop = 8

const scoreHelp = `Score says how probable the model finds a text: the natural log-probability of each
token after the first, given those before it.

With a text it prints a table. With --jsonl it reads requests, one JSON object a line,
from FILE or standard input, and writes one answer a line, in order:

  {"id":7, "prompt":"text"}, {"id":7, "input_ids":[1,2]} or {"id":7, "messages":[...]}
  "add_bos"  the beginning-of-text token first, true or false (true for prompt; messages
             have it from their template, input_ids are taken as they are)
  -> {"id":7, "input_ids":[..], "logprobs":[..], "top":[[id,logprob],..]}

logprobs has a number for each token but the first, top the 8 likeliest tokens to
follow. A number that is not finite is null. messages are rendered with the checkpoint's
chat template and end with the header of the assistant's answer. The fields that only
generate uses are passed over. A request that fails is answered by
{"id":7, "error":".."} and the rest goes on; the exit status is then 1.`

func (a *app) scoreCommand() *cobra.Command {
	var model modelFlags
	var jsonl, noBOS bool
	cmd := &cobra.Command{
		Use:   `score [flags] {"text" | --jsonl [FILE]}`,
		Short: "Say how probable a text is",
		Long:  scoreHelp,
		Example: `  llama4 score "Once upon a time"
  echo '{"id":1,"prompt":"Once upon a time"}' | llama4 score --compute f32 --jsonl`,
		Args: promptOrFile(&jsonl, "text"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if jsonl && noBOS {
				return usage(cmd, "--jsonl excludes --no-bos: use the field add_bos")
			}
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				return a.withModel(ctx, &model, func(m *loaded) error {
					if jsonl {
						return a.scoreLines(ctx, m, args)
					}
					return a.scoreText(ctx, m, args[0], noBOS)
				})
			})
		},
		DisableFlagsInUseLine: true, // they are in Use
		ValidArgsFunction:     promptCompletion(&jsonl),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().BoolVar(&noBOS, "no-bos", false, "no beginning-of-text token before the text")
	cmd.Flags().BoolVar(&jsonl, "jsonl", false, "read requests and write answers, one JSON object a line")
	model.register(cmd)
	return cmd
}

// scored is the answer to a request of score.
type scored struct {
	ID       json.RawMessage `json:"id"`
	InputIDs []int32         `json:"input_ids"`
	LogProbs []jsonNumber    `json:"logprobs"`
	Top      []jsonTop       `json:"top"`
}

// scoreLines answers the requests of score --jsonl.
func (a *app) scoreLines(ctx context.Context, m *loaded, args []string) error {
	in, err := a.requests(args)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	return a.answerLines(ctx, in, func(ctx context.Context, o *object) (any, error) {
		r := &request{model: m.Model}
		if err := o.read(r.scoreReaders()); err != nil {
			return nil, err
		}
		p, err := r.encode(ctx)
		if err != nil {
			return nil, err
		}
		s, err := m.score(ctx, p)
		if err != nil {
			return nil, err
		}
		answer := &scored{ID: o.id, InputIDs: p.Tokens, LogProbs: make([]jsonNumber, len(s.LogProbs)), Top: jsonTops(s.Top)}
		for i, v := range s.LogProbs {
			answer.LogProbs[i] = jsonNumber(v)
		}
		return answer, nil
	})
}

func (m *loaded) score(ctx context.Context, p *llama4.Prompt) (*llama4.Score, error) {
	if err := checkLength(p.Len(), 0, m.Context()); err != nil {
		return nil, err
	}
	return m.Score(ctx, p, min(scoreTop, m.Config().Vocab))
}

// scoreText prints the table of a text.
func (a *app) scoreText(ctx context.Context, m *loaded, arg string, noBOS bool) error {
	text, err := a.prompt(arg)
	if err != nil {
		return err
	}
	if m.Tokenizer() == nil {
		return errNoTokenizer
	}
	p, err := m.Encode(ctx, &llama4.Request{Prompt: text, NoBOS: noBOS})
	if err != nil {
		return err
	}
	s, err := m.score(ctx, p)
	if err != nil {
		return err
	}
	ids := p.Tokens
	token := func(id int32) string {
		bytes, _ := m.Tokenizer().Bytes(id) // of an id it has given out
		return strconv.Quote(string(bytes))
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%10s  %6d  %s\n", "", ids[0], token(ids[0]))
	sum := 0.0
	for i, v := range s.LogProbs {
		sum += v
		fmt.Fprintf(&table, "%10.4f  %6d  %s\n", v, ids[i+1], token(ids[i+1]))
	}
	table.WriteString("likeliest to follow:\n")
	for _, t := range s.Top {
		fmt.Fprintf(&table, "%10.4f  %6d  %s\n", t.LogProb, t.ID, token(t.ID))
	}
	if _, err := a.stdout.Write([]byte(table.String())); err != nil {
		return err
	}
	if n := len(s.LogProbs); n > 0 {
		mean := sum / float64(n)
		a.remark("%d tokens, log-probability %.4f, %.4f a token, perplexity %.4g", len(ids), sum, mean, math.Exp(-mean))
	}
	return nil
}
