package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChat(t *testing.T) {
	o := succeed(t, lines("Hello! My name is Nora.", "", "What is 7 plus 12?"), "chat")
	require.Equal(t, "Hello, Nora! How can I help you?\n7 plus 12 is 19.\n", o.stdout)
	stats := strings.Split(strings.TrimSpace(o.stderr), "\n")
	require.Len(t, stats, 2)
	require.Regexp(t, `^first token after [\d.]+ s; 25 prompt tokens at [\d.]+ tok/s, 11 tokens generated at [\d.]+ tok/s$`, stats[0])
	// What was said is not computed again: all but the token that ended the answer.
	require.Regexp(t, `^first token after [\d.]+ s; \d+ prompt tokens, 35 of them kept at [\d.]+ tok/s, 9 tokens`, stats[1])
}

// A conversation gives the texts that the reference gives for all its turns.
func TestChatRemembers(t *testing.T) {
	g := demoGoldens(t).Greedy
	asked := lines(fox, "What is 7 plus 12?", "/clear", fox)
	o := succeed(t, asked, "chat", "--compute", "f32")
	said := strings.Split(o.stdout, "\n")
	require.Equal(t, g[0].Text, said[0])
	require.Equal(t, g[0].Text, said[2], "after /clear all begins anew")
	alone := `{"messages":[{"role":"user","content":"` + fox + `"},{"role":"assistant","content":` + marshal(t, said[0]) +
		`},{"role":"user","content":"What is 7 plus 12?"}]}`
	again := answers[answer](t, succeed(t, alone+"\n", "generate", "--compute", "f32", "--jsonl").stdout)
	require.Equal(t, again[0].Text, said[1])
}

func TestChatLines(t *testing.T) {
	for name, typed := range map[string]string{
		"continued": "What is 7 \\\nplus 12?\n",
		"block":     "\"\"\"What is 7 \nplus 12?\"\"\"\n",
		"open":      "  \"\"\"\nWhat is 7 \nplus 12?",
		"one line":  "\"\"\"What is 7 \nplus 12?\n\"\"\"  \n",
	} {
		t.Run(name, func(t *testing.T) {
			want := answers[answer](t, succeed(t, `{"messages":[{"role":"user","content":"What is 7 \nplus 12?"}],"max_tokens":1}`+"\n",
				"generate", "--jsonl").stdout)[0].Usage["prompt_tokens"]
			o := succeed(t, typed, "chat", "-n", "1")
			got := regexp.MustCompile(`(\d+) prompt tokens`).FindStringSubmatch(o.stderr)
			require.NotNil(t, got, o.stderr)
			require.Equal(t, marshal(t, want), got[1])
			require.Equal(t, 1, strings.Count(o.stderr, "first token"), "one message")
		})
	}
}

func TestChatCommands(t *testing.T) {
	o := succeed(t, lines("/help", "/set temperature 2", "/set top-k 1", "/set max_tokens 3", "/set seed 7", "/set system Be kind.",
		"Hello! My name is Nora.", "/show", "/set max_tokens default", "/set top_k default", "/set temperature default",
		"/set seed default", "/set system default", "/show", "/exit", "not reached"), "chat", "--min-p", "0.25")
	require.Equal(t, "Hello, Nora\n", o.stdout)
	require.Contains(t, o.stderr, "/set KEY VALUE")
	for _, row := range []string{
		"max_tokens          3\n", "temperature         2\n", "top_k               1\n", "seed                7\n",
		"system              Be kind.\n", "min_p               0.25\n", "context             ",
	} {
		require.Contains(t, o.stderr, row)
	}
	_, last, _ := strings.Cut(o.stderr, "first token")
	_, last, _ = strings.Cut(last, "min_p               0.25\n")
	require.Contains(t, last, "temperature         0\n")
	require.Contains(t, last, "min_p               0.25\n")
	for _, gone := range []string{"seed ", "system ", "max_tokens "} {
		require.NotContains(t, last, gone)
	}
}

func TestChatFailures(t *testing.T) {
	for _, row := range []struct{ typed, says string }{
		{"/fly", "unknown command /fly: /help lists them"},
		{"/clear now", "/clear: nothing may follow the command"},
		{"/set", `/set: unknown key ""`},
		{"/set colour red", `/set: unknown key "colour", want system, max_tokens, seed, temperature`},
		{"/set top_p", "/set top_p: the value is missing"},
		{"/set top_p 2", "/set top_p 2: want a number from 0 to 1"},
		{"/set max_tokens 0", "want a whole number from 1 to 2048"},
		{"/set seed x", "want a whole number from 0"},
		{strings.Repeat("word ", 3000), "the context 2048: /clear begins anew"},
	} {
		t.Run(row.says, func(t *testing.T) {
			requireFailure(t, llama4Run(t, lines(row.typed, "Hello!"), "chat"), statusFailed, row.says)
		})
	}
}

// What begins with a space is no command.
func TestChatSlash(t *testing.T) {
	require.NotEmpty(t, succeed(t, " /help\n", "chat", "-n", "2").stdout)
}
