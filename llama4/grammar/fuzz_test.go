package grammar

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// exercise walks a little and compares masks with brute force.
func exercise(t *testing.T, g [2]*Grammar, seed uint64) {
	t.Helper()
	v := demoVocabulary(t)
	r := rand.New(rand.NewPCG(seed, 9))
	m := g[0].NewMatcher(v)
	mask := make([]uint64, v.Words())
	var text []byte
	for range 6 {
		complete := m.Allowed(mask)
		if m.Err() != nil {
			return
		}
		ids := sampleIDs(r, v, 60)
		want := bruteForce(t, g[1], v, text, ids)
		for _, id := range ids {
			require.Equal(t, want[id], has(mask, id), "after %q: token %d, %q", text, id, v.token(id))
		}
		id := pick(r, mask)
		if id < 0 {
			require.True(t, complete, "after %q nothing is allowed", text)
			return
		}
		require.NoError(t, m.Accept(id))
		text = append(text, v.token(id)...)
	}
}

func FuzzParseGBNF(f *testing.F) {
	for _, source := range gbnfs {
		f.Add(source, uint64(1))
	}
	f.Add("root ::= (\"a\" | [^b-d\\n] . ){1,3} x*\nx ::= \"\\u00e9\" | ", uint64(2))
	f.Fuzz(func(t *testing.T, source string, seed uint64) {
		g, err := ParseGBNF(source)
		if err != nil {
			return
		}
		other, err := ParseGBNF(source)
		require.NoError(t, err)
		exercise(t, [2]*Grammar{g, other}, seed)
	})
}

func FuzzFromJSONSchema(f *testing.F) {
	for _, c := range schemaCases {
		f.Add(c.schema, uint64(1))
	}
	f.Fuzz(func(t *testing.T, source string, seed uint64) {
		g, err := FromJSONSchema([]byte(source))
		if err != nil {
			return
		}
		other, err := FromJSONSchema([]byte(source))
		require.NoError(t, err)
		exercise(t, [2]*Grammar{g, other}, seed)
	})
}

// FuzzMatcher gives any bytes to a matcher: what it takes can always go on or end.
func FuzzMatcher(f *testing.F) {
	for _, c := range schemaCases {
		for _, text := range c.good {
			f.Add([]byte(text))
		}
	}
	g, err := ParseGBNF(jsonGBNF)
	require.NoError(f, err)
	value, err := FromJSONSchema([]byte(`{}`))
	require.NoError(f, err)
	v := demoVocabulary(f)
	mask := make([]uint64, v.Words())
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, g := range []*Grammar{g, value} {
			m := g.NewMatcher(v)
			for i := range text {
				if m.AcceptBytes(text[i:i+1]) != nil {
					break
				}
				complete := m.Allowed(mask)
				require.NoError(t, m.Err())
				require.True(t, complete || countMask(mask) > 0, "after %q", text[:i+1])
			}
		}
	})
}
