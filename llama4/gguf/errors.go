package gguf

import "fmt"

// FormatError says how a file breaks the format, or what it holds that is not
// supported. Errors of the operating system are not FormatErrors.
type FormatError struct {
	File    string // name of the file, as it was opened
	Tensor  string // name of the tensor; empty if the fault is none's
	Problem string
}

// Error returns file, tensor and problem in one line.
func (e *FormatError) Error() string {
	s := e.Problem
	if e.Tensor != "" {
		s = fmt.Sprintf("tensor %.80q: %s", e.Tensor, s)
	}
	if e.File != "" {
		s = e.File + ": " + s
	}
	return s
}

func invalid(tensor, format string, args ...any) *FormatError {
	return &FormatError{Tensor: tensor, Problem: fmt.Sprintf(format, args...)}
}

// named adds the file's name to an error of the functions that do not know it.
func named(file string, err error) error {
	if f, ok := err.(*FormatError); ok {
		f.File = file
		return f
	}
	return fmt.Errorf("%s: %w", file, err)
}
