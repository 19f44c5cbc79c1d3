package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What quantize writes answers as the model does that is quantized while it is loaded.
func TestQuantize(t *testing.T) {
	for _, scheme := range []string{"int4", "fp8-all"} {
		out := filepath.Join(t.TempDir(), "out")
		o := succeed(t, "", "quantize", "-o", out, "--quant", scheme)
		require.Empty(t, o.stdout)
		require.Regexp(t, `out: .* MiB in 1 file\n$`, o.stderr)
		const request = `{"id":1,"prompt":"Once upon a time there was a fox."}`
		want := succeed(t, request, "score", "--jsonl", "--quant", scheme)
		require.Equal(t, want.stdout, succeed(t, request, "score", "--jsonl", "-m", out).stdout, scheme)
		require.NotEqual(t, want.stdout, succeed(t, request, "score", "--jsonl").stdout)
		// All that goes with the model is there.
		require.Equal(t, succeed(t, "", "generate", "--quant", scheme, fox).stdout, succeed(t, "", "generate", "-m", out, fox).stdout)
		r := inspectJSON(t, "-m", out)
		require.Contains(t, r.Quantization, "compressed-tensors: "+scheme[:3])
		require.Equal(t, inspectJSON(t, "--quant", scheme).Loaded.Parts, r.Loaded.Parts)
		require.Nil(t, r.Schemes)
		require.True(t, r.ChatTemplate)
		requireFailure(t, llama4Run(t, "", "inspect", "-m", out, "--quant", "int4"), statusFailed,
			"quantization int4 is for bfloat16 checkpoints, but this one is quantized")
		requireFailure(t, llama4Run(t, "", "inspect", "-m", filepath.Join(out, "config.json")), statusFailed,
			"name its folder, whose headers say how it is stored")

		require.Regexp(t, `1 file, 1 of them kept\n$`, succeed(t, "", "quantize", "-o", out, "--quant", scheme).stderr)
		requireFailure(t, llama4Run(t, "", "quantize", "-o", out, "--quant", "fp8"), statusFailed,
			out+" was begun with the scheme "+scheme+", not fp8: remove it or name another folder")
	}
}

func TestQuantizeFaults(t *testing.T) {
	foreign := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "notes.txt"), nil, 0o600))
	out := filepath.Join(t.TempDir(), "out")
	for _, row := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"--quant", "int4"}, statusUsage, "no folder to write: name it with -o"},
		{[]string{"-o", out}, statusUsage, "no scheme: name it with --quant"},
		{[]string{"-o", out, "--quant", "none"}, statusUsage, "want int4, int4-all, fp8, fp8-all"},
		{[]string{"-o", out, "--quant", "int4", "--shard-size", "5"}, statusUsage, "want a size with its unit"},
		{[]string{"-o", out, "--quant", "int4", "x"}, statusUsage, "name the new folder with -o"},
		{[]string{"-o", foreign, "--quant", "int4"}, statusFailed, "is not empty, and not begun by this command: name a new folder"},
		{[]string{"-o", filepath.Join(out, "a"), "--quant", "int4"}, statusFailed, "no such file or directory"},
		{[]string{"-o", filepath.Join(foreign, "notes.txt"), "--quant", "int4"}, statusFailed, "not a directory"},
		{[]string{"-m", "/no/such/folder", "-o", out, "--quant", "int4"}, statusFailed, "it does not exist"},
		{[]string{"-m", "app.go", "-o", out, "--quant", "int4"}, statusFailed, "a file, want a folder"},
	} {
		requireFailure(t, llama4Run(t, "", append([]string{"quantize"}, row.args...)...), row.status, row.says)
	}
	_, err := os.Stat(out)
	require.ErrorIs(t, err, fs.ErrNotExist)
	full := (&quantizeFlags{}).explain(&fs.PathError{Op: "write", Path: "model.safetensors", Err: syscall.ENOSPC})
	require.EqualError(t, full, "write model.safetensors: no space left on device: make room and run the command again, which keeps the files that are whole")
}

// Whatever ends a run, the files that are there are whole, config.json is not there, and
// the next run goes on.
func TestQuantizeKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a process for each of many files")
	}
	folder := t.TempDir()
	whole, out := filepath.Join(folder, "whole"), filepath.Join(folder, "out")
	args := []string{"quantize", "--quant", "int4-all", "--shard-size", "300KB", "-o"}
	succeed(t, "", append(args, whole)...)
	want, err := filepath.Glob(filepath.Join(whole, "model-*"))
	require.NoError(t, err)
	require.Greater(t, len(want), 8)
	for run, have := 0, 0; ; run++ {
		c := child(t, "command", append(args, out)...)
		var stderr bytes.Buffer
		c.Stderr = &stderr
		require.NoError(t, c.Start())
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		signal := []syscall.Signal{syscall.SIGKILL, syscall.SIGINT, syscall.SIGTERM}[run%3]
		if killWhenFurther(t, c, ended, out, have, signal) {
			require.Contains(t, stderr.String(), " of them kept\n")
			break
		}
		files, err := filepath.Glob(filepath.Join(out, "model-*"))
		require.NoError(t, err)
		for _, name := range files {
			requireSameFile(t, filepath.Join(whole, filepath.Base(name)), name)
		}
		if len(files) < len(want) {
			_, err := os.Stat(filepath.Join(out, "config.json"))
			require.ErrorIs(t, err, fs.ErrNotExist)
			requireFailure(t, llama4Run(t, "", "inspect", "-m", out), statusFailed, "config.json")
		}
		require.Less(t, run, len(want)+2)
		have = len(files)
	}
	names, err := os.ReadDir(whole)
	require.NoError(t, err)
	got, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Len(t, got, len(names)) // nothing else is left
	for _, e := range names {
		requireSameFile(t, filepath.Join(whole, e.Name()), filepath.Join(out, e.Name()))
	}
}

// killWhenFurther sends a signal once there is another file, unless the process ends
// first. It reports whether that had done all.
func killWhenFurther(t *testing.T, c *exec.Cmd, ended <-chan error, out string, have int, signal syscall.Signal) bool {
	t.Helper()
	for {
		files, err := filepath.Glob(filepath.Join(out, "model-*"))
		require.NoError(t, err)
		if len(files) > have+1 {
			_ = c.Process.Signal(signal) // it may have ended
			err := <-ended
			var exit *exec.ExitError
			if errors.As(err, &exit) && signal != syscall.SIGKILL {
				require.Equal(t, 128+int(signal), exit.ExitCode())
			}
			return err == nil
		}
		select {
		case err := <-ended:
			require.NoError(t, err)
			return true
		case <-time.After(100 * time.Microsecond):
		}
	}
}

func requireSameFile(t *testing.T, want, got string) {
	t.Helper()
	a, err := os.ReadFile(want)
	require.NoError(t, err)
	b, err := os.ReadFile(got)
	require.NoError(t, err)
	require.True(t, bytes.Equal(a, b), strings.TrimPrefix(got, filepath.Dir(got)))
}
