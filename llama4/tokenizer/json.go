package tokenizer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// ParseJSON reads a Hugging Face tokenizer.json that holds a byte-level BPE
// with the o200k pattern. What would change ids and is not supported is refused
// by name. Truncation, padding and the post-processor are left to the caller:
// no token is ever added.
func ParseJSON(data []byte) (*Tokenizer, error) {
	t, err := parseJSON(data)
	if err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	return t, nil
}

type jsonFile struct {
	Normalizer   *typed           `json:"normalizer"`
	PreTokenizer *jsonPre         `json:"pre_tokenizer"`
	Decoder      *typed           `json:"decoder"`
	AddedTokens  []jsonAddedToken `json:"added_tokens"`
	Model        *jsonModel       `json:"model"`
}

type typed struct {
	Type string `json:"type"`
}

type jsonPre struct {
	Type          string    `json:"type"`
	PreTokenizers []jsonPre `json:"pretokenizers"`
	Pattern       *struct {
		Regex *string `json:"Regex"`
	} `json:"pattern"`
	Behavior       string `json:"behavior"`
	Invert         bool   `json:"invert"`
	AddPrefixSpace *bool  `json:"add_prefix_space"`
	UseRegex       *bool  `json:"use_regex"`
}

type jsonAddedToken struct {
	ID         *int64 `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`

	shared bool // a key of the vocabulary as well
}

type jsonModel struct {
	Type         *string         `json:"type"`
	Dropout      *float64        `json:"dropout"`
	UnkToken     *string         `json:"unk_token"`
	Prefix       *string         `json:"continuing_subword_prefix"`
	Suffix       *string         `json:"end_of_word_suffix"`
	ByteFallback bool            `json:"byte_fallback"`
	IgnoreMerges bool            `json:"ignore_merges"`
	Vocab        json.RawMessage `json:"vocab"`
	Merges       json.RawMessage `json:"merges"`
}

func parseJSON(data []byte) (*Tokenizer, error) {
	if n := validLen(data); n < len(data) {
		return nil, fmt.Errorf("line %d: not UTF-8", lineOf(data, n))
	}
	var f jsonFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, jsonError(data, err)
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	tokens, added, err := f.tokens()
	if err != nil {
		return nil, err
	}
	t, err := newTokenizer(tokens, added, func(id int32) string { return fmt.Sprintf("id %d", id) })
	if err != nil {
		return nil, fmt.Errorf("model.vocab: %w", err)
	}
	if err := t.readMerges(f.Model.Merges); err != nil {
		return nil, fmt.Errorf("model.%w", err)
	}
	if !f.Model.IgnoreMerges {
		t.dropUnreachable()
	}
	return t, nil
}

// check refuses what this package does not do.
func (f *jsonFile) check() error {
	if f.Normalizer != nil {
		return fmt.Errorf("normalizer: %q is not supported, only null", f.Normalizer.Type)
	}
	if f.PreTokenizer == nil {
		return errors.New("pre_tokenizer: missing; want the o200k Split and ByteLevel")
	}
	if err := f.PreTokenizer.check(); err != nil {
		return fmt.Errorf("pre_tokenizer%w", err)
	}
	if f.Decoder != nil && f.Decoder.Type != "ByteLevel" {
		return fmt.Errorf("decoder: type %q is not supported, only ByteLevel", f.Decoder.Type)
	}
	if f.Model == nil {
		return errors.New("model: missing")
	}
	return f.Model.check()
}

func (m *jsonModel) check() error {
	switch {
	case m.Type != nil && *m.Type != "BPE":
		return fmt.Errorf("model.type: %q is not supported, only BPE", *m.Type)
	case m.Dropout != nil && *m.Dropout != 0:
		return fmt.Errorf("model.dropout: %v is not supported, only null", *m.Dropout)
	case m.UnkToken != nil:
		return fmt.Errorf("model.unk_token: %q is not supported, only null: every byte has a token", *m.UnkToken)
	case m.Prefix != nil && *m.Prefix != "":
		return fmt.Errorf("model.continuing_subword_prefix: %q is not supported, only null", *m.Prefix)
	case m.Suffix != nil && *m.Suffix != "":
		return fmt.Errorf("model.end_of_word_suffix: %q is not supported, only null", *m.Suffix)
	case m.ByteFallback:
		return errors.New("model.byte_fallback: true is not supported; a byte-level vocabulary has every byte")
	case len(m.Vocab) == 0:
		return errors.New("model.vocab: missing")
	case len(m.Merges) == 0:
		return errors.New("model.merges: missing")
	}
	return nil
}

func (p *jsonPre) check() error {
	if p.Type != "Sequence" || len(p.PreTokenizers) != 2 || p.PreTokenizers[0].Type != "Split" || p.PreTokenizers[1].Type != "ByteLevel" {
		return fmt.Errorf(": %q is not supported, only a Sequence of Split and ByteLevel", p.Type)
	}
	s, b := p.PreTokenizers[0], p.PreTokenizers[1]
	const split, level = ".pretokenizers[0]", ".pretokenizers[1]"
	switch {
	case s.Pattern == nil || s.Pattern.Regex == nil:
		return errors.New(split + ".pattern.Regex: missing; only the o200k pattern of Llama 4 is supported")
	case *s.Pattern.Regex != pattern:
		return fmt.Errorf("%s.pattern.Regex: %.60q is not the o200k pattern of Llama 4, the only one supported", split, *s.Pattern.Regex)
	case s.Behavior != "Isolated":
		return fmt.Errorf("%s.behavior: %q is not supported, only Isolated", split, s.Behavior)
	case s.Invert:
		return errors.New(split + ".invert: true is not supported")
	case b.AddPrefixSpace == nil || *b.AddPrefixSpace:
		return errors.New(level + ".add_prefix_space: must be false")
	case b.UseRegex == nil || *b.UseRegex:
		return errors.New(level + ".use_regex: must be false") // the default is true
	}
	return nil
}

// jsonError says on which line or in which field Unmarshal failed.
func jsonError(data []byte, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("line %d: %w", lineOf(data, int(syntax.Offset)), err)
	}
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) {
		return fmt.Errorf("line %d: %s: unexpected %s", lineOf(data, int(typ.Offset)), cmp.Or(typ.Field, "top level"), typ.Value)
	}
	return err
}

func lineOf(data []byte, offset int) int {
	return 1 + bytes.Count(data[:min(max(offset, 0), len(data))], []byte{'\n'})
}

// validLen returns the length of the well-formed start of b.
func validLen(b []byte) int {
	if utf8.Valid(b) {
		return len(b)
	}
	i := 0
	for {
		n, whole := sequence(b[i:])
		if !whole {
			return i
		}
		i += n
	}
}
