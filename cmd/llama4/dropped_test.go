package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDroppedPictures(t *testing.T) {
	folder := t.TempDir()
	plain, spaced := filepath.Join(folder, "a.PNG"), filepath.Join(folder, "my cat.jpeg")
	for _, path := range []string{plain, spaced} {
		require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	}
	escaped := filepath.Join(folder, `my\ cat.jpeg`)
	for _, tt := range []struct {
		text  string
		paths []string
		rest  string
	}{
		{"What is it?", nil, "What is it?"},
		{plain, []string{plain}, ""},
		{plain + " What is it?", []string{plain}, "What is it?"},
		{"Compare " + plain + " and '" + spaced + "'.", []string{plain, spaced}, "Compare  and ."},
		{"Look: " + escaped, []string{spaced}, "Look:"},
		{"file://" + plain + "\nwhat?", []string{plain}, "what?"},
		{`"` + spaced + `" what?`, []string{spaced}, "what?"},
		{"Is a.png in " + folder + "/none.png?", nil, "Is a.png in " + folder + "/none.png?"},
		{`don't "do \n that`, nil, `don't "do \n that`},
		{"", nil, ""},
	} {
		paths, rest := droppedPictures(tt.text)
		require.Equal(t, tt.paths, paths, tt.text)
		require.Equal(t, tt.rest, rest, tt.text)
	}
}
