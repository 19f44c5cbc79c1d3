package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireSignalEnd checks the end of a child that caught a signal.
func requireSignalEnd(t *testing.T, c *exec.Cmd, status int) {
	t.Helper()
	var exit *exec.ExitError
	require.ErrorAs(t, c.Wait(), &exit)
	require.True(t, exit.Exited(), "a signal killed it: %v", exit)
	require.Equal(t, status, exit.ExitCode())
}

// What was generated stays, and ends in a line break.
func TestInterruptGenerate(t *testing.T) {
	for signal, want := range map[syscall.Signal]struct {
		status int
		says   string
	}{
		syscall.SIGINT:  {130, "llama4: interrupted\n"},
		syscall.SIGTERM: {143, "llama4: ended by SIGTERM\n"},
	} {
		t.Run(signal.String(), func(t *testing.T) {
			c := child(t, "command", append([]string{"generate", fox}, neverEnds...)...)
			var stderr bytes.Buffer
			c.Stderr = &stderr
			stdout, err := c.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, c.Start())
			start := make([]byte, len("There was once"))
			_, err = io.ReadFull(stdout, start)
			require.NoError(t, err)
			require.Equal(t, "There was once", string(start))
			require.NoError(t, c.Process.Signal(signal))
			rest, err := io.ReadAll(stdout)
			require.NoError(t, err)
			require.True(t, strings.HasSuffix(string(rest), "\n"), "%q", rest)
			requireSignalEnd(t, c, want.status)
			require.Equal(t, want.says, stderr.String())
		})
	}
}

// A request in progress has no answer, and waiting for one ends at once.
func TestInterruptLines(t *testing.T) {
	c := child(t, "command", append([]string{"generate", "--jsonl"}, neverEnds...)...)
	stdin, err := c.StdinPipe()
	require.NoError(t, err)
	stdout, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	_, err = io.WriteString(stdin, lines(`{"id":1,"prompt":"One","max_tokens":1}`))
	require.NoError(t, err)
	// The answer comes while the input goes on.
	out := bufio.NewReader(stdout)
	first, err := out.ReadString('\n')
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(first, `{"id":1,`))
	_, err = io.WriteString(stdin, lines(`{"id":2,"prompt":"One"}`))
	require.NoError(t, err)
	require.NoError(t, c.Process.Signal(os.Interrupt))
	rest, err := io.ReadAll(out)
	require.NoError(t, err)
	require.Empty(t, rest)
	requireSignalEnd(t, c, 130)
}

// The second signal is not caught.
func TestSecondSignalForces(t *testing.T) {
	c := child(t, "stubborn")
	stdout, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	out := bufio.NewReader(stdout)
	for _, says := range []string{"ready\n", "still here\n"} {
		line, err := out.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, says, line)
		require.NoError(t, c.Process.Signal(os.Interrupt))
	}
	var exit *exec.ExitError
	require.ErrorAs(t, c.Wait(), &exit)
	require.Equal(t, syscall.SIGINT, exit.Sys().(syscall.WaitStatus).Signal())
}
