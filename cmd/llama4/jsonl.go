package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4"
)

const (
	// maxLine is the longest request, in bytes.
	maxLine = 64 << 20
	// keptOfTooLong is what is kept of a longer one, for its id.
	keptOfTooLong = 4096
)

// failure is the answer to a request that could not be done.
type failure struct {
	ID    json.RawMessage `json:"id"`
	Error string          `json:"error"`
}

// answerLines answers requests, one a line, in order. A request that fails is
// answered by its failure, and the rest goes on.
func (a *app) answerLines(ctx context.Context, in io.Reader, answer func(context.Context, *object) (any, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the reader
	out := json.NewEncoder(a.stdout)
	out.SetEscapeHTML(false)
	total, failed := 0, 0
	for line := range readLines(ctx, in) {
		if errors.Is(line.err, errRead) {
			return line.err
		}
		total++
		request, err := line.parse()
		var result any
		if err == nil {
			result, err = answer(ctx, &request)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, bindings.ErrDeviceLost):
			return fmt.Errorf("request %d: %w", total, err)
		case err != nil:
			failed++
			result = failure{request.id, oneLine(err.Error())}
		}
		if err := out.Encode(result); err != nil {
			return fmt.Errorf("writing the answer to request %d: %w", total, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d requests failed: see the error in their answers", failed, total)
	}
	return nil
}

// line is a line of input.
type line struct {
	text []byte
	err  error
}

var (
	errRead    = errors.New("reading the requests")
	errTooLong = fmt.Errorf("the line is longer than %d bytes", maxLine)
)

// parse reads the line's JSON. Of a line that is too long, the id is read if it
// is at the beginning.
func (l *line) parse() (object, error) {
	request, err := parseObject(l.text)
	if l.err != nil {
		return request, l.err
	}
	return request, err
}

// readLines sends the lines of in that are not blank, and ends with ctx or after
// an errRead. A reader that blocks cannot be ended: it is left behind.
func readLines(ctx context.Context, in io.Reader) <-chan line {
	lines := make(chan line)
	go func() {
		defer close(lines)
		r := bufio.NewReaderSize(in, 1<<16)
		for {
			next, err := readLine(r)
			if err != nil && !errors.Is(err, io.EOF) {
				next = line{err: fmt.Errorf("%w: %w", errRead, err)}
			} else if len(bytes.TrimSpace(next.text)) == 0 {
				if err != nil {
					return
				}
				continue
			}
			select {
			case lines <- next:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return lines
}

// readLine reads a line, of one that is too long the beginning. The error is that
// of the reader.
func readLine(r *bufio.Reader) (line, error) {
	var l line
	for {
		part, err := r.ReadSlice('\n')
		room := maxLine - len(l.text)
		switch {
		case l.err != nil:
		case len(bytes.TrimRight(part, "\r\n")) > room:
			l = line{text: bytes.Clone(l.text[:min(len(l.text), keptOfTooLong)]), err: errTooLong}
		default:
			l.text = append(l.text, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return l, err
		}
	}
}

// requests opens what a --jsonl command reads: a file, or standard input.
func (a *app) requests(args []string) (io.ReadCloser, error) {
	if len(args) == 0 || args[0] == "-" {
		return io.NopCloser(a.stdin), nil
	}
	f, err := os.Open(args[0])
	if err != nil {
		return nil, fmt.Errorf("requests: %w", err)
	}
	return f, nil
}

// jsonNumber is a number that JSON may not have: NaN and infinities are null.
type jsonNumber float64

// MarshalJSON implements json.Marshaler.
func (n jsonNumber) MarshalJSON() ([]byte, error) { return appendNumber(nil, float64(n)), nil }

func appendNumber(dst []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}

// jsonTop is a token with its log-probability, [id, logprob].
type jsonTop llama4.TokenLogProb

// MarshalJSON implements json.Marshaler.
func (t jsonTop) MarshalJSON() ([]byte, error) {
	dst := strconv.AppendInt([]byte{'['}, int64(t.ID), 10)
	return append(appendNumber(append(dst, ','), t.LogProb), ']'), nil
}

func jsonTops(tops []llama4.TokenLogProb) []jsonTop {
	out := make([]jsonTop, len(tops))
	for i, t := range tops {
		out[i] = jsonTop(t)
	}
	return out
}
