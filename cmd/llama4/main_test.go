package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// runAs makes the test program the command, or a part of it, for tests that need
// a process of their own.
const runAs = "LLAMA4_TEST_RUN_AS"

// The tests expect what a CPU computes, in "auto" mode too: CUDA shows them no GPU.
func TestMain(m *testing.M) {
	_ = os.Setenv("CUDA_VISIBLE_DEVICES", "")
	switch os.Getenv(runAs) {
	case "":
		goleak.VerifyTestMain(m)
	case "command":
		main()
	case "stubborn":
		stubborn()
	case "progress":
		showProgress()
	}
}

// stubborn ends at no first signal.
func stubborn() {
	ctx, stop := withSignals(context.Background(), os.Interrupt)
	defer stop()
	_, _ = os.Stdout.WriteString("ready\n")
	<-ctx.Done()
	_, _ = os.Stdout.WriteString("still here\n")
	time.Sleep(time.Minute)
}

// showProgress shows a bar until it is told to go on.
func showProgress() {
	p := newProgress(os.Stderr, "loading it")
	p.delay = 0
	p.update(512<<20, 1<<30)
	_, _ = os.Stdin.Read(make([]byte, 1))
	p.close()
	_, _ = os.Stdout.WriteString("done\n")
}

// child is the command as a process.
func child(t *testing.T, as string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, self, args...)
	c.Env = append(os.Environ(), runAs+"="+as)
	return c
}

// outcome is what a run of the command left.
type outcome struct {
	status         int
	stdout, stderr string
}

// llama4Run runs the command within the test.
func llama4Run(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	return runWith(t, newApp(strings.NewReader(stdin), io.Discard, io.Discard), args...)
}

func runWith(t *testing.T, a *app, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a.stdout, a.stderr = &stdout, &stderr
	status := a.run(context.Background(), args)
	return outcome{status, stdout.String(), stderr.String()}
}

// succeed runs the command, which must succeed.
func succeed(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	o := llama4Run(t, stdin, args...)
	require.Zero(t, o.status, "%v: %s", args, o.stderr)
	return o
}

// requireFailure checks the status, and that the failure is one line that says so
// and nothing is on standard output.
func requireFailure(t *testing.T, o outcome, status int, says ...string) {
	t.Helper()
	require.Equal(t, status, o.status, o.stderr)
	require.Empty(t, o.stdout)
	require.True(t, strings.HasPrefix(o.stderr, "llama4: "), o.stderr)
	require.Equal(t, 1, strings.Count(o.stderr, "\n"), "more than a line: %q", o.stderr)
	require.True(t, strings.HasSuffix(o.stderr, "\n"))
	for _, s := range says {
		require.Contains(t, o.stderr, s)
	}
}

// answers decodes what a --jsonl command wrote: JSON and nothing else, a line each.
func answers[T any](t *testing.T, stdout string) []T {
	t.Helper()
	var list []T
	for line := range strings.Lines(stdout) {
		require.True(t, strings.HasSuffix(line, "\n"), "cut off: %q", line)
		var v T
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		require.NoError(t, d.Decode(&v), line)
		require.False(t, d.More(), line)
		list = append(list, v)
	}
	return list
}

// lines joins requests.
func lines(requests ...string) string { return strings.Join(requests, "\n") + "\n" }

// goldens are what the reference implementation answers for the demo model: see
// llama4/testdata/README.md.
type goldens struct {
	Score []struct {
		ID       int             `json:"id"`
		Prompt   *string         `json:"prompt"`
		Messages json.RawMessage `json:"messages"`
		AddBOS   *bool           `json:"add_bos"`
		InputIDs []int32         `json:"input_ids"`
		LogProbs []float64       `json:"logprobs"`
		Top      [][2]float64    `json:"top"`
	} `json:"score"`
	Greedy []struct {
		ID        int             `json:"id"`
		Prompt    *string         `json:"prompt"`
		Messages  json.RawMessage `json:"messages"`
		MaxTokens int             `json:"max_tokens"`
		InputIDs  []int32         `json:"input_ids"`
		OutputIDs []int32         `json:"output_ids"` // without the token that ended it
		StopID    int32           `json:"stop_id"`
		LogProbs  []float64       `json:"logprobs"`
		Text      string          `json:"text"`
	} `json:"greedy"`
}

// tolerance is what the project allows log-probabilities of fp32 to differ from the
// reference's; another order of sums gives about 1e-4 (README.md of the goldens).
const tolerance = 2e-3

func readGoldens(t *testing.T, path string) *goldens {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	g := &goldens{}
	require.NoError(t, json.Unmarshal(raw, g))
	return g
}

func demoGoldens(t *testing.T) *goldens {
	t.Helper()
	return readGoldens(t, "../../llama4/testdata/demo_goldens.json")
}

// marshal writes a request.
func marshal(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

// neverEnds are flags under which the demo model does not end a text.
var neverEnds = []string{"--logit-bias", "748=-100", "--logit-bias", "752=-100", "--logit-bias", "753=-100"}
