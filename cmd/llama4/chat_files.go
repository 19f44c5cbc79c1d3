package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
	f, err := os.CreateTemp(filepath.Dir(path), ".conversation-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	c.remark("%d messages are in %s", len(messages), path)
	return nil
}

// load replaces the conversation, and the system message, by those of a file.
func (c *conversation) load(path string) error {
	messages, err := readConversation(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
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
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxConversation+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxConversation {
		return nil, fmt.Errorf("over the limit of %d bytes", maxConversation)
	}
	messages, err := readMessages(data)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		if err := loadPictures(messages[i].Content.Parts); err != nil {
			return nil, fmt.Errorf("messages[%d]: %w", i, err)
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
