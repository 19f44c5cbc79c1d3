package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

func TestDeviceAttributes(t *testing.T) {
	for name, row := range map[string]struct {
		parts []string // written one after another, with a pause
		want  string
		left  string // for who reads next
	}{
		"at once":       {parts: []string{withSixel}, want: withSixel},
		"in parts":      {parts: []string{"\x1b[?6", "2;4", ";22c"}, want: withSixel},
		"key after":     {parts: []string{withSixel + "hi"}, want: withSixel, left: "hi"},
		"key before":    {parts: []string{"c" + withSixel}, want: "c" + withSixel},
		"none":          {},
		"garbled":       {parts: []string{"\x1b[?62;4;x22c"}},
		"another":       {parts: []string{"\x1b[>0;276;0c", withSixel}, want: "\x1b[>0;276;0c" + withSixel},
		"without end":   {parts: []string{"\x1b[?" + strings.Repeat("1;", 200)}},
		"without sense": {parts: []string{strings.Repeat("c", 500)}},
	} {
		t.Run(name, func(t *testing.T) {
			keys, tty := openPTY(t)
			defer func() { _ = keys.Close() }()
			defer func() { _ = tty.Close() }()
			before, err := term.GetState(int(tty.Fd()))
			require.NoError(t, err)
			go func() {
				asked := make([]byte, 3)
				_, _ = keys.Read(asked)
				for _, part := range row.parts {
					_, _ = keys.WriteString(part)
					time.Sleep(10 * time.Millisecond)
				}
			}()
			wait := 20 * time.Second // on a busy machine, too
			if row.want == "" {
				wait = 200 * time.Millisecond
			}
			reply, asked := deviceAttributes(tty, tty, wait)
			require.True(t, asked)
			require.Equal(t, row.want, reply)
			after, err := term.GetState(int(tty.Fd()))
			require.NoError(t, err)
			require.Equal(t, before, after)
			requireWaiting(t, tty, row.left)
		})
	}
}

// requireWaiting checks what is left to be read from a terminal.
func requireWaiting(t *testing.T, tty *os.File, want string) {
	t.Helper()
	_, err := term.MakeRaw(int(tty.Fd()))
	require.NoError(t, err)
	if want != "" {
		require.True(t, readable(int(tty.Fd()), 5*time.Second))
	}
	got := make([]byte, 4096)
	n := 0
	if readable(int(tty.Fd()), 0) {
		n, err = unix.Read(int(tty.Fd()), got)
		require.NoError(t, err)
	}
	require.Equal(t, want, string(got[:n]))
}

// What is typed ahead is not lost to a question.
func TestDeviceAttributesAndKeys(t *testing.T) {
	keys, tty := openPTY(t)
	defer func() { _ = keys.Close() }()
	defer func() { _ = tty.Close() }()
	_, err := keys.WriteString("typed ahead\n")
	require.NoError(t, err)
	require.True(t, readable(int(tty.Fd()), 5*time.Second))
	_, asked := deviceAttributes(tty, tty, time.Minute)
	require.False(t, asked)
	requireWaiting(t, tty, "typed ahead\n")
}

// chatWithPictures is a chat on a terminal that the environment says nothing else of.
func chatWithPictures(t *testing.T, environment []string, args ...string) *terminal {
	t.Helper()
	c := child(t, "command", append([]string{"chat", "--no-history"}, args...)...)
	for _, name := range []string{
		"TMUX", "STY", "ZELLIJ", "TERM_PROGRAM", "KITTY_WINDOW_ID", "LC_TERMINAL", "SSH_TTY", "SSH_CONNECTION",
	} {
		c.Env = append(c.Env, name+"=")
	}
	c.Env = append(c.Env, environment...)
	return openTerminal(t, c)
}

// shown is all that the screen has shown.
func (x *terminal) shown() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.screen.String()
}

// awaitAnswer talks about the picture and ends the chat.
func (x *terminal) awaitAnswer() {
	x.t.Helper()
	x.await(square + " goes with the next message\r\n")
	x.await("> ")
	x.press("What is in the picture?\r")
	x.await("A red square.")
	x.await("> ")
	x.press("\x04")
	require.NoError(x.t, x.process.Wait())
}

func TestPicturesOnTerminal(t *testing.T) {
	far := []string{"SSH_TTY=/dev/pts/1"} // has longer to reply, as a busy machine needs
	for name, row := range map[string]struct {
		environment []string
		args        []string
		reply       string // to the question for attributes, if there is one
		begin, end  string // of the picture
	}{
		"kitty":    {environment: []string{"KITTY_WINDOW_ID=1"}, begin: "\x1b_G", end: "\x1b\\\r\n"},
		"iterm2":   {environment: []string{"TERM_PROGRAM=iTerm.app"}, begin: "\x1b]1337;File=", end: "\x07\r\n"},
		"sixel":    {environment: far, reply: withSixel, begin: "\x1bP0;1q", end: "\x1b\\\r\n"},
		"chosen":   {args: []string{"--pictures", "sixel"}, begin: "\x1bP0;1q", end: "\x1b\\\r\n"},
		"no sixel": {environment: far, reply: withoutSixel},
		"off":      {environment: []string{"KITTY_WINDOW_ID=1"}, args: []string{"--pictures", "off"}},
	} {
		t.Run(name, func(t *testing.T) {
			x := chatWithPictures(t, row.environment, append(row.args, "--image", square)...)
			x.await("ends the chat\r\n")
			if row.reply != "" {
				x.await("\x1b[c")
				x.press(row.reply)
			}
			if row.begin != "" {
				x.await(row.begin)
				x.await(row.end)
			}
			x.awaitAnswer()
			screen := x.shown()
			for _, begin := range []string{"\x1b_G", "\x1b]1337", "\x1bP"} {
				require.Equal(t, strings.HasPrefix(row.begin, begin), strings.Contains(screen, begin))
			}
			require.NotContains(t, screen, "[?62", "the reply is not echoed")
		})
	}
}

// A terminal that answers too late gets no picture, and the answer is not taken for
// what the user types.
func TestPicturesLateReply(t *testing.T) {
	x := chatWithPictures(t, nil, "--image", square)
	x.await("\x1b[c")
	x.await(square + " goes with the next message\r\n")
	x.await("> ")
	x.press(withSixel)
	x.await("[?62;4;22c")
	x.press("/clear\r")
	x.await("the conversation is forgotten")
	x.press("/image " + square + "\r")
	x.awaitAnswer()
	require.NotContains(t, x.shown(), "\x1bP")
}
