package grammar

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHugeRepetitions: nested counts do not multiply.
func TestHugeRepetitions(t *testing.T) {
	v := demoVocabulary(t)
	g, err := ParseGBNF(`root ::= ((([a-z] "-"?){20000}){20000} "."){0,20000}`)
	require.NoError(t, err)
	m := g.NewMatcher(v)
	require.NoError(t, m.AcceptBytes([]byte(strings.Repeat("ab-", 20000))))
	require.False(t, m.Allowed(make([]uint64, v.Words())))
	require.NoError(t, m.Err())
}

func TestGrammarTooLarge(t *testing.T) {
	_, err := ParseGBNF(`root ::= ` + strings.Repeat(`("a" | "b"){60000} `, 8))
	require.EqualError(t, err, `grammar: rule "root" makes the grammar larger than 262144 nodes, shorten its repetitions or lists`)
}

// TestLargeSchemas: what is large is refused, or done, in time that is about linear.
func TestLargeSchemas(t *testing.T) {
	list := func(n int, f func(i int) string) string {
		var parts []string
		for i := range n {
			parts = append(parts, f(i))
		}
		return strings.Join(parts, ",")
	}
	name := strings.Repeat("n", 400_000)
	for _, c := range []struct{ schema, want string }{
		{`{"required":[` + list(100_000, func(i int) string { return fmt.Sprintf(`"%d"`, i) }) + `]}`, "larger than 262144 nodes"},
		{`{"allOf":[` + list(50_000, func(int) string { return `{"minItems":1}` }) + `]}`, "more than 256 schemas hold at once"},
		{`{"anyOf":[` + list(50_000, func(int) string { return `{"minItems":1}` }) + `]}`, "multiply to more than 256 alternatives"},
		{`{"properties":{"` + name + `":{"properties":{` + list(20_000, func(i int) string { return fmt.Sprintf(`"%d":{}`, i) }) + `}}}}`, "the schema is too deep for its size"},
		{`{"properties":{` + list(1000, func(i int) string { return fmt.Sprintf(`"n%d":{"type":"integer","minimum":%d}`, i, i%3) }) + `}}`, ""},
		{`{"enum":[` + list(10_000, func(i int) string { return fmt.Sprintf(`"word %d"`, i) }) + `]}`, ""},
	} {
		g, err := FromJSONSchema([]byte(c.schema))
		if c.want != "" {
			require.ErrorContains(t, err, c.want)
			continue
		}
		require.NoError(t, err)
		v := demoVocabulary(t)
		m := g.NewMatcher(v)
		require.False(t, m.Allowed(make([]uint64, v.Words())))
		require.NoError(t, m.Err())
	}
}

func TestTextTooDeep(t *testing.T) {
	v := demoVocabulary(t)
	g, err := FromJSONSchema([]byte(`{}`))
	require.NoError(t, err)
	m := g.NewMatcher(v)
	require.NoError(t, m.AcceptBytes([]byte(strings.Repeat("[", 1000))))
	err = m.AcceptBytes([]byte(strings.Repeat("[", 4000)))
	require.ErrorContains(t, err, "the text nests more than 4096 rules of the grammar")
	require.NoError(t, m.AcceptBytes([]byte(strings.Repeat("]", 1000))), "it stays where it was")
	require.True(t, m.Allowed(make([]uint64, v.Words())))
}

// TestAmbiguous: the readings of this grammar double with each letter, the stacks
// that are kept do not.
func TestAmbiguous(t *testing.T) {
	v := demoVocabulary(t)
	g, err := ParseGBNF("root ::= s\ns ::= \"a\" s \"b\" | \"a\" t \"c\" | \"x\"\nt ::= \"a\" s \"b\" | \"a\" t \"c\" | \"x\"")
	require.NoError(t, err)
	require.True(t, accepts(g, v, strings.Repeat("a", 500)+"x"+strings.Repeat("bc", 250)))
	require.False(t, accepts(g, v, strings.Repeat("a", 500)+"x"+strings.Repeat("bc", 249)))
}

