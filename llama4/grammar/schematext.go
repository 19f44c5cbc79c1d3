package grammar

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
)

// textOf writes a string. Its length is counted in characters.
func (b *builder) textOf(facts []*schema) (expr, error) {
	low, high := 0, -1
	var text *schema // with a pattern or a format
	for _, s := range facts {
		low = max(low, s.minLength)
		if s.maxLength >= 0 && (high < 0 || s.maxLength < high) {
			high = s.maxLength
		}
		if s.textPath == "" {
			continue
		}
		if text != nil && (text.pattern != s.pattern || text.format != s.format) {
			return nil, fmt.Errorf("%s: two patterns or formats that must hold at once are not supported", s.textPath)
		}
		text = s
	}
	if high >= 0 && low > high {
		return nil, &unfit{facts[len(facts)-1].path, fmt.Sprintf("at least %d characters and at most %d cannot be", low, high)}
	}
	if text == nil {
		if low == 0 && high < 0 {
			return b.text, nil
		}
		return sequence{literal(`"`), repeat{b.char, low, high}, literal(`"`)}, nil
	}
	pattern := text.pattern
	if text.format != "" {
		pattern = "^(?:" + formats[text.format] + ")$"
	}
	p := patternReader{path: text.textPath}
	x, err := p.read(pattern)
	if err != nil {
		return nil, err
	}
	if p.low < low || high >= 0 && (p.high < 0 || p.high > high) {
		return nil, fmt.Errorf("%s: it also allows strings that minLength or maxLength does not; put the length into the pattern", text.textPath)
	}
	return sequence{literal(`"`), x, literal(`"`)}, nil
}

// jsonChars writes a character of c within a string. There is one way to write
// each.
func jsonChars(c class) expr {
	out := choice{}
	if plain := c.and(plainChars); len(plain) > 0 {
		out = append(out, plain)
	}
	for _, r := range c.and(specials) {
		for x := r.lo; x <= r.hi; x++ {
			s := quote(string(x))
			out = append(out, literal(s[1:len(s)-1]))
		}
	}
	return out
}

const (
	dayPattern = `(?:\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))` +
		`|(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)`
	timePattern = `(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)`
)

var formats = map[string]string{
	"date":      dayPattern,
	"time":      timePattern,
	"date-time": dayPattern + "T" + timePattern,
	"uuid":      `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`,
}

// patternReader translates a regular expression.
type patternReader struct {
	path      string
	low, high int // characters of a match; high < 0: without end
}

func (p *patternReader) fault(format string, args ...any) error {
	return fmt.Errorf("%s: %s", p.path, fmt.Sprintf(format, args...))
}

// read returns the contents of the strings in which pattern matches somewhere, as
// JSON Schema has it.
func (p *patternReader) read(pattern string) (expr, error) {
	if len(pattern) > 4096 {
		return nil, p.fault("the pattern has %d bytes, more than %d", len(pattern), 4096)
	}
	re, err := syntax.Parse(goEscapes(pattern), syntax.Perl)
	if err != nil {
		return nil, p.fault("the pattern is not supported: %v", err)
	}
	x, m, err := p.whole(re)
	p.low, p.high = m.low, m.high
	return x, err
}

// goEscapes rewrites \uNNNN, which Go spells \x{NNNN}.
func goEscapes(pattern string) string {
	var sb strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '\\' || i+1 == len(pattern) {
			sb.WriteByte(pattern[i])
			continue
		}
		i++
		if pattern[i] == 'u' && i+4 < len(pattern) {
			fmt.Fprintf(&sb, `\x{%s}`, pattern[i+1:i+5])
			i += 4
			continue
		}
		sb.WriteByte('\\')
		sb.WriteByte(pattern[i])
	}
	return sb.String()
}

// lengths are those of the matches of an expression.
type lengths struct{ low, high int }

func (l lengths) then(m lengths) lengths {
	if l.high < 0 || m.high < 0 {
		return lengths{min(l.low+m.low, maxSize), -1}
	}
	return lengths{min(l.low+m.low, maxSize), min(l.high+m.high, maxSize)}
}

func (l lengths) or(m lengths) lengths {
	if l.high < 0 || m.high < 0 {
		return lengths{min(l.low, m.low), -1}
	}
	return lengths{min(l.low, m.low), max(l.high, m.high)}
}

func (l lengths) times(low, high int) lengths {
	out := lengths{min(l.low*low, maxSize), -1}
	if high >= 0 && l.high >= 0 {
		out.high = min(l.high*high, maxSize)
	}
	if l.high == 0 {
		out.high = 0
	}
	return out
}

