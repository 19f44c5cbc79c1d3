// Package csrc holds the C ABI of llama4go, llama4.h, and the sources of the
// library behind it, which CMake builds.
//
// Go programs use package bindings. This package exists so that the header
// travels with the module: `go mod vendor` keeps it, and because its text is
// embedded here, a changed header rebuilds the packages that import this one.
package csrc

import _ "embed"

// Header is the text of llama4.h.
//
//go:embed llama4.h
var Header string
