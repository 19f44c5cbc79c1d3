package quant

import (
	"regexp"
	"slices"
	"strings"

	"github.com/llama4go/llama4go/llama4/internal/fields"
)

// linearClass is the class of every layer that can be quantized, as configs name it.
const linearClass = "Linear"

// maxPatterns bounds the patterns of a list: published ones have a few.
const maxPatterns = 1000

// matchers is a list of modules, which it gives by name, by class and by pattern,
// each with the number of its group.
type matchers struct {
	names    map[string]int // classes too
	patterns []pattern
}

type pattern struct {
	text  string
	re    *regexp.Regexp
	group int
}

// find returns the group of a module. The most specific entry counts, as in
// compressed-tensors: a name, then the patterns in the order of their text, then the
// class.
func (m *matchers) find(module string) (group int, ok bool) {
	if group, ok = m.names[module]; ok {
		return group, true
	}
	for i := range m.patterns {
		if m.patterns[i].re.MatchString(module) {
			return m.patterns[i].group, true
		}
	}
	group, ok = m.names[linearClass]
	return group, ok
}

// add adds an entry of a list of compressed-tensors: "re:" and a pattern that names
// begin with, a name, or a class.
func (m *matchers) add(f *fields.Object, field, text string, group int) {
	if source, ok := strings.CutPrefix(text, "re:"); ok {
		m.compile(f, field, text, "^(?:"+source+")", group)
		return
	}
	if m.names == nil {
		m.names = map[string]int{}
	}
	m.names[text] = group
}

// addGlob adds a name in which * stands for anything, as in Python's fnmatch. It is
// also the name of all modules within.
func (m *matchers) addGlob(f *fields.Object, field, text string) {
	quoted := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(text))
	m.compile(f, field, text, "^(?:"+quoted+`)(?:\..*)?$`, 0)
}

func (m *matchers) compile(f *fields.Object, field, text, expression string, group int) {
	if len(m.patterns) == maxPatterns {
		f.Fail(field, "has more than %d patterns", maxPatterns)
		return
	}
	re, err := regexp.Compile(expression)
	if err != nil {
		f.Fail(field, "has a pattern that cannot be read: %q", text)
		return
	}
	m.patterns = append(m.patterns, pattern{text, re, group})
}

// sort puts patterns in the order in which they count.
func (m *matchers) sort() {
	slices.SortStableFunc(m.patterns, func(a, b pattern) int { return strings.Compare(a.text, b.text) })
}

// Find returns the group of a linear layer by the name of its module, nil if it is
// ignored or no target, or if there is no config.
func (c *Config) Find(module string) *Group {
	if c == nil {
		return nil
	}
	if _, ignored := c.ignore.find(module); ignored {
		return nil
	}
	if group, ok := c.targets.find(module); ok {
		return &c.Groups[group]
	}
	return nil
}
