package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/llama4go/llama4go/llama4"
)

const perplexityHelp = `Perplexity measures how well the model predicts a text: e to the mean negative
log-probability of its tokens. It is the way to compare quantizations.

The definition is that of llama.cpp's llama-perplexity, so that the numbers can be
compared: the text, with the beginning-of-text token first, is cut into windows, and what
is left at the end is dropped. Each window begins with the beginning-of-text token in place
of its own first, and the tokens of its second half are predicted, each from all before it in
the window.`

// perplexityFlags are the flags of perplexity.
type perplexityFlags struct {
	model  modelFlags
	text   string
	window int
	json   bool
}

func (a *app) perplexityCommand() *cobra.Command {
	f := perplexityFlags{window: 512}
	cmd := &cobra.Command{
		Use:     "perplexity",
		Short:   "Measure how well the model predicts a text",
		Long:    perplexityHelp,
		Example: "  llama4 perplexity --text book.txt --quant int4",
		Args:    noArguments(": name the text with --text"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.text == "" {
				return usage(cmd, "no text: name its file with --text")
			}
			text, err := readFile(f.text, maxText) // before a model that takes its time to load
			if err != nil {
				return fmt.Errorf("text %s: %w", f.text, err)
			}
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				return a.withModel(ctx, &f.model, func(m *loaded) error { return a.perplexity(ctx, m, &f, string(text)) })
			})
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Var(nonEmpty(&f.text, "file"), "text", "the text, UTF-8")
	window := whole(&f.window, 4, maxContext)
	window.text = "512"
	flags.Var(window, "window", "tokens of a window")
	complete(cmd, "window")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	f.model.register(cmd)
	return cmd
}

// perplexityReport is what perplexity says, in the order of its JSON.
type perplexityReport struct {
	Perplexity jsonNumber `json:"perplexity"`
	Error      jsonNumber `json:"standard_error"`
	Tokens     int        `json:"tokens"` // predicted
	Windows    int        `json:"windows"`
	Window     int        `json:"window"`
}

// maxText bounds the text of perplexity.
const maxText = 1 << 30

func (a *app) perplexity(ctx context.Context, m *loaded, f *perplexityFlags, text string) error {
	if m.Tokenizer() == nil {
		return errors.New("the checkpoint has no tokenizer, so it cannot be asked for a text")
	}
	p, err := m.Encode(ctx, &llama4.Request{Prompt: text})
	if err != nil {
		return err
	}
	if f.window > len(p.Tokens) {
		return fmt.Errorf("text %s: %d tokens, want at least a window of %d: take a longer text or lower --window",
			f.text, len(p.Tokens), f.window)
	}
	bos, ok := m.BOS()
	if !ok {
		bos = -1
	}
	bar := newProgress(a.stderr, "perplexity of "+m.name)
	bar.unit = "windows"
	total := int64(len(p.Tokens) / f.window)
	result, err := m.Perplexity(ctx, p.Tokens, f.window, bos, func(r llama4.Perplexity) {
		bar.update(int64(r.Windows), total)
	})
	bar.close()
	if err != nil {
		return err
	}
	if f.json {
		return a.printJSON(&perplexityReport{jsonNumber(result.Value), jsonNumber(result.Error), result.Tokens, result.Windows, f.window})
	}
	_, err = fmt.Fprintf(a.stdout, "%.4f +/- %.4f\n", result.Value, result.Error)
	if err == nil {
		a.remark("%s predicted in %s of %d", plural(result.Tokens, "token"), plural(result.Windows, "window"), f.window)
	}
	return err
}
