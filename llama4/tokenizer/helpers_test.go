package tokenizer

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const demoFile = "testdata/demo_tokenizer.json"

func demo(tb testing.TB) *Tokenizer {
	tb.Helper()
	t, err := Open(demoFile)
	require.NoError(tb, err)
	return t
}

// realFile returns the path of Llama 4's tokenizer.model, or skips the test.
func realFile(tb testing.TB) string {
	tb.Helper()
	path := os.Getenv("LLAMA4_TOKENIZER_MODEL")
	if path == "" {
		path = filepath.Join(moduleRoot(tb), "build", "tokenizer", "tokenizer.model")
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		tb.Skipf("the real vocabulary is not at %s: run `make fetch-tokenizer` or set LLAMA4_TOKENIZER_MODEL", path)
	}
	return path
}

func moduleRoot(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	require.NoError(tb, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		require.NotEqual(tb, dir, up, "no go.mod above the package")
		dir = up
	}
}

var realOnce = sync.OnceValues(func() (*Tokenizer, error) { return Open(realCache.path) })

var realCache struct{ path string }

// real returns Llama 4's own tokenizer, or skips the test.
func realTokenizer(tb testing.TB) *Tokenizer {
	tb.Helper()
	realCache.path = realFile(tb)
	t, err := realOnce()
	require.NoError(tb, err)
	return t
}

type goldens struct {
	Classes []goldenClass     `json:"classes"`
	Texts   []goldenText      `json:"texts"`
	Special []goldenText      `json:"special"`
	Decode  [2][]goldenDecode `json:"decode"`
	Added   struct {
		Tokens []map[string]any `json:"tokens"`
		Texts  []goldenText     `json:"texts"` // plain and special ids, not demo and real
	} `json:"added"`
}

type goldenClass struct {
	Start int
	Class string
}

func (g *goldenClass) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&g.Start, &g.Class})
}

type goldenText struct {
	Text       string
	Demo, Real []int32
}

func (g *goldenText) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&g.Text, &g.Demo, &g.Real})
}

type goldenDecode struct {
	IDs  []int32
	Text string
}

func (g *goldenDecode) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&g.IDs, &g.Text})
}

var loadGoldens = sync.OnceValues(func() (*goldens, error) {
	f, err := os.Open("testdata/goldens.json.gz")
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	g := new(goldens)
	return g, json.NewDecoder(z).Decode(g)
})

func readGoldens(tb testing.TB) *goldens {
	tb.Helper()
	g, err := loadGoldens()
	require.NoError(tb, err)
	require.Greater(tb, len(g.Texts), 4000)
	return g
}

// letters spells bytes in the byte-level alphabet.
func letters(s string) string {
	var to [256]rune
	for r, c := range letterBytes {
		if c >= 0 {
			to[c] = rune(r)
		}
	}
	var sb strings.Builder
	for i := range len(s) {
		_, _ = sb.WriteRune(to[s[i]])
	}
	return sb.String()
}

// convert writes a tokenizer made from ranks as tokenizer.json, with the merges
// that transformers' TikTokenConverter derives: each way to cut a token in two,
// in order of rank and then of the ranks of the parts. Merges are written as
// pairs and as strings by turns.
func convert(tb testing.TB, t *Tokenizer) []byte {
	tb.Helper()
	vocab := map[string]int{}
	byToken := map[string]int{}
	var added []map[string]any
	for id, s := range t.tokens {
		if t.special[id] {
			added = append(added, map[string]any{"id": id, "content": s, "special": true})
			continue
		}
		vocab[letters(s)] = id
		byToken[s] = id
	}
	merges := []any{}
	for _, s := range t.tokens[:len(byToken)] {
		var local [][2]int
		for k := 1; k < len(s); k++ {
			a, okA := byToken[s[:k]]
			b, okB := byToken[s[k:]]
			if okA && okB {
				local = append(local, [2]int{a, b})
			}
		}
		slices.SortFunc(local, func(x, y [2]int) int { return slices.Compare(x[:], y[:]) })
		for _, m := range local {
			a, b := letters(t.tokens[m[0]]), letters(t.tokens[m[1]])
			if len(merges)%2 == 0 {
				merges = append(merges, [2]string{a, b})
			} else {
				merges = append(merges, a+" "+b)
			}
		}
	}
	data, err := json.Marshal(map[string]any{
		"version": "1.0", "added_tokens": added, "normalizer": nil,
		"pre_tokenizer": map[string]any{"type": "Sequence", "pretokenizers": []any{
			map[string]any{"type": "Split", "pattern": map[string]any{"Regex": pattern}, "behavior": "Isolated", "invert": false},
			map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
		}},
		"decoder": map[string]any{"type": "ByteLevel"},
		"model":   map[string]any{"type": "BPE", "ignore_merges": true, "vocab": vocab, "merges": merges},
	})
	require.NoError(tb, err)
	return data
}

// editDemo returns the demo tokenizer.json with a change.
func editDemo(tb testing.TB, edit func(m map[string]any)) []byte {
	tb.Helper()
	data, err := os.ReadFile(demoFile)
	require.NoError(tb, err)
	var m map[string]any
	require.NoError(tb, json.Unmarshal(data, &m))
	edit(m)
	data, err = json.Marshal(m)
	require.NoError(tb, err)
	return data
}

// replaceRaw puts JSON text in the place of the vocabulary and the merges.
func replaceRaw(tb testing.TB, data []byte, vocab, merges string) []byte {
	tb.Helper()
	var m, model map[string]json.RawMessage
	require.NoError(tb, json.Unmarshal(data, &m))
	require.NoError(tb, json.Unmarshal(m["model"], &model))
	for key, text := range map[string]string{"vocab": vocab, "merges": merges} {
		if json.Valid([]byte(text)) {
			model[key] = json.RawMessage(text)
		}
	}
	var err error
	m["model"], err = json.Marshal(model)
	require.NoError(tb, err)
	data, err = json.Marshal(m)
	require.NoError(tb, err)
	return data
}
