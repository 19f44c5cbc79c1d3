package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/llama4go/llama4go/llama4/chat"
)

// maxConversation bounds the file of a conversation.
const maxConversation = 1 << 30

// savedPicture begins the address under which a picture is saved.
const savedPicture = "data:application/octet-stream;base64,"

// save writes the conversation to a file, as a list of messages that generate and
// score take, too. The file is replaced at once or not at all.
func (c *conversation) save(path string) error {
	var messages []chat.Message
	if system := c.system(); system != "" {
		messages = append(messages, chat.Message{Role: "system", Content: chat.Text(system)})
	}
	for _, m := range c.messages {
		m.Content.Parts = slices.Clone(m.Content.Parts)
		for i, part := range m.Content.Parts {
			if part.Data != nil {
				m.Content.Parts[i] = chat.Part{Type: part.Type, URL: savedPicture + base64.StdEncoding.EncodeToString(part.Data)}
			}
		}
		messages = append(messages, m)
	}
	data, err := json.MarshalIndent(messages, "", "  ")
	if err != nil {
		return err
	}
	err = replaceFile(path, func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
	if err != nil {
		return err
	}
	c.remark("%d messages are in %s", len(messages), path)
	return nil
}

// load replaces the conversation, and the system message, by those of a file.
func (c *conversation) load(path string) error {
	messages, err := readConversation(path)
	if err != nil {
		return err
	}
	if err := c.clear(); err != nil {
		return err
	}
	delete(c.set, "system")
	if messages[0].Role == "system" {
		c.set["system"] = chosen{text: messages[0].Content.Text}
		messages = messages[1:]
	}
	c.messages = messages
	c.remark("%d messages are from %s", len(messages), path)
	return nil
}

func readConversation(path string) ([]chat.Message, error) {
	data, err := readFile(path, maxConversation)
	if err != nil {
		return nil, err
	}
	messages, err := readMessages(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for i := range messages {
		if err := loadPictures(messages[i].Content.Parts); err != nil {
			return nil, fmt.Errorf("%s: messages[%d]: %w", path, i, err)
		}
	}
	return messages, nil
}

// loadPictures undoes what save does to the pictures of a message.
func loadPictures(parts []chat.Part) error {
	for i, part := range parts {
		encoded, ok := strings.CutPrefix(part.URL, savedPicture)
		if !ok {
			continue
		}
		data, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return fmt.Errorf("content[%d]: %w", i, err)
		}
		parts[i] = chat.ImageData(data)
	}
	return nil
}
