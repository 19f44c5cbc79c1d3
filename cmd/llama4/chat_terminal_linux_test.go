package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// terminal is a child process on a terminal of its own.
type terminal struct {
	t       *testing.T
	keys    *os.File
	process *exec.Cmd

	mu     sync.Mutex
	screen bytes.Buffer // all that was written
	seen   int          // of it
}

// openPTY returns both ends of a terminal: the person's and the program's.
func openPTY(t *testing.T) (keys, tty *os.File) {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	fd := int(keys.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 100}))
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	return keys, tty
}

func openTerminal(t *testing.T, c *exec.Cmd) *terminal {
	t.Helper()
	keys, tty := openPTY(t)
	c.Stdin, c.Stdout, c.Stderr = tty, tty, tty
	c.Env = append(c.Env, "TERM=xterm", "NO_COLOR=1")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, c.Start())
	require.NoError(t, tty.Close())
	x := &terminal{t: t, keys: keys, process: c}
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.read()
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill() // if a test has failed, it still runs
		<-done
		_ = keys.Close()
	})
	return x
}

// read ends when the child has closed the terminal.
func (x *terminal) read() {
	part := make([]byte, 4096)
	for {
		n, err := x.keys.Read(part)
		x.mu.Lock()
		x.screen.Write(part[:n])
		x.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (x *terminal) press(keys string) {
	x.t.Helper()
	_, err := x.keys.WriteString(keys)
	require.NoError(x.t, err)
}

// await waits until the screen shows a text after the one awaited last.
func (x *terminal) await(text string) {
	x.t.Helper()
	require.Eventually(x.t, func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		at := strings.Index(x.screen.String()[x.seen:], text)
		if at >= 0 {
			x.seen += at + len(text)
		}
		return at >= 0
	}, 20*time.Second, 5*time.Millisecond, "%q does not come", text)
}

// A person's session: Ctrl-C stops an answer and not the chat, Ctrl-D ends it.
func TestChatOnTerminal(t *testing.T) {
	cache := t.TempDir()
	start := func() *terminal {
		c := child(t, "command", append([]string{"chat", "--system", "You are a kind teller of tales."}, neverEnds...)...)
		c.Env = append(c.Env, "XDG_CACHE_HOME="+cache)
		return openTerminal(t, c)
	}
	x := start()
	x.await("demo model")
	x.await("> ")
	x.press("half a li\x03")
	x.await("Ctrl-D or /exit ends the chat")
	x.await("> ")
	x.press("\"\"\"\r")
	x.await("... ")
	x.press(fox + "\"\"\"\r")
	x.await("was")
	x.press("\x03")
	x.await("stopped")
	x.await("> ")
	x.press("/set colour red\r")
	x.await("llama4: /set: unknown key")
	x.await("> ")
	x.press("/set max_tokens 2\r")
	x.await("> ")
	x.press("Hello!\r")
	x.await("2 tokens generated")
	x.await("> ")
	x.press("\x04")
	require.NoError(t, x.process.Wait())

	// The lines are there again, for this user alone.
	file := filepath.Join(cache, "llama4", "chat_history")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	history, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(history), fox)
	x = start()
	x.await("> ")
	x.press("\x1b[A") // up
	x.await("Hello!")
	// SIGTERM restores the terminal.
	require.NoError(t, x.process.Process.Signal(syscall.SIGTERM))
	x.await("llama4: ended by SIGTERM")
	var exit *exec.ExitError
	require.ErrorAs(t, x.process.Wait(), &exit)
	require.Equal(t, 143, exit.ExitCode())
}

// The bar is drawn over, and gone when loading is done.
func TestProgressOnTerminal(t *testing.T) {
	x := openTerminal(t, child(t, "progress"))
	x.await("loading it ")
	x.await("━━━")
	x.await("512.0 MiB of 1.0 GiB")
	x.press("\r")
	x.await("\x1b[1A\x1b[J") // up a line, and the rest erased
	x.await("done")
	require.NoError(t, x.process.Wait())
}

// Ctrl-C ends generate.
func TestGenerateOnTerminal(t *testing.T) {
	x := openTerminal(t, child(t, "command", append([]string{"generate", fox}, neverEnds...)...))
	x.await("was")
	x.press("\x03")
	x.await("llama4: interrupted")
	var exit *exec.ExitError
	require.ErrorAs(t, x.process.Wait(), &exit)
	require.Equal(t, 130, exit.ExitCode())
}
