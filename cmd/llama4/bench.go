package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/llama4go/llama4go/llama4"
)

const benchHelp = `Bench measures how fast the model runs. Prompt processing evaluates a prompt of random
tokens and needs the logits of the last one only; generation is one sequence that begins
with the beginning-of-text token, one token at a time. Each is run once to warm up and then
-r times. The tokens are the same in each run. peak_rss_bytes is the most memory that the
process had resident, the pages of the mapped checkpoint that were touched included.`

// benchFlags are the flags of bench.
type benchFlags struct {
	model                 modelFlags
	prompt, generate, run int
	json                  bool
}

func (a *app) benchCommand() *cobra.Command {
	f := benchFlags{prompt: 512, generate: 64, run: 5}
	cmd := &cobra.Command{
		Use:     "bench",
		Short:   "Measure the speed of prompts and of generation",
		Long:    benchHelp,
		Example: "  llama4 bench -p 512 -n 64 -r 5 --json",
		Args:    noArguments(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				return a.withModel(ctx, &f.model, func(m *loaded) error { return a.bench(ctx, m, &f) })
			})
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	for _, n := range []struct {
		to             *int
		name, letter   string
		most           int
		help, standard string
	}{
		{&f.prompt, "prompt", "p", maxContext, "tokens of the prompt", "512"},
		{&f.generate, "generate", "n", maxContext, "tokens to generate", "64"},
		{&f.run, "runs", "r", 10000, "measured runs of each", "5"},
	} {
		v := whole(n.to, 1, n.most)
		v.text = n.standard
		flags.VarP(v, n.name, n.letter, n.help)
		complete(cmd, n.name)
	}
	flags.BoolVar(&f.json, "json", false, "print JSON")
	f.model.register(cmd)
	return cmd
}

// benchReport is what bench says, in the order of its JSON.
type benchReport struct {
	Prompt   benchResult `json:"prompt"`
	Generate benchResult `json:"generate"`
	LoadS    float64     `json:"load_s"`
	PeakRSS  int64       `json:"peak_rss_bytes"`
	Device   benchDevice `json:"device"`
}

type benchResult struct {
	Tokens int    `json:"tokens"`
	Speed  spread `json:"tok_s"`
}

type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

type benchDevice struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	ISA         string `json:"isa,omitempty"`
	Threads     int    `json:"threads,omitempty"`
	Processor   string `json:"processor,omitempty"`
	MemoryTotal int64  `json:"memory_total"`
	Compute     string `json:"compute"`
}

func (a *app) bench(ctx context.Context, m *loaded, f *benchFlags) error {
	if n := max(f.prompt, f.generate); n > m.Context() {
		return fmt.Errorf("%d tokens do not fit the context of %d: lower -p or -n, or raise --ctx", n, m.Context())
	}
	r := &benchReport{LoadS: m.took.Seconds()}
	info, err := m.Device()
	if err != nil {
		return err
	}
	r.Device = benchDevice{
		Name: info.Name, Description: info.Description, ISA: info.ISA, Threads: info.Threads,
		MemoryTotal: info.MemoryTotal, Compute: f.model.compute.String(),
	}
	if info.CPU() {
		r.Device.Processor = cpuModel(cpuInfo)
	}
	tokens := benchTokens(m.Model, max(f.prompt, f.generate))
	if r.Prompt, err = measure(f.prompt, f.run, func() error { return benchPrompt(ctx, m.Model, tokens[:f.prompt]) }); err != nil {
		return err
	}
	if r.Generate, err = measure(f.generate, f.run, func() error { return benchGenerate(ctx, m.Model, tokens[:f.generate]) }); err != nil {
		return err
	}
	if r.PeakRSS, err = peakRSS(); err != nil {
		return err
	}
	if f.json {
		return a.printJSON(r)
	}
	return r.print(a.stdout, m)
}

// benchTokens are random tokens after the beginning-of-text token, the same for
// every run of every program.
func benchTokens(m *llama4.Model, n int) []int32 {
	random := rand.New(rand.NewPCG(4, 4))
	tokens := make([]int32, n)
	for i := range tokens {
		tokens[i] = int32(random.IntN(m.Config().Vocab))
	}
	for _, bos := range [][]int32{m.GenerationConfig().BOS, m.Config().BOS} {
		if len(bos) > 0 {
			tokens[0] = bos[0]
			break
		}
	}
	return tokens
}

// benchPrompt evaluates the tokens and computes the logits of the last.
func benchPrompt(ctx context.Context, m *llama4.Model, tokens []int32) error {
	q := m.NewSequence()
	defer func() { _ = q.Close() }() // returns nil always
	return m.Prefill(ctx, q, tokens, llama4.LastRow, func(*llama4.Logits) error { return nil })
}

// benchGenerate evaluates the tokens one after the other, with the logits of each.
func benchGenerate(ctx context.Context, m *llama4.Model, tokens []int32) error {
	q := m.NewSequence()
	defer func() { _ = q.Close() }() // returns nil always
	for i := range tokens {
		step := []llama4.Step{{Sequence: q, Tokens: tokens[i : i+1], Logits: llama4.LastRow}}
		if err := m.Forward(ctx, step, func(*llama4.Logits) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

// measure times runs of a number of tokens.
func measure(tokens, runs int, run func() error) (benchResult, error) {
	times, err := timeRuns(runs, run)
	if err != nil {
		return benchResult{}, err
	}
	speeds := make([]float64, len(times))
	for i, t := range times {
		speeds[i] = float64(tokens) / max(t.Seconds(), 1e-9)
	}
	return benchResult{Tokens: tokens, Speed: spreadOf(speeds)}, nil
}

// timeRuns times runs, after one that is not counted.
func timeRuns(runs int, run func() error) ([]time.Duration, error) {
	var times []time.Duration
	for i := range runs + 1 {
		start := time.Now()
		if err := run(); err != nil {
			return nil, err
		}
		if i > 0 {
			times = append(times, time.Since(start))
		}
	}
	return times, nil
}

// spreadOf sorts the values, of which there is one or more.
func spreadOf(values []float64) spread {
	slices.Sort(values)
	n := len(values)
	return spread{Median: (values[(n-1)/2] + values[n/2]) / 2, Min: values[0], Max: values[n-1]}
}

// peakRSS returns the most memory that the process had resident, in bytes.
func peakRSS() (int64, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("reading the peak memory: %w", err)
	}
	if runtime.GOOS == "darwin" {
		return u.Maxrss, nil
	}
	return u.Maxrss * 1024, nil // in kB on Linux and the BSDs
}

// print writes the report for people.
func (r *benchReport) print(out io.Writer, m *loaded) error {
	var text strings.Builder
	device := r.Device.Name + ", " + r.Device.Description
	if r.Device.Processor != "" {
		device += ", " + r.Device.Processor
	}
	fmt.Fprintf(&text, "%s, %s parameters, %s\n", m.name, count(m.Config().Parameters().Total), size(m.WeightBytes()))
	fmt.Fprintf(&text, "%s; compute %s\n\n", device, r.Device.Compute)
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "tokens/s\ttokens\tmedian\tmin\tmax\t") // into memory
	for _, row := range []struct {
		name string
		benchResult
	}{{"prompt", r.Prompt}, {"generate", r.Generate}} {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f\t%.1f\t\n", row.name, row.Tokens, row.Speed.Median, row.Speed.Min, row.Speed.Max)
	}
	_ = w.Flush()
	fmt.Fprintf(&text, "\nloaded in %.2f s, peak memory %s\n", r.LoadS, size(r.PeakRSS))
	_, err := io.WriteString(out, text.String())
	return err
}
