package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llama4go/llama4go/llama4"
	"github.com/llama4go/llama4go/llama4/demo"
	"github.com/llama4go/llama4go/llama4/gguf"
	"github.com/llama4go/llama4go/llama4/tokenizer"
)

const tokenizeHelp = `Tokenize shows the tokens of a text. No token is added, and special tokens spelled out
in the text are plain text unless --special is given.

-m names a model folder, a GGUF file, a tokenizer.json or a tokenizer.model; without it, the demo
model's tokenizer is used. "-" reads the text from standard input, without the last line
break. With --jsonl it reads requests, one JSON object a line, from FILE or standard
input, and writes one answer a line, in order:

  {"text":".."} or {"text":"..", "special":true}, with an "id" if you like
  -> {"ids":[..], "tokens":[..]}

In tokens, bytes that are no whole character are U+FFFD. A request that fails is answered
by {"id":null, "error":".."} and the rest goes on; the exit status is then 1.`

func (a *app) tokenizeCommand() *cobra.Command {
	var path string
	var jsonl, special, ids bool
	cmd := &cobra.Command{
		Use:   `tokenize [flags] {"text" | --jsonl [FILE]}`,
		Short: "Show the tokens of a text",
		Long:  tokenizeHelp,
		Example: `  llama4 tokenize "Once upon a time"
  llama4 tokenize -m tokenizer.model --ids "Once upon a time"
  echo '{"text":"<|eot|>","special":true}' | llama4 tokenize --jsonl`,
		Args: promptOrFile(&jsonl, "text"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if jsonl && (special || ids) {
				return usage(cmd, "--jsonl excludes --ids and --special: use the field special")
			}
			t, err := openTokenizer(path)
			if err != nil {
				return err
			}
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				if jsonl {
					return a.tokenizeLines(ctx, t, args)
				}
				return a.tokenizeText(t, args[0], special, ids)
			})
		},
		DisableFlagsInUseLine: true, // they are in Use
		ValidArgsFunction:     promptCompletion(&jsonl),
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&ids, "ids", false, "print the ids alone, on one line")
	flags.BoolVar(&special, "special", false, "read special tokens in the text")
	flags.BoolVar(&jsonl, "jsonl", false, "read requests and write answers, one JSON object a line")
	flags.VarP(nonEmpty(&path, "path"), "model", "m", "model folder, GGUF file, tokenizer.json or tokenizer.model (default: the built-in demo model)")
	return cmd
}

func openTokenizer(path string) (*tokenizer.Tokenizer, error) {
	if path == "" {
		return tokenizer.OpenFS(demo.FS())
	}
	if !isGGUF(path) {
		return tokenizer.Open(path)
	}
	file, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	t, err := llama4.GGUFTokenizer(file)
	if err == nil && t == nil {
		err = errors.New("the file has no tokenizer")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// isGGUF reports whether a file begins as those in the GGUF format do.
func isGGUF(path string) bool {
	if !isFile(path) {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	begin := make([]byte, len(gguf.Magic))
	_, err = io.ReadFull(f, begin)
	return err == nil && string(begin) == gguf.Magic
}

// tokenized is the answer to a request of tokenize.
type tokenized struct {
	ID     json.RawMessage `json:"id,omitempty"`
	IDs    []int32         `json:"ids"`
	Tokens []string        `json:"tokens"`
}

// tokenizeLines answers the requests of tokenize --jsonl.
func (a *app) tokenizeLines(ctx context.Context, t *tokenizer.Tokenizer, args []string) error {
	in, err := a.requests(args)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	return a.answerLines(ctx, in, func(_ context.Context, o *object) (any, error) {
		var text *string
		var special bool
		err := o.read(readers{
			"text": func(raw json.RawMessage) error {
				text = new(string)
				return readText(text)(raw)
			},
			"special": readBool(&special),
		})
		if err != nil {
			return nil, err
		}
		if text == nil {
			return nil, errors.New("the field text is missing")
		}
		answer := &tokenized{IDs: encode(t, *text, special), Tokens: []string{}}
		if string(o.id) != "null" {
			answer.ID = o.id
		}
		for _, id := range answer.IDs {
			answer.Tokens = append(answer.Tokens, t.Token(id))
		}
		return answer, nil
	})
}

func encode(t *tokenizer.Tokenizer, text string, special bool) []int32 {
	if special {
		return t.EncodeSpecial(text)
	}
	return t.Encode(text)
}

// tokenizeText prints the tokens of a text, a line each, or the ids alone.
func (a *app) tokenizeText(t *tokenizer.Tokenizer, arg string, special, idsOnly bool) error {
	text, err := a.prompt(arg)
	if err != nil {
		return err
	}
	ids := encode(t, text, special)
	total := len(ids)
	var out strings.Builder
	if idsOnly {
		fmt.Fprintln(&out, strings.Trim(fmt.Sprint(ids), "[]"))
		ids = nil
	}
	for _, id := range ids {
		bytes, _ := t.Bytes(id) // of an id it has given out
		mark := ""
		if t.IsSpecial(id) {
			mark = "  special"
		}
		fmt.Fprintf(&out, "%6d  %s%s\n", id, strconv.Quote(string(bytes)), mark)
	}
	if _, err := io.WriteString(a.stdout, out.String()); err != nil {
		return err
	}
	a.remark("%d tokens, %d bytes", total, len(text))
	return nil
}
