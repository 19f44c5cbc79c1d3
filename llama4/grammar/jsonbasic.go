package grammar

import (
	"encoding/json"
	"math/big"
)

// Limits of the JSON that is written.
const (
	maxIndent = 40 // columns after the end of a line
	maxDigits = 20 // of the whole part of a number, and of its fraction
	expDigits = 2  // so that every number fits a float64
	hexDigits = "0123456789abcdefABCDEF"
	anyEscape = `"\/bfnrt`
)

// basic has the rules of JSON that do not depend on a schema.
type basic struct {
	space  ref // after { [ , and before } ]
	char   ref // of a string
	escape ref // those that must be escaped, each in one way
	text   ref // a string
	whole  ref // an integer
	real   ref // a number
	any    ref // a value
}

var (
	digit      = newClass(runeRange{'0', '9'})
	oneToNine  = newClass(runeRange{'1', '9'})
	specials   = newClass(runeRange{0, 0x1f}, runeRange{'"', '"'}, runeRange{'\\', '\\'})
	plainChars = specials.negate()
	afterColon = optional(literal(" "))
)

func newBasic(rules *ruleSet) basic {
	b := basic{}
	b.space = rules.add("space", optional(choice{
		literal(" "),
		sequence{literal("\n"), repeat{chars(" \t"), 0, maxIndent}},
	}))
	b.char = rules.add("char", choice{plainChars, escapes()})
	b.escape = rules.add("escape", jsonChars(specials))
	b.text = rules.add("string", sequence{literal(`"`), repeat{b.char, 0, -1}, literal(`"`)})
	whole := choice{literal("0"), sequence{oneToNine, repeat{digit, 0, maxDigits - 1}}}
	b.whole = rules.add("integer", choice{literal("0"), sequence{optional(literal("-")), oneToNine, repeat{digit, 0, maxDigits - 1}}})
	b.real = rules.add("number", sequence{
		optional(literal("-")), whole, anyFraction(),
		optional(sequence{chars("eE"), optional(chars("+-")), repeat{digit, 1, expDigits}}),
	})
	b.any = rules.add("value", nil)
	object := rules.add("object", b.braces("{", "}", sequence{b.text, literal(":"), afterColon, b.any}))
	array := rules.add("array", b.braces("[", "]", b.any))
	rules.exprs[b.any] = choice{
		object, array, b.text, b.real, literal("true"), literal("false"), literal("null"),
	}
	return b
}

func anyFraction() expr { return optional(sequence{literal("."), repeat{digit, 1, maxDigits}}) }

// braces encloses any number of x.
func (b *basic) braces(left, right string, x expr) expr {
	return sequence{
		literal(left), b.space,
		optional(sequence{x, repeat{sequence{b.comma(), x}, 0, -1}, b.space}),
		literal(right),
	}
}

func (b *basic) comma() expr { return sequence{literal(","), b.space} }

// escapes allows surrogates in pairs only.
func escapes() expr {
	hex := chars(hexDigits)
	any4 := sequence{chars(hexDigits).minus(chars("dD")), hex, hex, hex}
	notSurrogate := sequence{chars("dD"), newClass(runeRange{'0', '7'}), hex, hex}
	pair := sequence{
		chars("dD"), chars("89abAB"), hex, hex,
		literal(`\u`), chars("dD"), chars("cdefCDEF"), hex, hex,
	}
	return sequence{literal(`\`), choice{
		chars(anyEscape),
		sequence{literal("u"), choice{any4, notSurrogate, pair}},
	}}
}

// literal writes a value that is given.
func (b *basic) literal(v any) expr {
	switch v := v.(type) {
	case json.Number:
		return literal(v.String())
	case string:
		return literal(quote(v))
	case []any:
		out := sequence{literal("["), b.space}
		for i, e := range v {
			if i > 0 {
				out = append(out, b.comma())
			}
			out = append(out, b.literal(e))
		}
		if len(v) > 0 {
			out = append(out, b.space)
		}
		return append(out, literal("]"))
	case *object:
		out := sequence{literal("{"), b.space}
		for i, name := range v.names {
			if i > 0 {
				out = append(out, b.comma())
			}
			out = append(out, literal(quote(name)+":"), afterColon, b.literal(v.values[name]))
		}
		if len(v.names) > 0 {
			out = append(out, b.space)
		}
		return append(out, literal("}"))
	}
	return literal(kind(v)) // null, true and false
}

// kindOf returns the type of a value: integer for numbers without a fraction.
func kindOf(v any) kinds {
	switch v := v.(type) {
	case nil:
		return kNull
	case bool:
		return kBoolean
	case json.Number:
		if r, ok := rational(v); ok && r.IsInt() {
			return kInteger
		}
		return kNumber
	case string:
		return kString
	case []any:
		return kArray
	}
	return kObject
}

// decimals writes r, which is not negative, as digits before and after the point.
// It fails where there are too many for a number that is written here.
func decimals(r *big.Rat) (whole, fraction string, ok bool) {
	s := r.FloatString(maxDigits - 2)
	back, _ := new(big.Rat).SetString(s)
	if back.Cmp(r) != 0 {
		return "", "", false
	}
	whole, fraction = s[:len(s)-(maxDigits-2)-1], s[len(s)-(maxDigits-2):]
	return whole, trimZeros(fraction), len(whole) <= maxDigits
}

func trimZeros(s string) string {
	for len(s) > 0 && s[len(s)-1] == '0' {
		s = s[:len(s)-1]
	}
	return s
}
