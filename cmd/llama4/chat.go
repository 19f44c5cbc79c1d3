package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/llama4go/llama4go/llama4"
	"github.com/llama4go/llama4go/llama4/chat"
)

const chatHelp = `Chat talks with the model. Earlier turns stay in the KV cache and are not computed again.

A line that ends in \ goes on in the next one; """ begins a text of several lines and
ends it. The path of a picture in a message shows the picture: drop a file on the terminal.
Terminals that can (kitty, iTerm2, sixel) show it, too.
/help lists the commands. Ctrl-C stops an answer, which then stays as far as it came;
Ctrl-D or /exit ends the chat. The lines typed are kept for the next time, for this user
alone, unless --no-history is given.

When standard input is no terminal, each line is a turn of the user, answers go to standard
output, and the first failure ends the chat.`

// chatFlags are the flags of chat.
type chatFlags struct {
	model     modelFlags
	sampling  samplingFlags
	system    string
	images    []string
	pictures  string
	noHistory bool
}

func (a *app) chatCommand() *cobra.Command {
	var f chatFlags
	cmd := &cobra.Command{
		Use:   "chat",
		Short: "Talk with the model",
		Long:  chatHelp,
		Example: `  llama4 chat --system "You are a kind teller of tales."
  llama4 chat --image picture.png`,
		Args: noArguments(": type it when chat asks, or use generate"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if isTerminal(a.stdin) && isTerminal(a.stdout) && a.stdin == io.Reader(os.Stdin) {
				return a.chatOnTerminal(cmd.Context(), &f)
			}
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				return a.withModel(ctx, &f.model, func(m *loaded) error {
					return a.chat(ctx, m, &f, newPipeInput(ctx, a.stdin))
				})
			})
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVar(&f.system, "system", "", "system message")
	complete(cmd, "system")
	imageFlag(cmd, &f.images, "picture to talk about: JPEG, PNG, WebP or GIF; may be given several times")
	picturesFlag(cmd, &f.pictures)
	f.sampling.register(cmd)
	cmd.Flags().BoolVar(&f.noHistory, "no-history", false, "do not keep the lines typed")
	f.model.register(cmd)
	return cmd
}

// chatOnTerminal chats with line editing. There SIGINT stops an answer, so only
// SIGTERM ends the command; while the model loads, both do.
func (a *app) chatOnTerminal(ctx context.Context, f *chatFlags) error {
	var m *loaded
	err := interruptible(ctx, func(ctx context.Context) (err error) {
		m, err = a.load(ctx, &f.model)
		return err
	})
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	ctx, stop := withSignals(ctx, syscall.SIGTERM)
	defer stop()
	history := ""
	if !f.noHistory {
		history = historyFile()
	}
	in := newTerminalInput(history)
	defer func() { _ = in.close() }() // restores the terminal; the history is not worth an error
	a.greet(m)
	return orInterruption(ctx, a.chat(ctx, m, f, in))
}

// greet says what one talks with.
func (a *app) greet(m *loaded) {
	device := ""
	if info, err := m.Device(); err == nil {
		device = " on " + describeDevice(info)
	}
	a.remark("%s, %s parameters%s, context of %s tokens", m.name, count(m.Config().Parameters().Total), device,
		quantity(int64(m.Context())))
	a.remark("/help lists the commands, Ctrl-C stops an answer, Ctrl-D ends the chat")
}

// conversation is a chat in progress.
type conversation struct {
	*app
	model    *loaded
	session  *llama4.Session
	in       input
	screen   *pictureScreen
	flags    *chatFlags
	set      map[string]chosen // by /set
	messages []chat.Message    // without the system's
	pictures []chat.Part       // for the next message
	used     int               // tokens of the context
}

