package bindings

/*
#cgo CFLAGS: -std=c11
#cgo linux LDFLAGS: -ldl
#include <stdlib.h>
#include "lib.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"unsafe"

	// The header is outside this package, where the go command does not see it
	// change. Its text is embedded there: a changed header rebuilds this package.
	_ "github.com/llama4go/llama4go/csrc"
)

// Errors of finding the library, for errors.Is.
var (
	// ErrLibraryNotFound says that no place holds a library that can be loaded.
	ErrLibraryNotFound = errors.New("libllama4 not found")
	// ErrLibraryVersion says that the library was built from another version of
	// llama4.h than this package.
	ErrLibraryVersion = errors.New("libllama4 has another version")
)

// LibraryInfo describes the library in use.
type LibraryInfo struct {
	Path    string // the file, or the bare name that the system found it by
	Version string // of the project, such as "0.1.0"
	ABI     int    // LL4_ABI_VERSION of its header
}

// Library loads the library, as every first call does, and describes it.
func Library() (LibraryInfo, error) {
	l, err := loaded()
	if err != nil {
		return LibraryInfo{}, err
	}
	return LibraryInfo{
		Path:    l.path,
		Version: C.GoString(l.api.version),
		ABI:     int(l.api.abi_version),
	}, nil
}

// library is a loaded library and its table of functions, which is constant.
type library struct {
	path string
	api  *C.ll4_api
}

// loaded loads the library at the first call and returns the same ever after.
var loaded = sync.OnceValues(func() (*library, error) {
	return find(searchPlaces(systemEnvironment()))
})

// find loads the first library that will do.
func find(places []place) (*library, error) {
	sentinel := ErrLibraryNotFound
	var looked []string
	for _, p := range places {
		l, err := p.load()
		if err == nil {
			return l, nil
		}
		if errors.Is(err, ErrLibraryVersion) {
			sentinel = ErrLibraryVersion
		}
		looked = append(looked, fmt.Sprintf("%s (%s): %s", p.path, p.source, reason(err)))
	}
	return nil, fmt.Errorf("%w; build it with `make build` in a clone of llama4go, then "+
		"`make install` it or set LLAMA4_LIB to the file or its folder; looked at %s",
		sentinel, strings.Join(looked, "; "))
}

// load loads the library at p.
func (p place) load() (*library, error) {
	if !p.system {
		info, err := os.Stat(p.path)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, errors.New("not a file")
		}
	}
	path := C.CString(p.path)
	defer C.free(unsafe.Pointer(path))
	var l C.llama4_library
	switch C.llama4_load(path, &l) {
	case C.LLAMA4_LOADED:
		return &library{path: p.path, api: l.api}, nil
	case C.LLAMA4_NOT_OURS:
		return nil, errors.New("it has no ll4_get_api")
	case C.LLAMA4_OTHER_VERSION:
		return nil, fmt.Errorf("%w: ABI %d where this program needs %d",
			ErrLibraryVersion, l.abi_version, C.LL4_ABI_VERSION)
	default:
		message := C.GoString(&l.message[0])
		// The message may also be about a library that this one needs.
		if p.system && strings.HasPrefix(message, p.path+": cannot open shared object file: No such file") {
			return nil, os.ErrNotExist
		}
		return nil, errors.New(strings.ReplaceAll(message, "\n", " "))
	}
}

// reason shortens what everybody knows.
func reason(err error) string {
	if errors.Is(err, os.ErrNotExist) {
		return "not there"
	}
	return err.Error()
}
