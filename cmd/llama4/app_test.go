package main

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

func TestUsage(t *testing.T) {
	for _, row := range []struct {
		args string
		says string
	}{
		{"genrate", `unknown command "genrate", did you mean generate?`},
		{"fly", `unknown command "fly": see 'llama4 --help'`},
		{"help fly", `unknown command "fly"`},
		{"help score more", `unexpected argument "more"`},
		{"-m x", "unknown shorthand flag: 'm'"},
		{"generate", "the prompt is missing: see 'llama4 generate --help'"},
		{"generate a b", "2 arguments, want one prompt: quote it"},
		{"generate --bogus a", "unknown flag: --bogus: see 'llama4 generate --help'"},
		{"generate --model", "flag needs an argument: --model"},
		{"generate --temperature hot a", `--temperature "hot": want a number from 0 to 100`},
		{"generate --temperature NaN a", `--temperature "NaN": want a number from 0 to 100`},
		{"generate --top-k 1.5 a", `--top-k "1.5": want a whole number from 0`},
		{"generate --top-p 2 a", `--top-p "2": want a number from 0 to 1`},
		{"generate --presence-penalty 3 a", "want a number from -2 to 2"},
		{"generate --seed -1 a", "want a whole number from 0 to 18446744073709551615"},
		{"generate --logit-bias 5 a", "want TOKEN=NUMBER"},
		{"generate --logit-bias -5=1 a", "want TOKEN=NUMBER"},
		{"generate --logit-bias 5=101 a", "from -100 to 100"},
		{"generate -n 0 a", `--max-tokens "0": want a whole number from 1`},
		{"generate --stop= a", "want texts of 1 to 1024 bytes"},
		{"generate " + strings.Repeat("--stop x ", 17) + "a", "want at most 16 texts"},
		{"generate --device gpu a", "want auto, cpu, cuda, cuda:N or simt"},
		{"generate --device cuda:x a", "want auto, cpu, cuda, cuda:N or simt"},
		{"generate --compute fp64 a", "want auto, f32 or bf16"},
		{"generate --quant int3 a", "want none, int4, int4-all, fp8, fp8-all"},
		{"generate --kv int8 a", "want auto, fp8, int4"},
		{"generate --threads 0 a", "want a whole number from 1"},
		{"generate --ctx x a", "want a whole number from 1"},
		{"generate --model= a", "it is empty"},
		{"generate --raw --system x a", "--raw and --system exclude each other"},
		{"generate --jsonl --raw", "--jsonl excludes --raw"},
		{"generate --jsonl a b", "2 files, want at most one"},
		{"score", "the text is missing"},
		{"score --jsonl --no-bos", "use the field add_bos"},
		{"score --temperature 1 a", "unknown flag: --temperature"},
		{"tokenize", "the text is missing"},
		{"tokenize --jsonl --special", "use the field special"},
		{"tokenize --device cpu a", "unknown flag: --device"},
		{"chat hello", `unexpected argument "hello"`},
		{"inspect folder", `unexpected argument "folder": name the folder with -m`},
		{"devices cpu", `unexpected argument "cpu"`},
		{"bench -p 0", `--prompt "0": want a whole number from 1`},
		{"bench -r many", `--runs "many": want a whole number from 1`},
		{"completion", "want one of bash, zsh, fish, powershell"},
		{"completion tcsh", "want one of bash, zsh, fish, powershell"},
		{"version 2", `unexpected argument "2"`},
	} {
		t.Run(row.args, func(t *testing.T) {
			requireFailure(t, llama4Run(t, "", strings.Fields(row.args)...), statusUsage, row.says)
		})
	}
}

// What is wrong with the model or the machine, not with how the command is called.
func TestFailures(t *testing.T) {
	for _, row := range []struct{ args, says string }{
		{"generate -m /no/such/folder a", "model folder /no/such/folder: it does not exist"},
		{"generate -m app.go a", `app.go: not a GGUF file: it does not begin with "GGUF"`},
		{"generate -m . a", ".: no config.json there"},
		{"inspect -m .", ".: no config.json there"},
		{"tokenize -m . a", "neither tokenizer.json nor tokenizer.model"},
		{"tokenize -m app.go a", "app.go: "},
		{"generate --ctx 4096 a", "--ctx is 4096, but the model has 2048 positions"},
		{"inspect --ctx 4096", "--ctx is 4096, but the model has 2048 positions"},
		{"generate -n 2049 a", "--max-tokens is 2049, but the context has 2048 tokens"},
		{"chat -n 2049", "--max-tokens is 2049, but the context has 2048 tokens"},
		{"generate --ctx 5 a", "tokens, the context 5: shorten the prompt or raise --ctx"},
		{"score --ctx 2 abcdef", "tokens, the context 2: shorten the prompt or raise --ctx"},
		{"bench --ctx 100", "512 tokens do not fit the context of 100"},
		{"generate --jsonl no-such-file", "no-such-file: no such file"},
		{"generate -m ../../llama4/testdata/scout16 a", "the checkpoint has no tokenizer: use --jsonl with input_ids"},
		{"score -m ../../llama4/testdata/scout16 a", "the checkpoint has no tokenizer: use --jsonl with input_ids"},
		{"chat -m ../../llama4/testdata/scout16", "the checkpoint has no chat template"},
		{"generate --logit-bias 764=1 a", "764"},
	} {
		t.Run(row.args, func(t *testing.T) {
			requireFailure(t, llama4Run(t, "", strings.Fields(row.args)...), statusFailed, row.says)
		})
	}
}