// chat takes turns until the input ends.
func (a *app) chat(ctx context.Context, m *loaded, f *chatFlags, in input) error {
	if m.Template() == nil {
		return errors.New("the checkpoint has no chat template: use generate --raw")
	}
	if err := checkMaxTokens(f.sampling.maxTokens, m.Context()); err != nil {
		return err
	}
	a.warnOfGreedy(m, &f.sampling)
	c := &conversation{
		app: a, model: m, session: m.NewSession(), in: in, flags: f, set: map[string]chosen{},
		screen: newPictureScreen(f.pictures, a.stdin, a.stdout),
	}
	defer func() { _ = c.session.Close() }()
	for _, path := range f.images {
		if err := c.addPicture(path); err != nil {
			return err
		}
	}
	for {
		text, err := readMessage(ctx, in)
		switch {
		case errors.Is(err, errAborted):
			c.remark("Ctrl-D or /exit ends the chat")
			continue
		case errors.Is(err, io.EOF):
			c.space() // ends the line of the prompt
			return nil
		case err != nil:
			c.space()
			return err
		}
		err = c.turn(ctx, text)
		if errors.Is(err, errExit) {
			return nil
		}
		if err != nil && (!in.interactive() || ctx.Err() != nil) {
			return err
		}
		if err != nil {
			c.note("llama4: %s\n", oneLine(err.Error()))
		}
	}
}

// addPicture puts a picture before the next message.
func (c *conversation) addPicture(path string) error {
	if len(c.pictures) == maxImages {
		return fmt.Errorf("%d pictures wait for a message, which is the most", maxImages)
	}
	part, err := c.model.picture(path)
	if err != nil {
		return err
	}
	if err := c.screen.show(part.Data); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	c.pictures = append(c.pictures, part)
	c.remark("%s goes with the next message", path)
	return nil
}

// turn does what a message says, if it is a command, and else answers it.
func (c *conversation) turn(ctx context.Context, text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return nil
	case strings.HasPrefix(text, "/") && !isPicture(text):
		return c.command(text)
	}
	paths, text := droppedPictures(text)
	for _, path := range paths {
		if err := c.addPicture(path); err != nil {
			return err
		}
	}
	if text == "" {
		return nil
	}
	return c.answer(ctx, text)
}

// answer generates the answer to a message. Both are remembered if there is one.
func (c *conversation) answer(ctx context.Context, text string) error {
	if c.in.interactive() {
		var done context.CancelFunc
		ctx, done = withSignals(ctx, os.Interrupt)
		defer done()
	}
	messages := append(c.messages[:len(c.messages):len(c.messages)], chat.Message{Role: "user", Content: withPictures(c.pictures, text)})
	all := messages
	if system := c.system(); system != "" {
		all = append([]chat.Message{{Role: "system", Content: chat.Text(system)}}, messages...)
	}
	said, err := c.say(ctx, &llama4.Request{
		Messages: all, MaxTokens: c.maxTokens(), Stop: c.flags.sampling.stop, Sampling: c.sampling(), Grammar: c.flags.sampling.grammar,
	})
	if said != "" {
		c.pictures = nil
		c.messages = append(messages, chat.Message{Role: "assistant", Content: chat.Text(said)})
	}
	var i interruption
	if c.in.interactive() && errors.As(context.Cause(ctx), &i) && i.signal == syscall.SIGINT {
		c.remark("stopped")
		c.space()
		return nil
	}
	return err
}

// say prints an answer as it comes and returns its text, also on error.
func (c *conversation) say(ctx context.Context, r *llama4.Request) (string, error) {
	p, err := c.model.Encode(ctx, r)
	if err != nil {
		return "", err
	}
	if err := checkChatLength(p.Len(), c.model.Context()); err != nil {
		return "", err
	}
	var said strings.Builder
	out := newTextWriter(c.stdout)
	start, first := time.Now(), time.Duration(0)
	for piece, err := range c.session.Generate(ctx, r) {
		if err != nil {
			if said.Len() > 0 {
				err = errors.Join(err, out.endLine())
			}
			return said.String(), err
		}
		if first == 0 {
			first = time.Since(start)
		}
		said.WriteString(piece.Text)
		if err := out.write(piece.Text); err != nil {
			return said.String(), err
		}
		if piece.Usage != nil {
			c.used = piece.Usage.PromptTokens + piece.Usage.GeneratedTokens
			if err := out.endLine(); err != nil {
				return said.String(), err
			}
			c.remark("first token after %.2f s; %s", first.Seconds(), describeUsage(piece.Usage, piece.Finish))
			c.space()
		}
	}
	return said.String(), nil
}

// space sets turns apart where a person reads them.
func (c *conversation) space() {
	if c.in.interactive() {
		c.note("\n")
	}
}

// checkChatLength refuses a turn for which there is no room.
func checkChatLength(tokens, context int) error {
	if tokens+1 > context {
		return fmt.Errorf("the conversation has %d tokens, the context %d: /clear begins anew, --ctx gives more room", tokens, context)
	}
	return nil
}
