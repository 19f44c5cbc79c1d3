package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/peterh/liner"
)

// errAborted says that Ctrl-C ended a line.
var errAborted = errors.New("aborted")

// input is where messages come from.
type input interface {
	// line reads a line. The error is io.EOF at the end and errAborted for Ctrl-C.
	line(ctx context.Context, prompt string) (string, error)
	interactive() bool
}

const (
	firstPrompt = "> "
	morePrompt  = "... "
	block       = `"""`
)

// readMessage reads a line, or several that make one message.
func readMessage(ctx context.Context, in input) (string, error) {
	text, err := in.line(ctx, firstPrompt)
	if err != nil {
		return "", err
	}
	if rest, ok := strings.CutPrefix(strings.TrimLeft(text, " \t"), block); ok {
		return readBlock(ctx, in, rest)
	}
	for strings.HasSuffix(text, `\`) {
		more, err := in.line(ctx, morePrompt)
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		text = strings.TrimSuffix(text, `\`) + "\n" + more
	}
	return text, nil
}

// readBlock reads until the marks that end a block, or the end of the input.
func readBlock(ctx context.Context, in input, text string) (string, error) {
	for {
		if whole, ok := strings.CutSuffix(strings.TrimRight(text, " \t"), block); ok {
			return strings.Trim(whole, "\n"), nil
		}
		more, err := in.line(ctx, morePrompt)
		if errors.Is(err, io.EOF) {
			return strings.Trim(text, "\n"), nil
		}
		if err != nil {
			return "", err
		}
		text += "\n" + more
	}
}

// pipeInput reads lines that nobody types.
type pipeInput struct{ lines <-chan line }

func newPipeInput(ctx context.Context, in io.Reader) *pipeInput {
	return &pipeInput{readLines(ctx, in)}
}

func (p *pipeInput) interactive() bool { return false }

func (p *pipeInput) line(ctx context.Context, _ string) (string, error) {
	select {
	case l, ok := <-p.lines:
		if !ok {
			return "", errorOr(ctx.Err(), func() error { return io.EOF })
		}
		return strings.TrimRight(string(l.text), "\r\n"), l.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// terminalInput edits lines on a terminal.
type terminalInput struct {
	editor  *liner.State
	history string // the file, "" for none
}

// newTerminalInput takes over the terminal until close.
func newTerminalInput(history string) *terminalInput {
	t := &terminalInput{editor: liner.NewLiner(), history: history}
	t.editor.SetCtrlCAborts(true)
	t.editor.SetMultiLineMode(true)
	t.editor.SetTabCompletionStyle(liner.TabPrints)
	t.editor.SetCompleter(func(typed string) (fits []string) {
		for _, word := range commandWords() {
			if typed != "" && strings.HasPrefix(word, typed) {
				fits = append(fits, word)
			}
		}
		return fits
	})
	if f, err := os.Open(history); err == nil {
		_, _ = t.editor.ReadHistory(f) // what cannot be read is not there
		_ = f.Close()
	}
	return t
}

func (t *terminalInput) interactive() bool { return true }

// lateReply is what the editor makes of a terminal's attributes that come when nobody
// waits for them any more.
var lateReply = regexp.MustCompile(`^\[\?[0-9;]+c`)

// line reads a line. A signal does not wait for it: the editor is then left
// behind, and close restores the terminal.
func (t *terminalInput) line(ctx context.Context, prompt string) (string, error) {
	type result struct {
		text string
		err  error
	}
	read := make(chan result, 1)
	go func() {
		text, err := t.editor.Prompt(prompt)
		read <- result{text, err}
	}()
	select {
	case r := <-read:
		if errors.Is(r.err, liner.ErrPromptAborted) {
			return "", errAborted
		}
		text := lateReply.ReplaceAllString(r.text, "")
		if r.err == nil && strings.TrimSpace(text) != "" {
			t.editor.AppendHistory(text)
		}
		return text, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// close gives the terminal back and keeps the history.
func (t *terminalInput) close() error {
	err := t.editor.Close()
	if t.history == "" {
		return err
	}
	return errors.Join(err, t.saveHistory())
}

// saveHistory replaces the file, which is for this user alone.
func (t *terminalInput) saveHistory() error {
	if err := os.MkdirAll(filepath.Dir(t.history), 0o700); err != nil {
		return err
	}
	return replaceFile(t.history, func(w io.Writer) error {
		_, err := t.editor.WriteHistory(w)
		return err
	})
}

// historyFile is where the lines typed are kept, "" if the user has no such place.
func historyFile() string {
	folder, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(folder, "llama4", "chat_history")
}
