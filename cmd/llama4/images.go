package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/llama4go/llama4go/llama4/chat"
	"github.com/llama4go/llama4go/llama4/vision"
)

// maxImages bounds the pictures of one message.
const maxImages = 64

// imageFlag registers --image, the files of pictures before a text.
func imageFlag(cmd *cobra.Command, files *[]string, help string) {
	cmd.Flags().Var(&value{kind: "file", set: func(path string) error {
		if len(*files) == maxImages {
			return wantError(fmt.Sprintf("at most %d", maxImages))
		}
		*files = append(*files, path)
		return nil
	}}, "image", help)
}

// picture reads a file and makes sure that it is a picture that can be shown.
func (m *loaded) picture(path string) (chat.Part, error) {
	data, err := vision.ReadFile(path)
	if err != nil {
		return chat.Part{}, err
	}
	if _, err := m.DecodeImage(data); err != nil {
		return chat.Part{}, fmt.Errorf("%s: %w", path, err)
	}
	return chat.ImageData(data), nil
}

// pictures reads several.
func (m *loaded) pictures(paths []string) ([]chat.Part, error) {
	var parts []chat.Part
	for _, path := range paths {
		part, err := m.picture(path)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// withPictures returns a message's content: its pictures, then its text.
func withPictures(pictures []chat.Part, text string) chat.Content {
	if len(pictures) == 0 {
		return chat.Text(text)
	}
	return chat.Parts(append(pictures[:len(pictures):len(pictures)], chat.TextPart(text))...)
}
