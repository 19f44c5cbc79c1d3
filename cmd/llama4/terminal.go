package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// note writes a line for people. There is nobody to tell when it fails.
func (a *app) note(format string, args ...any) {
	_, _ = fmt.Fprintf(a.stderr, format, args...)
}

// remark writes a line for people, dimmed on a terminal.
func (a *app) remark(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if isTerminal(a.stderr) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		text = "\x1b[2m" + text + "\x1b[0m"
	}
	a.note("%s\n", text)
}

// isTerminal says whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// textWriter writes a model's text. On a terminal, control characters other than
// line breaks and tabs are left out, so that a text cannot steer the terminal.
type textWriter struct {
	out      io.Writer
	terminal bool
	last     string // what was written last
}

func newTextWriter(out io.Writer) *textWriter {
	return &textWriter{out: out, terminal: isTerminal(out)}
}

func (w *textWriter) write(text string) error {
	if w.terminal {
		text = withoutControls(text)
	}
	if text == "" {
		return nil
	}
	w.last = text
	_, err := io.WriteString(w.out, text)
	return err
}

// endLine ends the line that is begun, or a text of nothing.
func (w *textWriter) endLine() error {
	if strings.HasSuffix(w.last, "\n") {
		return nil
	}
	w.last = "\n"
	_, err := io.WriteString(w.out, "\n")
	return err
}

func withoutControls(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, text)
}

// size writes a number of bytes for people.
func size(bytes int64) string {
	const unit = 1024
	if bytes < unit {
		return fmt.Sprintf("%d B", bytes)
	}
	value, prefix := float64(bytes)/unit, 0
	for value >= 1023.95 && prefix < 5 {
		value /= unit
		prefix++
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTPE"[prefix])
}

// count writes a number of parameters for people.
func count(n int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "k"}} {
		if n >= unit.size {
			return fmt.Sprintf("%.2f %s", float64(n)/float64(unit.size), unit.name)
		}
	}
	return fmt.Sprint(n)
}
