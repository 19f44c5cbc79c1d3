package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/llama4go/llama4go/llama4"
	"github.com/llama4go/llama4go/llama4/chat"
)

const generateHelp = `Generate continues a prompt and streams the text to standard output.

The prompt goes through the checkpoint's chat template as one message of the user,
if there is a template; with --raw it is continued as it is, after the
beginning-of-text token. "-" reads the prompt from standard input, without the last
line break. Sampling is what generation_config.json says unless a flag says
otherwise. Ctrl-C ends the text; what was printed stays, and the exit status is 130.

With --jsonl it reads requests, one JSON object a line, from FILE or standard input,
and writes one answer a line, in order:

  {"id":7, "prompt":"text"}, {"id":7, "input_ids":[1,2]} or {"id":7, "messages":[...]}
  "add_bos"             the beginning-of-text token first, true or false (true for prompt;
                        messages have it from their template, input_ids are taken as they are)
  "tools"               descriptions of tools, for messages: a list of
                        {"type":"function", "function":{"name":.., "parameters":{..}}}
  "max_tokens"          most tokens to generate, up to the context
  "temperature", "top_k", "top_p", "min_p", "seed"
  "repetition_penalty", "presence_penalty", "frequency_penalty"
  "logit_bias"          {"TOKEN":number}, added to the logits, -100 to 100
  "stop"                a text or up to 16 texts to end before
  "json_schema"         a JSON schema that the text must fit, or
  "grammar"             a grammar in GBNF that it must be a text of
  "stop_ids"            up to 64 tokens to end after
  "logprobs"            true or 1 for the log-probability of each token generated, 2 to 20
                        for the likeliest tokens at its place too
  -> {"id":7, "input_ids":[..], "output_ids":[..], "text":"..", "finish_reason":"stop" or
      "length", "usage":{"prompt_tokens":..,"completion_tokens":..,"total_tokens":..}}
     and with logprobs "logprobs":[..], "top":[[[id,logprob],..],..]
     and where the text calls tools "tool_calls":[{"name":"..", "arguments":{..}},..]

The content of a message is a text or a list of {"type":"text", "text":".."} and
{"type":"image", "path":"FILE"}, or "url" with a data: address.

output_ids has the end-of-sequence token that ended the text, the text has not.
Temperature 0 takes the likeliest token. Log-probabilities are natural, by the model
alone; one that is no finite number is null. The command's flags are the defaults of
requests. A request that fails is answered by {"id":7, "error":".."} and the rest goes
on; the exit status is then 1.`

// generateFlags are the flags of generate.
type generateFlags struct {
	model    modelFlags
	sampling samplingFlags
	system   string
	images   []string
	raw      bool
	jsonl    bool
}

func (a *app) generateCommand() *cobra.Command {
	var f generateFlags
	cmd := &cobra.Command{
		Use:   `generate [flags] {"prompt" | --jsonl [FILE]}`,
		Short: "Generate text from a prompt",
		Long:  generateHelp,
		Example: `  llama4 generate "Tell me a story about a fox."
  llama4 generate --image picture.png "What is in the picture?"
  llama4 generate --json-schema '{"type":"object","properties":{"animal":{"type":"string"}}}' "Name an animal."
  llama4 generate --raw --temperature 0.8 --seed 1 "Once upon a time"
  echo '{"prompt":"Once","max_tokens":8}' | llama4 generate --jsonl`,
		Args: promptOrFile(&f.jsonl, "prompt"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				return a.withModel(ctx, &f.model, func(m *loaded) error { return a.generate(ctx, m, &f, args) })
			})
		},
		DisableFlagsInUseLine: true, // they are in Use
		ValidArgsFunction:     promptCompletion(&f.jsonl),
	}
	flags := cmd.Flags()
	f.sampling.register(cmd)
	flags.StringVar(&f.system, "system", "", "system message before the prompt")
	imageFlag(cmd, &f.images, "picture before the prompt: JPEG, PNG, WebP or GIF; may be given several times")
	flags.BoolVar(&f.raw, "raw", false, "continue the prompt without the chat template")
	flags.BoolVar(&f.jsonl, "jsonl", false, "read requests and write answers, one JSON object a line")
	complete(cmd, "system")
	f.model.register(cmd)
	return cmd
}

// check refuses flags that contradict each other.
func (f *generateFlags) check(cmd *cobra.Command) error {
	switch system := cmd.Flags().Changed("system"); {
	case len(f.images) > 0 && (f.raw || f.jsonl):
		return usage(cmd, "--image excludes --raw and --jsonl: there messages have images")
	case f.raw && system:
		return usage(cmd, "--raw and --system exclude each other")
	case f.jsonl && (f.raw || system):
		return usage(cmd, "--jsonl excludes --raw and --system: use the fields prompt and messages")
	}
	return nil
}

