package chat

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// golden is testdata/goldens.json.gz, written by goldens.py from transformers.
type golden struct {
	Tokens   map[string]string
	Special  []string
	Strftime map[string]string
	Cases    []goldenCase
}

type goldenCase struct {
	Template            string
	Name                string
	Messages            json.RawMessage
	Tools               json.RawMessage
	AddGenerationPrompt bool   `json:"add_generation_prompt"`
	DateString          string `json:"date_string"`
	Extra               map[string]json.RawMessage
	Out                 string
	Err                 string
	Pieces              []string
}

// fixedNow is the clock of goldens.py.
func fixedNow() time.Time { return time.Date(2024, 9, 3, 7, 2, 3, 45678000, time.UTC) }

func loadGoldens(t *testing.T) golden {
	t.Helper()
	f, err := os.Open("testdata/goldens.json.gz")
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var g golden
	require.NoError(t, json.NewDecoder(z).Decode(&g))
	return g
}

func parseFile(t testing.TB, name string, opts Options) *Template {
	t.Helper()
	source, err := os.ReadFile("testdata/templates/" + name + ".jinja")
	require.NoError(t, err)
	tmpl, err := Parse(string(source), opts)
	require.NoError(t, err)
	return tmpl
}

func (c goldenCase) input(t *testing.T) Input {
	msgs, err := ReadMessages(c.Messages)
	require.NoError(t, err)
	in := Input{Messages: msgs, Tools: c.Tools, AddGenerationPrompt: c.AddGenerationPrompt, DateString: c.DateString,
		Now: fixedNow, Extra: map[string]any{}}
	for k, v := range c.Extra {
		in.Extra[k] = v
	}
	return in
}

// TestGoldens compares with transformers' apply_chat_template: the text, the places of the special tokens, and that an
// error there is one here.
func TestGoldens(t *testing.T) {
	g := loadGoldens(t)
	special := make(map[string]bool)
	for _, s := range g.Special {
		special[s] = true
	}
	templates := make(map[string]*Template)
	for _, c := range g.Cases {
		tmpl := templates[c.Template]
		if tmpl == nil {
			tmpl = parseFile(t, c.Template, Options{Tokens: g.Tokens, Special: g.Special})
			templates[c.Template] = tmpl
		}
		t.Run(c.Template+"/"+c.Name, func(t *testing.T) {
			p, err := tmpl.Render(t.Context(), c.input(t))
			if c.Err != "" {
				checkError(t, c.Err, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.Out, p.String())
			var pieces []string
			for _, s := range p.Segments(func(name string) bool { return special[name] }) {
				require.Equal(t, special[s.Text], s.Special, s.Text)
				pieces = append(pieces, s.Text)
			}
			require.Equal(t, c.Pieces, pieces)
		})
	}
}

// checkError compares the errors whose wording templates and users rely on.
func checkError(t *testing.T, want string, err error) {
	require.Error(t, err, want)
	kind, msg, _ := strings.Cut(want, ": ")
	switch kind {
	case "TemplateError":
		var raised *RaisedError
		require.ErrorAs(t, err, &raised)
		require.Equal(t, msg, raised.Message)
	case "UndefinedError", "TypeError":
		require.ErrorContains(t, err, msg)
	}
}

func TestStrftime(t *testing.T) {
	for format, want := range loadGoldens(t).Strftime {
		require.Equal(t, want, strftime(fixedNow(), format), format)
	}
	require.Equal(t, "12", strftime(time.Date(2024, 1, 7, 0, 0, 0, 0, time.UTC), "%l"))
	require.Equal(t, "01 00 52", strftime(time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC), "%U %W %V"), "a year that starts on a Sunday")
	require.Equal(t, "01 01 01", strftime(time.Date(2024, 1, 7, 0, 0, 0, 0, time.UTC), "%U %W %V"))
}
