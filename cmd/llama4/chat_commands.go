package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/llama4go/llama4go/llama4/sample"
)

// errExit ends a chat.
var errExit = errors.New("exit")

const chatCommands = `/help              this list
/image FILE        show a picture with the next message
/clear             forget the conversation
/save FILE         write the conversation to a file, pictures included
/load FILE         go on with the conversation of a file
/set KEY VALUE     change a setting: system, max_tokens, seed, temperature, top_k, top_p, min_p,
                   repetition_penalty, presence_penalty, frequency_penalty; "default" undoes it
/show              the model, its device, the context in use and the settings
/exit              end the chat, as Ctrl-D does
A line that ends in \ goes on in the next one; """ begins and ends a text of several lines.
A message that begins with / needs a space before it.
`

// commandWords are what Tab completes.
func commandWords() []string {
	words := []string{"/help", "/image ", "/save ", "/load ", "/clear", "/show", "/exit"}
	for _, key := range settingKeys() {
		words = append(words, "/set "+key+" ")
	}
	return words
}

func settingKeys() []string {
	keys := []string{"system", "max_tokens", "seed"}
	for _, s := range settings() {
		keys = append(keys, s.field)
	}
	return keys
}

// command does what a line that begins with / says.
func (c *conversation) command(line string) error {
	name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	rest = strings.TrimSpace(rest)
	takes := slices.Contains([]string{"/image", "/save", "/load"}, name)
	switch {
	case takes && rest == "":
		return fmt.Errorf("%s: the file is missing", name)
	case !takes && rest != "" && name != "/set":
		return fmt.Errorf("%s: nothing may follow the command", name)
	}
	switch name {
	case "/help", "/?":
		c.note("%s", chatCommands)
	case "/image":
		return c.addPicture(rest)
	case "/save":
		return c.save(rest)
	case "/load":
		return c.load(rest)
	case "/clear":
		return c.clear()
	case "/set":
		key, value, _ := strings.Cut(rest, " ")
		return c.change(strings.ReplaceAll(key, "-", "_"), strings.TrimSpace(value))
	case "/show":
		return c.show()
	case "/exit", "/quit", "/bye":
		return errExit
	default:
		return fmt.Errorf("unknown command %s: /help lists them; a message that begins with / needs a space before it", name)
	}
	return nil
}

// clear forgets the conversation, but not the settings.
func (c *conversation) clear() error {
	err := c.session.Close()
	c.session, c.messages, c.pictures, c.used = c.model.NewSession(), nil, nil, 0
	c.remark("the conversation is forgotten")
	return err
}

// chosen is what /set has set: as typed, and what it changes in sampling.
type chosen struct {
	text   string
	choice override // nil for system and max_tokens
}

// change sets a setting, or gives it back its default.
func (c *conversation) change(key, value string) error {
	if !slices.Contains(settingKeys(), key) {
		return fmt.Errorf("/set: unknown key %q, want %s", key, strings.Join(settingKeys(), ", "))
	}
	switch value {
	case "":
		return fmt.Errorf("/set %s: the value is missing", key)
	case "default":
		delete(c.set, key)
		return nil
	}
	choice, err := c.parse(key, value)
	if err != nil {
		return fmt.Errorf("/set %s %s: %w", key, value, err)
	}
	c.set[key] = chosen{value, choice}
	return nil
}

// parse checks a value and returns what it changes in sampling, if anything.
func (c *conversation) parse(key, value string) (override, error) {
	switch key {
	case "system":
		return nil, nil
	case "max_tokens":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > c.model.Context() {
			return nil, wantError(fmt.Sprintf("a whole number from 1 to %d", c.model.Context()))
		}
		return nil, nil
	case "seed":
		return parseSeed(value)
	}
	all := settings()
	i := slices.IndexFunc(all, func(s setting) bool { return s.field == key })
	return all[i].parse(value)
}

// system is the system message in effect.
func (c *conversation) system() string {
	if s, ok := c.set["system"]; ok {
		return s.text
	}
	return c.flags.system
}

// maxTokens is the limit of an answer in effect, 0 for none.
func (c *conversation) maxTokens() int {
	if s, ok := c.set["max_tokens"]; ok {
		n, _ := strconv.Atoi(s.text) // parse has checked it
		return n
	}
	return c.flags.sampling.maxTokens
}

// sampling is how tokens are chosen: what /set says, else the flags, else the
// publisher.
func (c *conversation) sampling() *sample.Params {
	choices := slices.Clone(c.flags.sampling.choices)
	for _, s := range c.set {
		if s.choice != nil {
			choices = append(choices, s.choice)
		}
	}
	return choices.over(c.model.Sampling())
}

// show prints the state of the chat.
func (c *conversation) show() error {
	info, err := c.model.Device()
	if err != nil {
		return err
	}
	var text strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&text, "%-19s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("model", "%s, %s parameters", c.model.name, count(c.model.Config().Parameters().Total))
	row("device", "%s", describeDevice(info))
	row("context", "%d of %d tokens; KV cache %s", c.used, c.model.Context(), size(c.model.CacheBytes()))
	if system := c.system(); system != "" {
		row("system", "%s", oneLine(system))
	}
	if n := c.maxTokens(); n > 0 {
		row("max_tokens", "%d", n)
	}
	p := c.sampling()
	if p.Seed != nil {
		row("seed", "%d", *p.Seed)
	}
	for _, s := range settings() {
		row(s.field, "%s", number(s.value(p)))
	}
	c.note("%s", text.String())
	return nil
}
