package main

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llama4go/llama4go/llama4/grammar"
	"github.com/llama4go/llama4go/llama4/sample"
)

// setting is a number that says how tokens are chosen: a flag, a field of a
// request, and a key of /set.
type setting struct {
	field       string // of a request; /set takes it too
	flag        string
	least, most float64
	help        string
	float       func(*sample.Params) *float64 // the number, or
	whole       func(*sample.Params) *int
}

// settings lists them all but the seed, which not every float64 can hold.
func settings() []setting {
	return []setting{
		{field: "temperature", flag: "temperature", most: 100, help: "divide the logits; 0 always takes the likeliest token",
			float: func(p *sample.Params) *float64 { return &p.Temperature }},
		{field: "top_k", flag: "top-k", most: math.MaxInt32, help: "draw from that many of the likeliest tokens; 0 is all",
			whole: func(p *sample.Params) *int { return &p.TopK }},
		{field: "top_p", flag: "top-p", most: 1, help: "draw from the likeliest tokens of that probability together",
			float: func(p *sample.Params) *float64 { return &p.TopP }},
		{field: "min_p", flag: "min-p", most: 1, help: "drop tokens under that share of the likeliest one's probability",
			float: func(p *sample.Params) *float64 { return &p.MinP }},
		{field: "repetition_penalty", flag: "repeat-penalty", least: 0.01, most: 100, help: "divide the logits of tokens seen; 1 is none",
			float: func(p *sample.Params) *float64 { return &p.RepetitionPenalty }},
		{field: "presence_penalty", flag: "presence-penalty", least: -2, most: 2, help: "take from the logits of tokens generated",
			float: func(p *sample.Params) *float64 { return &p.PresencePenalty }},
		{field: "frequency_penalty", flag: "frequency-penalty", least: -2, most: 2,
			help:  "take from the logits of tokens generated, each time",
			float: func(p *sample.Params) *float64 { return &p.FrequencyPenalty }},
	}
}

func (s *setting) kind() string {
	if s.whole != nil {
		return "int"
	}
	return "float"
}

// value returns the number as it is set.
func (s *setting) value(p *sample.Params) float64 {
	if s.whole != nil {
		return float64(*s.whole(p))
	}
	return *s.float(p)
}

// parse reads a number, and returns what it changes.
func (s *setting) parse(text string) (override, error) {
	v, err := strconv.ParseFloat(text, 64)
	valid := err == nil && v >= s.least && v <= s.most
	if s.whole != nil {
		if !valid || v != math.Trunc(v) {
			return nil, wantError(fmt.Sprintf("a whole number from %s to %s", number(s.least), number(s.most)))
		}
		return func(p *sample.Params) { *s.whole(p) = int(v) }, nil
	}
	if !valid {
		return nil, wantError(fmt.Sprintf("a number from %s to %s", number(s.least), number(s.most)))
	}
	return func(p *sample.Params) { *s.float(p) = v }, nil
}

// wantError says what a value should have been.
type wantError string

func (e wantError) Error() string { return "want " + string(e) }

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func parseSeed(text string) (override, error) {
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return nil, wantError("a whole number from 0 to 18446744073709551615")
	}
	return func(p *sample.Params) { p.Seed = &seed }, nil
}

// override is a choice laid over the publisher's defaults.
type override func(*sample.Params)

// overrides are choices in the order in which they were made.
type overrides []override

// over returns the parameters with the choices made.
func (o overrides) over(p sample.Params) *sample.Params {
	p.LogitBias = maps.Clone(p.LogitBias)
	for _, apply := range o {
		apply(&p)
	}
	return &p
}

// bias adds to a token's logit.
func bias(id int32, value float64) override {
	return func(p *sample.Params) {
		if p.LogitBias == nil {
			p.LogitBias = map[int32]float64{}
		}
		p.LogitBias[id] = value
	}
}

const maxBias = 100

// parseBias reads id=value.
func parseBias(text string) (override, error) {
	name, amount, ok := strings.Cut(text, "=")
	id, err := strconv.ParseInt(name, 10, 32)
	value, bad := strconv.ParseFloat(amount, 64)
	if !ok || err != nil || id < 0 || bad != nil || !(math.Abs(value) <= maxBias) {
		return nil, wantError(fmt.Sprintf("TOKEN=NUMBER, such as 42=-1.5, from -%d to %d", maxBias, maxBias))
	}
	return bias(int32(id), value), nil
}

// samplingFlags are the flags of a command that generates.
type samplingFlags struct {
	choices   overrides
	stop      []string
	maxTokens int
	grammar   *grammar.Grammar // nil for any text
}

func (f *samplingFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	choose := func(name, kind, help string, parse func(string) (override, error)) {
		flags.Var(&value{kind: kind, set: func(text string) error {
			choice, err := parse(text)
			if err == nil {
				f.choices = append(f.choices, choice)
			}
			return err
		}}, name, help)
		complete(cmd, name)
	}
	for _, s := range settings() {
		choose(s.flag, s.kind(), s.help, s.parse)
	}
	choose("seed", "int", "start of the random numbers (default: another each time)", parseSeed)
	choose("logit-bias", "id=value", "add to a token's logit; may be given several times", parseBias)
	flags.Var(&value{kind: "text", set: func(text string) error {
		f.stop = append(f.stop, text)
		return checkStops(f.stop)
	}}, "stop", "end before this text; may be given several times")
	flags.VarP(whole(&f.maxTokens, 1, maxContext), "max-tokens", "n",
		"most tokens to generate (default: the publisher's limit, or the context's end)")
	f.registerGrammar(cmd)
	complete(cmd, "stop")
	complete(cmd, "max-tokens")
	flags.SortFlags = false
}

// checkStops limits the stop strings.
func checkStops(stops []string) error {
	if len(stops) > sample.MaxStops {
		return wantError(fmt.Sprintf("at most %d texts", sample.MaxStops))
	}
	for _, stop := range stops {
		if stop == "" || len(stop) > sample.MaxStopBytes {
			return wantError(fmt.Sprintf("texts of 1 to %d bytes", sample.MaxStopBytes))
		}
	}
	return nil
}

// checkMaxTokens limits the tokens to generate to the context, which no text can
// be longer than.
func checkMaxTokens(n, context int) error {
	if n > context {
		return fmt.Errorf("--max-tokens is %d, but the context has %d tokens: lower it or raise --ctx", n, context)
	}
	return nil
}