// promptOrFile checks the arguments of commands that take one text, or with
// --jsonl at most one file.
func promptOrFile(jsonl *bool, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch n := len(args); {
		case *jsonl && n > 1:
			return usage(cmd, "%d files, want at most one", n)
		case !*jsonl && n == 0:
			return usage(cmd, "the %s is missing", what)
		case !*jsonl && n > 1:
			return usage(cmd, "%d arguments, want one %s: quote it", n, what)
		}
		return nil
	}
}

// promptCompletion offers files for --jsonl.
func promptCompletion(jsonl *bool) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if *jsonl && len(args) == 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

func (a *app) generate(ctx context.Context, m *loaded, f *generateFlags, args []string) error {
	if err := checkMaxTokens(f.sampling.maxTokens, m.Context()); err != nil {
		return err
	}
	if f.jsonl {
		return a.generateLines(ctx, m, f, args)
	}
	if m.Tokenizer() == nil {
		return errNoTokenizer
	}
	prompt, err := a.prompt(args[0])
	if err != nil {
		return err
	}
	a.warnOfGreedy(m, &f.sampling)
	r := &llama4.Request{
		MaxTokens: f.sampling.maxTokens, Stop: f.sampling.stop, Sampling: f.sampling.choices.over(m.Sampling()),
		Grammar: f.sampling.grammar,
	}
	pictures, err := m.pictures(f.images)
	if err != nil {
		return err
	}
	if f.raw || m.Template() == nil && f.system == "" && len(pictures) == 0 {
		r.Prompt = prompt
	} else {
		if f.system != "" {
			r.Messages = append(r.Messages, chat.Message{Role: "system", Content: chat.Text(f.system)})
		}
		r.Messages = append(r.Messages, chat.Message{Role: "user", Content: withPictures(pictures, prompt)})
	}
	return a.stream(ctx, m, r)
}

// errNoTokenizer refuses text for a checkpoint that knows ids alone.
var errNoTokenizer = errors.New("the checkpoint has no tokenizer: use --jsonl with input_ids")

// warnOfGreedy says so when the flags choose among tokens of which none is drawn.
func (a *app) warnOfGreedy(m *loaded, f *samplingFlags) {
	base := m.Sampling()
	p := f.choices.over(base)
	if p.Temperature == 0 && (p.TopK != base.TopK || p.TopP != base.TopP || p.MinP != base.MinP || p.Seed != nil) {
		a.note("llama4: warning: the temperature is 0, so nothing is drawn: set --temperature\n")
	}
}

// stream generates and prints a text.
func (a *app) stream(ctx context.Context, m *loaded, r *llama4.Request) error {
	p, err := m.Encode(ctx, r)
	if err != nil {
		return err
	}
	if err := checkLength(p.Len(), 1, m.Context()); err != nil {
		return err
	}
	out := newTextWriter(a.stdout)
	for piece, err := range m.Generate(ctx, r) {
		if err != nil {
			if out.last != "" {
				err = errors.Join(err, out.endLine())
			}
			return err
		}
		if err := out.write(piece.Text); err != nil {
			return err
		}
		if piece.Usage != nil {
			if err := out.endLine(); err != nil {
				return err
			}
			a.remark("%s", describeUsage(piece.Usage, piece.Finish))
		}
	}
	return nil
}

// describeUsage says what a text took.
func describeUsage(u *llama4.Usage, finish llama4.Finish) string {
	text := fmt.Sprintf("%d prompt tokens%s", u.PromptTokens, rate(u.PromptTokens-u.CachedTokens, u.PromptTime))
	if u.CachedTokens > 0 {
		text = fmt.Sprintf("%d prompt tokens, %d of them kept%s", u.PromptTokens, u.CachedTokens,
			rate(u.PromptTokens-u.CachedTokens, u.PromptTime))
	}
	// The time is that of the tokens after the first, which the prompt gives.
	text += fmt.Sprintf(", %d tokens generated%s", u.GeneratedTokens, rate(u.GeneratedTokens-1, u.GenerateTime))
	if finish == llama4.FinishLength {
		text += ", stopped at the limit"
	}
	return text
}

// rate is empty where there is nothing to divide.
func rate(tokens int, took time.Duration) string {
	if tokens <= 0 || took <= 0 {
		return ""
	}
	return fmt.Sprintf(" at %.1f tok/s", float64(tokens)/took.Seconds())
}

// prompt returns an argument, or for "-" what standard input holds, without its
// last line break.
func (a *app) prompt(arg string) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	text, err := io.ReadAll(io.LimitReader(a.stdin, maxLine+1))
	if err != nil {
		return "", fmt.Errorf("reading the prompt from standard input: %w", err)
	}
	if len(text) > maxLine {
		return "", fmt.Errorf("the prompt is longer than %d bytes", maxLine)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}
