package bindings

import "fmt"

// Code is the kind of a failure. A Code is an error itself, so that
// errors.Is(err, bindings.ErrOutOfMemory) works on every error of this package
// that comes from the library.
type Code int32

// The kinds of failure, ll4_status of llama4.h.
const (
	// ErrInvalidArgument: something is absent, closed, or has a wrong shape, type
	// or range.
	ErrInvalidArgument Code = 1
	// ErrOutOfMemory: the message says how much was asked for and what is free.
	ErrOutOfMemory Code = 2
	// ErrUnsupported: valid, but this device or library cannot do it.
	ErrUnsupported Code = 3
	// ErrNoDevice: no such backend or device here; the message says what to do.
	ErrNoDevice Code = 4
	// ErrDeviceLost: the device failed and everything on it is lost.
	ErrDeviceLost Code = 5
	// ErrInternal: a bug in the library.
	ErrInternal Code = 6
)

// Error returns the kind in words.
func (c Code) Error() string {
	switch c {
	case ErrInvalidArgument:
		return "invalid argument"
	case ErrOutOfMemory:
		return "out of memory"
	case ErrUnsupported:
		return "unsupported"
	case ErrNoDevice:
		return "no such device"
	case ErrDeviceLost:
		return "device lost"
	case ErrInternal:
		return "internal error"
	}
	return fmt.Sprintf("code %d", int32(c))
}

// Error is a failed call.
type Error struct {
	Op      string // the operation, such as "matmul" or "device_open"
	Code    Code
	Message string // one line that names the argument; may be empty
}

// Error returns one line: the operation and what is wrong.
func (e *Error) Error() string {
	if e.Message == "" {
		return e.Op + ": " + e.Code.Error()
	}
	return e.Op + ": " + e.Message
}

// Unwrap returns the Code, for errors.Is.
func (e *Error) Unwrap() error { return e.Code }

// invalid makes the error of an argument that need not be shown to the library.
func invalid(op, format string, args ...any) *Error {
	return &Error{Op: op, Code: ErrInvalidArgument, Message: fmt.Sprintf(format, args...)}
}
