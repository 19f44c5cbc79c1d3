package grammar

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

const jsonGBNF = `root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws

object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws

array  ::=
  "[" ws (
            value
    ("," ws value)*
  )? "]" ws

string ::=
  "\"" (
    [^"\\\x7F\x00-\x1F] |
    "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) # escapes
  )* "\"" ws

number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws

# Optional space: by convention, applied in this grammar after literal chars when allowed
ws ::= | " " | "\n" [ \t]{0,20}
`

var gbnfs = map[string]string{
	"json":        jsonGBNF,
	"list":        "root ::= item+\nitem ::= \"- \" [^\\n]{1,80} \"\\n\"",
	"lines":       "root ::= (line \"\\n\")+\nline ::= [^\\n]+",
	"right":       "root ::= text \".\"\ntext ::= [a-z ] text | \"\"",
	"palindrome":  `root ::= "a" root "a" | "b" root "b" | "c" | "é"`,
	"ambiguous":   `root ::= x x x` + "\n" + `x ::= [a-c]* | "(" root ")" | [a-z]{0,3}`,
	"negated":     `root ::= [^a-zé0-9]+ "a" . "z"`,
	"any":         `root ::= .*`,
	"nested":      `root ::= ("a" | "b" ("c" "d")* )+ "!"?`,
	"nullable":    "root ::= a b c\na ::= \"x\"?\nb ::= (a a)*\nc ::= b | \"y\" root",
	"counted":     `root ::= "\"" [^"]{3,12} "\"" ("," [a-z]{2,}){2,3}`,
	"chess":       "root ::= (move \" \" move \"\\n\")+\nmove ::= (pawn | piece | castle) [+#]?\npiece ::= [NBKQR] [a-h]? [1-8]? \"x\"? [a-h] [1-8]\npawn ::= ([a-h] \"x\")? [a-h] [1-8] (\"=\" [NBKQR])?\ncastle ::= \"O-O\" \"-O\"?",
	"arithmetic":  "root ::= expr\nexpr ::= term ([-+*/] term)*\nterm ::= [0-9]+ | \"(\" expr \")\" | ident\nident ::= [a-z_]+",
	"deadends":    "root ::= \"a\" never | \"b\" [x]\nnever ::= \"z\" never",
	"surrogates":  `root ::= [\uD7FF\uE000-\U0010FFFF]+ | [\x00-\x1f]`,
	"joined":      "root ::= k \"1\" | \"a\" k \"2\"\nk ::= \"a\"? \"a\"? z \"!\"\nz ::= w\nw ::= \"(\" z \")\" | \"b\" | \"\"",
	"open count":  "root ::= c [a-z]+\nc ::= .{0,3}",
	"empty calls": "root ::= p \"z\" root?\np ::= \"x\" q r\nq ::= \"y\"?\nr ::= \"w\"? (\"v\" q)?",
	"same prefix": `root ::= ("yes" | "yesterday" | "yet" | "year " [0-9]{4})+`,
}

// allGrammars returns two copies of every grammar of the tests, by name.
func allGrammars(tb testing.TB) map[string][2]*Grammar {
	tb.Helper()
	out := map[string][2]*Grammar{}
	for i := range 2 {
		for name, source := range gbnfs {
			g, err := ParseGBNF(source)
			require.NoError(tb, err, name)
			pair := out["gbnf "+name]
			pair[i] = g
			out["gbnf "+name] = pair
		}
		for _, c := range schemaCases {
			g, err := FromJSONSchema([]byte(c.schema))
			require.NoError(tb, err, c.name)
			pair := out["schema "+c.name]
			pair[i] = g
			out["schema "+c.name] = pair
		}
	}
	return out
}

// TestMaskIsBruteForce walks at random and compares every mask with what each
// token does on its own.
func TestMaskIsBruteForce(t *testing.T) {
	v := demoVocabulary(t)
	for name, g := range allGrammars(t) {
		t.Run(name, func(t *testing.T) {
			seeds := uint64(3)
			if testing.Short() {
				seeds = 1
			}
			for seed := range seeds {
				walkAndCompare(t, g, v, rand.New(rand.NewPCG(seed, 0)), 20, allIDs)
			}
		})
	}
}

func TestMaskIsBruteForceOnTheRealVocabulary(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a few seconds")
	}
	v := realVocabulary(t)
	for name, g := range allGrammars(t) {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, 0))
			ids := func(v *Vocabulary) []int32 { return sampleIDs(r, v, 5000) }
			walkAndCompare(t, g, v, r, 10, ids)
		})
	}
}

// walkAndCompare takes random tokens of the mask of one grammar, and compares it
// with that of its copy.
func walkAndCompare(t *testing.T, g [2]*Grammar, v *Vocabulary, r *rand.Rand, steps int, choose func(*Vocabulary) []int32) {
	t.Helper()
	mask, again := make([]uint64, v.Words()), make([]uint64, v.Words())
	m := g[0].NewMatcher(v)
	var text []byte
	for range steps {
		complete := m.Allowed(mask)
		require.Equal(t, complete, m.Allowed(again))
		require.Equal(t, mask, again)
		require.NoError(t, m.Err())
		ids := choose(v)
		want := bruteForce(t, g[1], v, text, ids)
		for _, id := range ids {
			if want[id] != has(mask, id) {
				require.Equal(t, want[id], has(mask, id), "after %q: token %d, %q", text, id, v.token(id))
			}
		}
		id := pick(r, mask)
		if id < 0 {
			require.True(t, complete, "after %q nothing is allowed, and it is not complete", text)
			return
		}
		require.NoError(t, m.Accept(id))
		text = append(text, v.token(id)...)
	}
}

// TestAnyTokenisation: whichever tokens make up a text of the grammar, the mask
// allows each of them.
func TestAnyTokenisation(t *testing.T) {
	v := demoVocabulary(t)
	byText := map[string]int32{}
	for id := range int32(v.Size()) {
		if b := v.token(id); len(b) > 0 {
			byText[string(b)] = id
		}
	}
	mask := make([]uint64, v.Words())
	for _, c := range schemaCases {
		g, err := FromJSONSchema([]byte(c.schema))
		require.NoError(t, err)
		for seed := range uint64(5) {
			r := rand.New(rand.NewPCG(seed, 5))
			for _, text := range c.good {
				m := g.NewMatcher(v)
				for len(text) > 0 {
					id := randomToken(r, byText, text)
					m.Allowed(mask)
					require.True(t, has(mask, id), "%s: %q before %q", c.name, v.token(id), text)
					require.NoError(t, m.Accept(id))
					text = text[len(v.token(id)):]
				}
				require.True(t, m.Allowed(mask))
			}
		}
	}
}

// randomToken returns any of the tokens that text begins with: there is one of
// each byte.
func randomToken(r *rand.Rand, byText map[string]int32, text string) int32 {
	var ids []int32
	for n := 1; n <= len(text); n++ {
		if id, ok := byText[text[:n]]; ok {
			ids = append(ids, id)
		}
	}
	return ids[r.IntN(len(ids))]
}
