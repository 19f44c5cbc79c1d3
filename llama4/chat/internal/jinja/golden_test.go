package jinja

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type goldens struct {
	Vars  json.RawMessage
	Cases []struct {
		T   string
		Out string
		Err string
	}
}

func readVars(t testing.TB, raw []byte) map[string]Value {
	t.Helper()
	v, err := DecodeJSON(raw, nil)
	require.NoError(t, err)
	vars := make(map[string]Value)
	d := v.(*Dict)
	for i, k := range d.keys {
		vars[k.(string)] = d.vals[i]
	}
	return vars
}

func render(t testing.TB, source string, vars map[string]Value, lim Limits) (string, error) {
	t.Helper()
	tmpl, err := Parse(source)
	if err != nil {
		return "", err
	}
	return tmpl.Render(t.Context(), vars, lim)
}

// TestGoldens compares with Python's jinja2 as transformers sets it up: see testdata/goldens.py. Where Python fails, this
// must fail, and with the same words where an undefined value is the reason.
func TestGoldens(t *testing.T) {
	data, err := os.ReadFile("testdata/goldens.json")
	require.NoError(t, err)
	var g goldens
	require.NoError(t, json.Unmarshal(data, &g))
	require.Greater(t, len(g.Cases), 200)
	for _, c := range g.Cases {
		out, err := render(t, c.T, readVars(t, g.Vars), Limits{})
		if c.Err == "" {
			require.NoError(t, err, c.T)
			require.Equal(t, c.Out, out, c.T)
			continue
		}
		require.Error(t, err, "%s: jinja2 says %s", c.T, c.Err)
		if kind, msg, _ := strings.Cut(c.Err, ": "); kind == "UndefinedError" || kind == "SecurityError" {
			require.ErrorContains(t, err, msg, c.T)
		}
	}
}
