package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vbauerster/mpb/v8"
)

func TestProgress(t *testing.T) {
	var screen bytes.Buffer
	p := newProgress(&screen, "loading it")
	require.False(t, p.show, "a buffer is no terminal")
	p.update(1, 2)
	p.close()
	require.Empty(t, screen.String())

	p.show = true
	p.delay = time.Hour
	p.update(1, 2)
	p.close()
	require.Empty(t, screen.String(), "soon done")

	p.delay = 0
	p.options = append(p.options, mpb.WithAutoRefresh(), mpb.WithRefreshRate(time.Millisecond))
	p.update(512<<20, 1<<30)
	time.Sleep(50 * time.Millisecond)
	p.close()
	require.Contains(t, screen.String(), "loading it  512.0 MiB of 1.0 GiB\n")
}

func TestTextWriter(t *testing.T) {
	var out bytes.Buffer
	w := newTextWriter(&out)
	require.NoError(t, w.write("a\x1b[31mb"))
	require.NoError(t, w.endLine())
	require.NoError(t, w.endLine())
	require.Equal(t, "a\x1b[31mb\n", out.String(), "a file gets every byte")
	out.Reset()
	w = &textWriter{out: &out, terminal: true}
	require.NoError(t, w.write("a\x1b[31mb\tc\r\u009b é\n"))
	require.NoError(t, w.endLine())
	require.Equal(t, "a[31mb\tc é\n", out.String())
}

func TestSizes(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 8049600: "7.7 MiB",
		217 << 30: "217.0 GiB", 1<<63 - 1: "8.0 EiB",
	} {
		require.Equal(t, want, size(bytes))
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1.00 k", 4024800: "4.02 M", 108641793536: "108.64 B", 4e12: "4.00 T"} {
		require.Equal(t, want, count(n))
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 108641793536: "108,641,793,536"} {
		require.Equal(t, want, quantity(n))
	}
}

func TestWarnings(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(&warnings{out: &out})
	log.Info("not shown")
	log.WithGroup("g").With("device", "cpu").Warn("running on the CPU", "reason", "two\nlines")
	require.Equal(t, "llama4: warning: running on the CPU: cpu: two; lines\n", out.String())
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
}
