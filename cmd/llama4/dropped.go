package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// pictureTypes are the endings of files that are taken for pictures in a message.
var pictureTypes = []string{".jpg", ".jpeg", ".png", ".webp", ".gif"}

// droppedPictures returns the files of pictures that a message names, as terminals
// write them when they are dropped there: quoted, with escaped spaces, or as a
// file: address. The text without them is returned, too.
func droppedPictures(text string) (paths []string, rest string) {
	var kept strings.Builder
	for len(text) > 0 {
		word, n := nextWord(text)
		if path, ok := pictureFile(word); ok {
			paths = append(paths, path)
		} else {
			kept.WriteString(text[:n])
		}
		text = text[n:]
		blank := len(text) - len(strings.TrimLeft(text, " \t\n"))
		kept.WriteString(text[:blank])
		text = text[blank:]
	}
	if len(paths) == 0 {
		return nil, kept.String()
	}
	return paths, strings.TrimSpace(kept.String())
}

// isPicture says whether a message begins with the path of a picture, and not with a
// command.
func isPicture(text string) bool {
	word, _ := nextWord(text)
	_, ok := pictureFile(word)
	return ok
}

// nextWord returns the word that a text begins with, without its quotes and
// escapes, and how many bytes it takes. A quote that is not closed is a character.
func nextWord(text string) (word string, n int) {
	if q := text[0]; q == '\'' || q == '"' {
		if end := strings.IndexByte(text[1:], q); end >= 0 {
			return text[1 : 1+end], end + 2
		}
	}
	var b strings.Builder
	for n < len(text) && !strings.ContainsRune(" \t\n", rune(text[n])) {
		if text[n] == '\\' && n+1 < len(text) {
			n++
		}
		b.WriteByte(text[n])
		n++
	}
	return b.String(), n
}

// pictureFile says whether a word is the path of a file that looks like a picture.
// A bare name is a word, not a path.
func pictureFile(word string) (path string, ok bool) {
	word = strings.TrimPrefix(word, "file://")
	if !slices.Contains(pictureTypes, strings.ToLower(filepath.Ext(word))) || !strings.ContainsRune(word, filepath.Separator) {
		return "", false
	}
	if rest, home := strings.CutPrefix(word, "~/"); home {
		if folder, err := os.UserHomeDir(); err == nil {
			word = filepath.Join(folder, rest)
		}
	}
	info, err := os.Stat(word)
	return word, err == nil && info.Mode().IsRegular()
}
