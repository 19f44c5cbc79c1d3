package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// square is a picture of a red square.
const square = "../../llama4/demo/picture.png"

func TestChatPictures(t *testing.T) {
	seen := "What is in the picture?"
	for _, o := range []outcome{
		succeed(t, lines(seen), "chat", "--image", square),
		succeed(t, lines("/image "+square, seen), "chat"),
		succeed(t, lines(square+" "+seen), "chat"),
		succeed(t, lines(square, seen), "chat"),
		succeed(t, "", "generate", "--image", square, seen),
	} {
		require.Equal(t, "A red square.\n", o.stdout)
	}
	for want, args := range map[string][]string{
		"none.png: no such file": {"chat", "--image", "none.png"},
		"it looks like text":     {"chat", "--image", "main.go"},
	} {
		requireFailure(t, llama4Run(t, "", args...), 1, want)
	}
	requireFailure(t, llama4Run(t, lines("/image"), "chat"), 1, "/image: the file is missing")
	requireFailure(t, llama4Run(t, "", "generate", "--raw", "--image", square, "x"), 2, "--image excludes --raw")
}

// A conversation that is saved and loaded goes on as if it had not been.
func TestChatSaves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "talk.json")
	first := succeed(t, lines("/set system Be kind.", square+" What do you see?", "/save "+path, "What color is it?"), "chat")
	again := succeed(t, lines("Hello! My name is Nora.", "/load "+path, "What color is it?", "/show"), "chat")
	require.Equal(t, "A red square.\nIt is red.\n", first.stdout)
	require.Equal(t, "Hello, Nora! How can I help you?\nIt is red.\n", again.stdout)
	require.Contains(t, again.stderr, "Be kind.")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	require.NoError(t, os.WriteFile(path, []byte(`[{"role":"user"`), 0o600))
	requireFailure(t, llama4Run(t, lines("/load "+path), "chat"), 1, "messages must be a JSON list")
	requireFailure(t, llama4Run(t, lines("/save /no/such/folder/x"), "chat"), 1, "no such file")
}
