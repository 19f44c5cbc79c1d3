package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// ErrNoTemplate is returned by [Load] for a checkpoint without a chat template.
var ErrNoTemplate = errors.New("no chat template in chat_template.jinja, tokenizer_config.json or chat_template.json")

// specialVars are the special tokens that transformers passes to a template (SPECIAL_TOKENS_ATTRIBUTES, the single ones).
var specialVars = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// Load reads the chat template of a checkpoint folder: the file chat_template.jinja, else the entry chat_template of
// tokenizer_config.json (a string, or a list of named templates, of which "default" counts), else chat_template.json. The
// special tokens come from tokenizer_config.json, or from special_tokens_map.json if that file is missing.
func Load(fsys fs.FS) (*Template, error) {
	config, err := readConfig(fsys, "tokenizer_config.json")
	if err != nil {
		return nil, err
	}
	tokens := config
	if config == nil {
		if tokens, err = readConfig(fsys, "special_tokens_map.json"); err != nil {
			return nil, err
		}
	}
	source, from, err := templateSource(fsys, config)
	if err != nil {
		return nil, err
	}
	opts := Options{Tokens: make(map[string]string)}
	for _, name := range specialVars {
		tok, err := tokenText(tokens[name])
		if err != nil {
			return nil, fmt.Errorf("%s of tokenizer_config.json: %w", name, err)
		}
		if tok != "" {
			opts.Tokens[name] = tok
		}
	}
	if opts.Special, err = addedTokens(tokens["added_tokens_decoder"]); err != nil {
		return nil, err
	}
	t, err := Parse(source, opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return t, nil
}

// readConfig reads a JSON object; a missing file gives nil.
func readConfig(fsys fs.FS, name string) (map[string]json.RawMessage, error) {
	data, err := fs.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	m := make(map[string]json.RawMessage)
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

func templateSource(fsys fs.FS, config map[string]json.RawMessage) (source, from string, err error) {
	data, err := fs.ReadFile(fsys, "chat_template.jinja")
	if err == nil {
		return string(data), "chat_template.jinja", nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("chat template: %w", err)
	}
	own, err := readConfig(fsys, "chat_template.json")
	if err != nil {
		return "", "", err
	}
	for _, c := range []struct {
		from string
		raw  json.RawMessage
	}{{"tokenizer_config.json", config["chat_template"]}, {"chat_template.json", own["chat_template"]}} {
		if len(c.raw) == 0 || isNull(c.raw) {
			continue
		}
		source, err := defaultTemplate(c.raw)
		if err != nil {
			return "", "", fmt.Errorf("chat_template of %s: %w", c.from, err)
		}
		return source, c.from, nil
	}
	return "", "", ErrNoTemplate
}

// defaultTemplate reads a template string or picks "default" from a list of {"name": .., "template": ..}.
func defaultTemplate(raw json.RawMessage) (string, error) {
	var source string
	if json.Unmarshal(raw, &source) == nil {
		return source, nil
	}
	var list []struct{ Name, Template string }
	if err := json.Unmarshal(raw, &list); err != nil {
		return "", errors.New(`expected a string or a list of {"name": .., "template": ..}`)
	}
	var names []string
	for _, t := range list {
		if t.Name == "default" {
			return t.Template, nil
		}
		names = append(names, t.Name)
	}
	return "", fmt.Errorf("no template named default among [%s]", strings.Join(names, ", "))
}

// tokenText reads a special token: a string, {"content": ..}, null or nothing.
func tokenText(raw json.RawMessage) (string, error) {
	var s string
	if len(raw) == 0 || json.Unmarshal(raw, &s) == nil {
		return s, nil
	}
	var obj struct{ Content *string }
	if err := json.Unmarshal(raw, &obj); err != nil || obj.Content == nil {
		return "", errors.New(`expected a string or {"content": ..}`)
	}
	return *obj.Content, nil
}

// addedTokens lists the special tokens of added_tokens_decoder.
func addedTokens(raw json.RawMessage) ([]string, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var added map[string]struct {
		Content string
		Special bool
	}
	if err := json.Unmarshal(raw, &added); err != nil {
		return nil, fmt.Errorf("added_tokens_decoder of tokenizer_config.json: %w", err)
	}
	var names []string
	for _, t := range added {
		if t.Special {
			names = append(names, t.Content)
		}
	}
	slices.Sort(names)
	return names, nil
}