var anything = repeat{jsonChars(anyRune), 0, -1}

// whole reads an expression with its anchors: where there is none, anything may
// come before or after.
func (p *patternReader) whole(re *syntax.Regexp) (expr, lengths, error) {
	switch re.Op {
	case syntax.OpCapture:
		return p.whole(re.Sub[0])
	case syntax.OpAlternate:
		return p.either(re, p.whole)
	case syntax.OpBeginText:
		return p.rest(nil)
	case syntax.OpConcat:
		if re.Sub[0].Op == syntax.OpBeginText {
			return p.rest(re.Sub[1:])
		}
		x, m, err := p.rest(re.Sub)
		return sequence{anything, x}, lengths{m.low, -1}, err
	}
	x, m, err := p.rest([]*syntax.Regexp{re})
	return sequence{anything, x}, lengths{m.low, -1}, err
}

// rest reads up to the end, where there may be an anchor.
func (p *patternReader) rest(list []*syntax.Regexp) (expr, lengths, error) {
	if len(list) == 0 {
		return anything, lengths{0, -1}, nil
	}
	var out sequence
	var sum lengths
	for _, re := range list[:len(list)-1] {
		x, m, err := p.part(re)
		if err != nil {
			return nil, sum, err
		}
		out, sum = append(out, x), sum.then(m)
	}
	x, m, err := p.last(list[len(list)-1])
	return append(out, x), sum.then(m), err
}

func (p *patternReader) last(re *syntax.Regexp) (expr, lengths, error) {
	switch re.Op {
	case syntax.OpEndText:
		return empty, lengths{}, nil
	case syntax.OpCapture:
		return p.last(re.Sub[0])
	case syntax.OpConcat:
		return p.rest(re.Sub)
	case syntax.OpAlternate:
		return p.either(re, p.last)
	}
	x, m, err := p.part(re)
	return sequence{x, anything}, lengths{m.low, -1}, err
}

func (p *patternReader) either(re *syntax.Regexp, read func(*syntax.Regexp) (expr, lengths, error)) (expr, lengths, error) {
	var out choice
	var all lengths
	for i, sub := range re.Sub {
		x, m, err := read(sub)
		if err != nil {
			return nil, all, err
		}
		if i > 0 {
			m = m.or(all)
		}
		out, all = append(out, x), m
	}
	return out, all, nil
}

// lineEnds are what . does not match.
var lineEnds = chars("\n\r\u2028\u2029")

// part reads an expression that has no anchors.
func (p *patternReader) part(re *syntax.Regexp) (expr, lengths, error) {
	one := lengths{1, 1}
	switch re.Op {
	case syntax.OpEmptyMatch:
		return empty, lengths{}, nil
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 {
			return nil, one, p.fault("(?i) is not supported")
		}
		var text sequence
		for _, r := range re.Rune {
			text = append(text, jsonChars(newClass(runeRange{r, r})))
		}
		return text, lengths{len(text), len(text)}, nil
	case syntax.OpCharClass:
		var ranges []runeRange
		for pair := range slices.Chunk(re.Rune, 2) {
			ranges = append(ranges, runeRange{pair[0], pair[1]})
		}
		return jsonChars(newClass(ranges...)), one, nil
	case syntax.OpAnyCharNotNL:
		return jsonChars(lineEnds.negate()), one, nil
	case syntax.OpAnyChar:
		return jsonChars(anyRune), one, nil
	case syntax.OpCapture:
		return p.part(re.Sub[0])
	case syntax.OpStar:
		return p.repeated(re, 0, -1)
	case syntax.OpPlus:
		return p.repeated(re, 1, -1)
	case syntax.OpQuest:
		return p.repeated(re, 0, 1)
	case syntax.OpRepeat:
		return p.repeated(re, re.Min, re.Max)
	case syntax.OpAlternate:
		return p.either(re, p.part)
	case syntax.OpConcat:
		var out sequence
		var sum lengths
		for _, sub := range re.Sub {
			x, m, err := p.part(sub)
			if err != nil {
				return nil, sum, err
			}
			out, sum = append(out, x), sum.then(m)
		}
		return out, sum, nil
	}
	return nil, one, p.fault("%s within a pattern is not supported", re)
}

func (p *patternReader) repeated(re *syntax.Regexp, low, high int) (expr, lengths, error) {
	x, m, err := p.part(re.Sub[0])
	return repeat{x, low, high}, m.times(low, high), err
}
