package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// warnings is a slog.Handler that writes what a user should know, a line each.
type warnings struct {
	out   io.Writer
	attrs []slog.Attr
}

// Enabled implements slog.Handler.
func (w *warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle implements slog.Handler.
func (w *warnings) Handle(_ context.Context, r slog.Record) error {
	var line strings.Builder
	line.WriteString("llama4: warning: " + r.Message)
	add := func(a slog.Attr) bool {
		fmt.Fprintf(&line, ": %v", a.Value)
		return true
	}
	for _, a := range w.attrs {
		add(a)
	}
	r.Attrs(add)
	_, err := io.WriteString(w.out, oneLine(line.String())+"\n")
	return err
}

// WithAttrs implements slog.Handler.
func (w *warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &warnings{out: w.out, attrs: append(w.attrs[:len(w.attrs):len(w.attrs)], attrs...)}
}

// WithGroup implements slog.Handler. Lines for people have no groups.
func (w *warnings) WithGroup(string) slog.Handler { return w }