// TestTooAmbiguous: what takes too much work ends with an error, for good.
func TestTooAmbiguous(t *testing.T) {
	v := demoVocabulary(t)
	var sb strings.Builder
	sb.WriteString("root ::= r0\n")
	for i := range 2000 {
		fmt.Fprintf(&sb, "r%d ::= \"a\"? (r%d \"%d\" | r%d \"x\")\n", i, i+1, i, i+1)
	}
	sb.WriteString("r2000 ::= \"b\"\n")
	g, err := ParseGBNF(sb.String())
	require.NoError(t, err)
	m := g.NewMatcher(v)
	mask := make([]uint64, v.Words())
	for range 5 {
		if m.Allowed(mask); m.Err() != nil {
			break
		}
		if err := m.AcceptBytes([]byte("a")); err != nil {
			break
		}
	}
	require.ErrorIs(t, m.Err(), errWork)
	require.Zero(t, countMask(mask))
	require.ErrorIs(t, m.AcceptBytes([]byte("a")), errWork)
	m.Reset()
	require.NoError(t, m.Err())
}

// TestForgetting: masks are the same after a grammar has thrown away what it knew.
func TestForgetting(t *testing.T) {
	v := demoVocabulary(t)
	g, err := FromJSONSchema([]byte(`{}`))
	require.NoError(t, err)
	text := `{"a": [1, {"b": "text é", "c": [true, null`
	a, b := g.NewMatcher(v), g.NewMatcher(v)
	require.NoError(t, a.AcceptBytes([]byte(text)))
	want, got := make([]uint64, v.Words()), make([]uint64, v.Words())
	a.Allowed(want)
	require.NoError(t, b.AcceptBytes([]byte(text)))
	g.last.held = maxHeld + 1
	b.Allowed(got)
	require.Equal(t, want, got)
	require.NotSame(t, a.in, b.in)
	a.Allowed(got)
	require.Equal(t, want, got)
	require.Same(t, a.in, b.in)
}

func TestMatchers(t *testing.T) {
	v := demoVocabulary(t)
	g, err := ParseGBNF(`root ::= "ab" "c"?`)
	require.NoError(t, err)
	m := g.NewMatcher(v)
	mask := make([]uint64, v.Words())
	require.NoError(t, m.AcceptBytes([]byte("a")))
	c := m.Clone()
	require.NoError(t, c.AcceptBytes([]byte("b")))
	require.True(t, c.Allowed(mask))
	require.False(t, m.Allowed(mask))
	require.EqualError(t, m.AcceptBytes([]byte("bx")), `the grammar does not allow "bx" here, from byte 1 on`)
	require.NoError(t, m.AcceptBytes([]byte("bc")))
	require.True(t, m.Allowed(mask))
	require.Zero(t, countMask(mask))
	m.Reset()
	require.ErrorContains(t, m.AcceptBytes([]byte("b")), "does not allow")
	require.EqualError(t, m.Accept(-1), "token -1 is outside the vocabulary of 764 tokens")
	require.EqualError(t, m.Accept(764), "token 764 is outside the vocabulary of 764 tokens")
	short, long := make([]uint64, 1), make([]uint64, v.Words()+3)
	long[v.Words()] = 1
	m.Allowed(short)
	m.Allowed(long)
	m.Allowed(mask)
	require.Equal(t, mask[:1], short)
	require.Equal(t, append(mask, 0, 0, 0), long)
}

func TestVocabulary(t *testing.T) {
	tokens := []string{"a", "", "<special>", "ab", "a", "\xc3", "é", strings.Repeat("a", maxTokenLen+1), "\""}
	v := NewVocabulary(len(tokens), func(id int32) ([]byte, bool) { return []byte(tokens[id]), id != 2 })
	g, err := ParseGBNF(`root ::= .*`)
	require.NoError(t, err)
	m := g.NewMatcher(v)
	mask := make([]uint64, v.Words())
	require.True(t, m.Allowed(mask))
	require.Equal(t, []uint64{0b1_0111_1001}, mask)
	require.NoError(t, m.Accept(5))
	require.False(t, m.Allowed(mask))
	require.Zero(t, countMask(mask))
	require.EqualError(t, m.Accept(2), "token 2 is not text, no grammar allows it")
	none := NewVocabulary(0, nil)
	require.True(t, g.NewMatcher(none).Allowed(nil))
}

// TestConcurrent is for the race detector.
func TestConcurrent(t *testing.T) {
	v := demoVocabulary(t)
	g, err := FromJSONSchema([]byte(`{"type":"array","items":{"type":"string","maxLength":20}}`))
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			m := g.NewMatcher(v)
			mask := make([]uint64, v.Words())
			for _, part := range []string{`["a`, `bc", "`, `d"`, `]`} {
				m.Allowed(mask)
				if err := m.AcceptBytes([]byte(part)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}
