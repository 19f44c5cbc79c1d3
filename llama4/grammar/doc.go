// Package grammar holds the output of a model to a grammar or a JSON Schema, by
// masks of the tokens that may come next.
//
//	g, err := grammar.FromJSONSchema(schema) // or ParseGBNF
//	v := grammar.NewVocabulary(size, bytes)  // once a tokenizer
//	m := g.NewMatcher(v)                     // once a text
//	for {
//		complete := m.Allowed(mask)
//		// choose among the tokens of mask; with complete the text may end, too
//		err := m.Accept(id)
//	}
//
// Whatever is chosen, the text can be finished; a token that would lead nowhere is
// not allowed. Tokens may hold parts of characters. The text as a whole is always
// valid UTF-8.
//
// # JSON Schema
//
// These keywords are translated, exactly unless said otherwise:
//
//	type, enum, const, $ref to a place within the schema, $defs, definitions,
//	allOf, anyOf, oneOf (as anyOf)
//	properties, required, additionalProperties
//	items, prefixItems, minItems, maxItems
//	minLength, maxLength, pattern, format: date, time, date-time, uuid
//	minimum, maximum, exclusiveMinimum, exclusiveMaximum
//
// These are ignored, as JSON Schema says: title, description, default, examples,
// $schema, $id, $comment, deprecated, readOnly, writeOnly, names that begin with
// x-, and other formats. Every other keyword is an error, so nothing that was
// asked for is dropped in silence. An allOf, or an anyOf beside other keywords, is
// joined with them; what cannot be joined (two patterns, an enum beside a limit of
// the same type) is an error, and so is a schema that no value fits.
//
// The texts are those that programs write, not all that fit:
//
//   - Properties come in the order in which the schema lists them, others at the
//     end. A schema with properties and without additionalProperties has no others,
//     and a schema that speaks of one type only is of that type.
//   - White space is at most one space after a colon, and after { [ , and before
//     } ] one space or the end of a line with up to 40 columns. So a model cannot
//     write it for ever.
//   - Numbers have up to 20 digits before the point, 20 after it and an exponent of
//     two; beside a limit there is no exponent. Integers have neither point nor
//     exponent. A limit may have 20 digits before the point and 18 after it.
//   - Values of enum and const, names and strings with a pattern are escaped only
//     where they must be. A pattern is a regular expression of package regexp
//     without \b, flags and inner anchors, whose . matches no end of a line.
//
// # How it works
//
// Rules become automata over bytes, each made deterministic as far as it is used,
// and calls of rules a stack. A place in a text is a set of stacks that shares what
// can be shared, so ambiguous grammars need no search. The mask of a place is that
// of its innermost rule, worked out once for all callers, and what can follow where
// tokens reach beyond the end of that rule. Where every text without quotes,
// backslashes and control characters may come, as within a JSON string, the mask of
// all such tokens is at hand, and only the others are looked at.
//
// # Limits
//
// Grammars and schemas may come from strangers. Source (1 MB), nesting (200),
// repetitions (100,000), the size of the automata (2^18 nodes), the depth of a text
// (4,096 rules) and the work that one token may cause are bounded, and there are
// errors that say so. What a grammar remembers takes up to 24 MB, as much again
// while it starts anew. A call that works out a new mask takes up to some
// milliseconds with 200,000 tokens, any other some microseconds.
package grammar
