package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llama4go/llama4go/llama4/grammar"
)

// maxGrammarFile bounds what is read of a grammar or a schema.
const maxGrammarFile = 4 << 20

// registerGrammar registers the flags that constrain the text.
func (f *samplingFlags) registerGrammar(cmd *cobra.Command) {
	constrain := func(name, help string, read func(string) (*grammar.Grammar, error)) {
		cmd.Flags().Var(&value{kind: "file", set: func(text string) error {
			if f.grammar != nil {
				return errors.New("a text has one grammar: give --json-schema or --grammar, once")
			}
			var err error
			f.grammar, err = read(text)
			return err
		}}, name, help)
	}
	constrain("json-schema", "answer in JSON that fits this schema: a file, or the schema itself", func(text string) (*grammar.Grammar, error) {
		if strings.HasPrefix(strings.TrimSpace(text), "{") {
			return grammar.FromJSONSchema([]byte(text))
		}
		data, err := readFile(text, maxGrammarFile)
		if err != nil {
			return nil, err
		}
		return grammar.FromJSONSchema(data)
	})
	constrain("grammar", "answer with a text of this grammar, a file in GBNF", func(path string) (*grammar.Grammar, error) {
		data, err := readFile(path, maxGrammarFile)
		if err != nil {
			return nil, err
		}
		return grammar.ParseGBNF(string(data))
	})
}

// grammarReaders read the fields that constrain a request's text.
func (r *request) grammarReaders(known readers) {
	constrain := func(name string, compile func(json.RawMessage) (*grammar.Grammar, error)) {
		known[name] = func(raw json.RawMessage) error {
			if r.constrained != "" {
				return fmt.Errorf("want %s or %s, not both", r.constrained, name)
			}
			r.constrained = name
			g, err := compile(raw)
			r.Grammar = g
			return err
		}
	}
	constrain("json_schema", func(raw json.RawMessage) (*grammar.Grammar, error) { return grammar.FromJSONSchema(raw) })
	constrain("grammar", func(raw json.RawMessage) (*grammar.Grammar, error) {
		var source string
		if err := readText(&source)(raw); err != nil {
			return nil, err
		}
		g, err := grammar.ParseGBNF(source)
		if err != nil {
			return nil, fmt.Errorf("grammar: %w", err)
		}
		return g, nil
	})
}
