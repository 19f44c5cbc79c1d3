package grammar

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSchemaErrors(t *testing.T) {
	for _, c := range []struct{ schema, want string }{
		{`{"properties":{"age":{"type":"integr"}}}`, `schema.properties.age.type: unknown type "integr"`},
		{`{"type":3}`, `schema.type: the number 3 is not the name of a type`},
		{`{"type":[]}`, `schema.type: the list is empty, so no value fits`},
		{`false`, `schema: false allows no value, leave it out`},
		{`3`, `schema: the number 3 is no schema, want an object or true`},
		{`{"properties":{"a":false}}`, `schema.properties.a: false allows no value, leave it out`},
		{`{"properties":[]}`, `schema.properties: an array is not an object of schemas`},
		{`{"properties":{"a b":{"not":{}}}}`, `schema.properties["a b"].not: this keyword is not supported`},
		{`{"if":{}}`, `schema.if: this keyword is not supported`},
		{`{"patternProperties":{}}`, `schema.patternProperties: this keyword is not supported`},
		{`{"uniqueItems":true}`, `schema.uniqueItems: this keyword is not supported`},
		{`{"multipleOf":2}`, `schema.multipleOf: this keyword is not supported`},
		{`{"dependentRequired":{}}`, `schema.dependentRequired: this keyword is not supported`},
		{`{"requird":["a"]}`, `schema.requird: this keyword is not supported`},
		{`{"required":"a"}`, `schema.required: the string "a" is not an array of names`},
		{`{"required":["a","a"]}`, `schema.required[1]: "a" is there twice`},
		{`{"enum":[]}`, `schema.enum: the list is empty, so no value fits`},
		{`{"enum":["a"],"type":"integer"}`, `schema: no value of enum or const fits all that must hold here`},
		{`{"enum":["a"],"const":"b"}`, `schema.const: no value fits both enum and const`},
		{`{"enum":["a"],"minLength":1}`, `schema: enum or const next to other limits of the same type is not supported`},
		{`{"type":"array","minItems":3,"maxItems":2}`, `schema: minItems 3 is more than maxItems 2`},
		{`{"minItems":-1}`, `schema.minItems: the number -1 is not a whole number from 0 on`},
		{`{"maxItems":1000000}`, `schema.maxItems: 1000000 is more than 100000`},
		{`{"maxItems":null}`, `schema.maxItems: null is not a number`},
		{`{"minLength":3,"maxLength":2}`, `schema: minLength 3 is more than maxLength 2`},
		{`{"type":"integer","minimum":3,"maximum":2}`, `schema.maximum: there is no number between the bounds`},
		{`{"type":"integer","minimum":2.1,"maximum":2.9}`, `schema.maximum: there is no number between the bounds`},
		{`{"type":"number","minimum":1e50}`, `schema.minimum: it has more than 20 digits before the point or 18 after it`},
		{`{"type":"number","minimum":1e999999999}`, `schema.minimum: the number 1e999999999 has too many digits`},
		{`{"items":[{}]}`, `schema.items: a list of schemas is called prefixItems now`},
		{`{"anyOf":[]}`, `schema.anyOf: the list is empty`},
		{`{"anyOf":[{},{"type":"x"}]}`, `schema.anyOf[1].type: unknown type "x"`},
		{`{"allOf":[{"type":"string"},{"type":"null"}]}`, `schema.allOf[1]: no type is left that fits all that must hold here`},
		{`{"$ref":"other.json"}`, `schema.$ref: "other.json" is not within this schema, want #/$defs/NAME`},
		{`{"$ref":"#/$defs/a"}`, `schema.$ref: there is nothing at "#/$defs/a"`},
		{`{"$ref":"#"}`, `schema: this schema refers to itself with nothing in between`},
		{`{"$defs":{"a":{"type":"x"}}}`, `schema.$defs.a.type: unknown type "x"`},
		{`{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"required":["a"]}}}`, `schema: rule "schema" matches no finite text`},
		{`{"pattern":"(?=a)"}`, "schema.pattern: the pattern is not supported: error parsing regexp: invalid or unsupported Perl syntax: `(?=`"},
		{`{"pattern":"a\\b"}`, `schema.pattern: \b within a pattern is not supported`},
		{`{"pattern":"a^b"}`, `schema.pattern: \A within a pattern is not supported`},
		{`{"pattern":"^a*$","maxLength":3}`, `schema.pattern: it also allows strings that minLength or maxLength does not; put the length into the pattern`},
		{`{"pattern":"^a$","format":"date"}`, `schema.format: format "date" next to a pattern is not supported`},
		{`{"required":["a"],"additionalProperties":false}`, `schema: property "a" is required and not allowed`},
		{`{"a":1,"a":2}`, `schema.a: it is there twice`},
		{`{"title":`, `schema.title: not JSON at byte 9: unexpected EOF`},
		{`{} {}`, `schema: there is more text after its end, at byte 4`},
		{"\"\xff\"", `schema: it is not valid UTF-8`},
	} {
		_, err := FromJSONSchema([]byte(c.schema))
		require.EqualError(t, err, c.want, c.schema)
	}
	_, err := FromJSONSchema([]byte(strings.Repeat(`{"items":`, 500) + `{}` + strings.Repeat(`}`, 500)))
	require.ErrorContains(t, err, "nested more than 200 times")
}
