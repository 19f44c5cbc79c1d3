package safetensors

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Layout is where everything lies in a file, for who writes it piece by piece.
type Layout struct {
	// Head is what comes before the data: the header and its size.
	Head []byte
	// Offsets are where the tensors' data begins, in bytes from the start of the file.
	Offsets map[string]int64
	// Size is that of the whole file.
	Size int64
}

// NewLayout lays out tensors, whose Data is not looked at, as [Write] does.
func NewLayout(tensors []Tensor, meta map[string]string) (*Layout, error) {
	sorted := inOrder(tensors)
	head, err := encodeHeader(sorted, meta)
	if err != nil {
		return nil, fmt.Errorf("safetensors: cannot write: %w", err)
	}
	l := &Layout{Head: append(binary.LittleEndian.AppendUint64(nil, uint64(len(head))), head...), Offsets: map[string]int64{}}
	l.Size = int64(len(l.Head))
	for _, t := range sorted {
		l.Offsets[t.Name] = l.Size
		l.Size += t.Bytes()
	}
	return l, nil
}

// inOrder returns the tensors in the order in which files have them.
func inOrder(tensors []Tensor) []Tensor {
	return slices.SortedStableFunc(slices.Values(tensors), func(a, b Tensor) int {
		return cmp.Or(cmp.Compare(b.DType, a.DType), strings.Compare(a.Name, b.Name))
	})
}
