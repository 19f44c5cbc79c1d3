package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The exit statuses other than 0; a command that a signal ended has 128 plus the
// signal's number, as shells report it.
const (
	statusFailed = 1
	statusUsage  = 2
	statusSignal = 128
)

// usageError is a mistake in how the command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usage makes a usageError that points to the command's help.
func usage(cmd *cobra.Command, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return usageError{fmt.Errorf("%w: see '%s --help'", err, cmd.CommandPath())}
}

// flagError words what pflag found wrong.
func flagError(cmd *cobra.Command, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return usage(cmd, "--%s %q: %w", invalid.GetFlag().Name, invalid.GetValue(), invalid.Unwrap())
	}
	return usage(cmd, "%w", err)
}

// noArguments refuses arguments; hint says what to do instead, if anything.
func noArguments(hint string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usage(cmd, "unexpected argument %q%s", args[0], hint)
		}
		return nil
	}
}

// interruption is the error of a command that a signal ended.
type interruption struct{ signal syscall.Signal }

func (i interruption) Error() string {
	if i.signal == syscall.SIGTERM {
		return "ended by SIGTERM"
	}
	return "interrupted"
}

// withSignals returns a context that the first of the signals ends. After that
// they have their default effect again, so a second one ends the process.
func withSignals(parent context.Context, signals ...os.Signal) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, signals...)
	go func() {
		select {
		case s := <-caught:
			signal.Stop(caught)
			number, _ := s.(syscall.Signal)
			cancel(interruption{number})
		case <-ctx.Done():
			signal.Stop(caught)
		}
	}()
	return ctx, func() { cancel(nil) }
}

// interruptible runs part of a command until SIGINT or SIGTERM.
func interruptible(ctx context.Context, part func(context.Context) error) error {
	ctx, stop := withSignals(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	return orInterruption(ctx, part(ctx))
}

// orInterruption returns the signal that ended ctx in place of an error that
// came of it.
func orInterruption(ctx context.Context, err error) error {
	var i interruption
	if err != nil && errors.As(context.Cause(ctx), &i) {
		return i
	}
	return err
}

// status returns the exit status of an error.
func status(err error) int {
	var wrong usageError
	var i interruption
	switch {
	case errors.As(err, &i):
		return statusSignal + int(i.signal)
	case errors.As(err, &wrong):
		return statusUsage
	}
	return statusFailed
}

// oneLine makes one line of a message, without control characters.
func oneLine(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.Join(lines, "; "))
}