func TestHelp(t *testing.T) {
	root := succeed(t, "")
	require.Contains(t, root.stdout, "Exit status: 0 done, 1 failed, 2 wrong usage")
	require.Empty(t, root.stderr)
	for _, name := range []string{"chat", "generate", "score", "tokenize", "inspect", "devices", "bench", "completion", "version"} {
		require.Contains(t, root.stdout, "\n  "+name+" ")
		help := succeed(t, "", name, "--help")
		require.Contains(t, help.stdout, "Usage:\n  llama4 "+name)
		require.Equal(t, help.stdout, succeed(t, "", "help", name).stdout)
	}
}

// The command and the library it finds have the same version.
func TestVersion(t *testing.T) {
	l, err := bindings.Library()
	require.NoError(t, err)
	require.Equal(t, version, l.Version)
	text := succeed(t, "", "--version").stdout
	require.Contains(t, text, "llama4 "+version+"\n")
	require.Contains(t, text, l.Path)
	require.Equal(t, text, succeed(t, "", "version").stdout)
	require.JSONEq(t, marshal(t, map[string]any{
		"version": version, "library": map[string]any{"path": l.Path, "version": l.Version, "abi": l.ABI},
	}), succeed(t, "", "version", "--json").stdout)

	a := newApp(nil, nil, nil)
	a.library = func() (bindings.LibraryInfo, error) { return bindings.LibraryInfo{}, errors.New("nowhere") }
	require.Contains(t, runWith(t, a, "--version").stdout, "library missing: nowhere")
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		script := succeed(t, "", "completion", shell)
		require.Contains(t, script.stdout, "llama4")
		require.Empty(t, script.stderr)
		if path, err := exec.LookPath(shell); err == nil && shell == "bash" {
			check := exec.Command(path, "-n")
			check.Stdin = strings.NewReader(script.stdout)
			require.NoError(t, check.Run())
		}
	}
	for _, row := range []struct {
		typed []string
		want  string
	}{
		{[]string{"generate", "--device", ""}, "auto\ncpu\ncuda\nsimt\n:4\n"},
		{[]string{"bench", "--compute", ""}, "auto\nf32\nbf16\n:4\n"},
		{[]string{"score", "--kv", ""}, "auto\nfp8\nint4\n:4\n"},
		{[]string{"score", "--quant", ""}, "none\nint4\nint4-all\nfp8\nfp8-all\n:4\n"},
		{[]string{"chat", "-m", ""}, "gguf\n:8\n"},          // folders, and files of that name
		{[]string{"score", "--jsonl", ""}, ":0\n"},          // files
		{[]string{"score", ""}, ":4\n"},                     // nothing
		{[]string{"generate", "--temperature", ""}, ":4\n"}, // nothing
		{[]string{"completion", "po"}, "powershell\n:4\n"},
		{[]string{"help", "to"}, "tokenize\n:4\n"},
	} {
		o := succeed(t, "", append([]string{"__complete"}, row.typed...)...)
		if row.want == "tokenize\n:4\n" {
			require.Contains(t, o.stdout, "tokenize\n", row.typed)
			continue
		}
		require.Equal(t, row.want, o.stdout, row.typed)
	}
}

func TestOneLine(t *testing.T) {
	err := errors.Join(errors.New("first\n\tmore"), errors.New("\x1b[31msecond\r\n"))
	require.Equal(t, "first; more;  [31msecond", oneLine(err.Error()))
	require.Equal(t, "plain", oneLine("plain"))
}

func TestStatus(t *testing.T) {
	require.Equal(t, 1, status(context.Canceled))
	require.Equal(t, 2, status(usageError{errors.New("x")}))
	require.Equal(t, 130, status(interruption{2}))
	require.Equal(t, 143, status(interruption{15}))
}
