package bench

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llama4go/llama4go/bindings/discover"
)

var (
	reportFlag = flag.String("report", "", "write bench.json and bench.txt to this `folder`")
	tableFlag  = flag.String("table", "", "print the table of this bench.json `file`, and measure nothing")
	commitFlag = flag.String("commit", "", "the `commit` that a report says it measured")
)

// report is bench.json, as the package's text describes it.
type report struct {
	Schema   int        `json:"schema"`
	Commit   string     `json:"commit"`
	Started  time.Time  `json:"started"`
	Device   deviceInfo `json:"device"`
	Emulated bool       `json:"emulated,omitempty"`
	Clocks   clocks     `json:"clocks"`
	Peak     *peak      `json:"peak"`
	Flush    int        `json:"flush"`
	Results  []*result  `json:"results"`
}

type deviceInfo struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	ISA         string `json:"isa"`
	MemoryTotal int64  `json:"memory_total"`
	Driver      string `json:"driver,omitempty"`
	CUDA        string `json:"cuda,omitempty"`
}

// clocks are at the start and at the end; nil where nobody tells.
type clocks struct {
	Start *clock `json:"start"`
	End   *clock `json:"end"`
}

type clock struct {
	SM         int     `json:"sm_mhz"`
	MaxSM      int     `json:"max_sm_mhz"`
	Memory     int     `json:"memory_mhz"`
	PowerState string  `json:"power_state"`
	Watts      float64 `json:"watts"`
	LimitWatts float64 `json:"limit_watts"`
}

// result is one kernel at one shape.
type result struct {
	Name      string  `json:"name"`
	Operation string  `json:"operation"`
	Model     string  `json:"model,omitempty"`
	Shape     dims    `json:"shape"`
	Flops     float64 `json:"flops,omitempty"`
	Bytes     float64 `json:"bytes,omitempty"`
	US        *spread `json:"us,omitempty"`
	TFLOPs    float64 `json:"tflop_s,omitempty"`
	GBs       float64 `json:"gb_s,omitempty"`
	Percent   float64 `json:"percent,omitempty"`
	Bound     string  `json:"bound,omitempty"`
	Skipped   string  `json:"skipped,omitempty"`
	Failed    string  `json:"failed,omitempty"`
	Peers     []peer  `json:"peers,omitempty"`
}

// peer is another library at the shape of a result.
type peer struct {
	Library string  `json:"library"`
	US      *spread `json:"us"`
	TFLOPs  float64 `json:"tflop_s,omitempty"`
	GBs     float64 `json:"gb_s,omitempty"`
}

// spread is how long calls took, in microseconds.
type spread struct {
	Samples int     `json:"samples"`
	Min     float64 `json:"min"`
	Q1      float64 `json:"q1"`
	Median  float64 `json:"median"`
	Q3      float64 `json:"q3"`
	Max     float64 `json:"max"`
}

func newSpread(samples []time.Duration) *spread {
	us := make([]float64, len(samples))
	for i, d := range samples {
		us[i] = float64(d.Nanoseconds()) / 1e3
	}
	slices.Sort(us)
	// at interpolates between the samples around a share of them.
	at := func(share float64) float64 {
		place := share * float64(len(us)-1)
		low := int(place)
		high := min(low+1, len(us)-1)
		return us[low] + (place-float64(low))*(us[high]-us[low])
	}
	return &spread{Samples: len(us), Min: at(0), Q1: at(0.25), Median: at(0.5), Q3: at(0.75), Max: at(1)}
}

func newResult(s shape) *result {
	return &result{Name: s.name(), Operation: s.operation, Model: s.model, Shape: s.dims}
}

// fill computes the figures of a shape from its samples.
func (r *result) fill(j job, samples []time.Duration, p *peak) {
	r.Flops, r.Bytes, r.US = j.flops, j.bytes, newSpread(samples)
	us := r.US.Median
	if us <= 0 {
		return // finer than the clock
	}
	r.TFLOPs, r.GBs = j.flops/us/1e6, j.bytes/us/1e3
	if p == nil {
		return
	}
	compute, memory := r.TFLOPs/p.TFLOPs, r.GBs/p.GBs
	r.Bound, r.Percent = "memory", 100*memory
	if compute > memory {
		r.Bound, r.Percent = "compute", 100*compute
	}
}

// measured are the results of this process, a shape once: the last one counts.
var measured []*result

func record(r *result) {
	at := slices.IndexFunc(measured, func(m *result) bool { return m.Name == r.Name })
	if at < 0 {
		measured = append(measured, r)
		return
	}
	measured[at] = r
}

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// run runs the tests and benchmarks, and writes what the flags ask for.
func run(m *testing.M) (int, error) {
	if *tableFlag != "" {
		return 0, printTable(*tableFlag)
	}
	if *reportFlag == "" {
		return m.Run(), nil
	}
	d, err := openDevice()
	if err != nil {
		return 1, err
	}
	info, err := d.Info()
	if err != nil {
		return 1, err
	}
	r := &report{
		Schema: 1, Commit: *commitFlag, Started: time.Now().UTC().Truncate(time.Second), Emulated: emulated(info),
		Device: deviceInfo{Name: info.Name, Description: info.Description, ISA: info.ISA, MemoryTotal: info.MemoryTotal},
		Peak:   peaks[info.Description], Flush: 2 * flushBytes(info),
	}
	if !info.CPU() && !r.Emulated {
		r.Clocks.Start = r.look(info.PCIBusID)
	}
	code := m.Run()
	if !info.CPU() && !r.Emulated {
		r.Clocks.End = r.look(info.PCIBusID)
	}
	r.Results = measured
	if len(r.Results) == 0 {
		return max(code, 1), fmt.Errorf("-report: nothing was measured: -bench Kernels is missing, or fits no name")
	}
	return code, r.write(*reportFlag)
}

// look asks the driver for the clocks of the device in a place on the PCI bus.
func (r *report) look(bus string) *clock {
	d := discover.Default()
	defer func() { _ = d.Close() }()
	s, err := d.Snapshot()
	if err != nil {
		return nil
	}
	r.Device.Driver, r.Device.CUDA = s.DriverVersion, s.CUDAVersion.String()
	g := s.ByPCIBusID(bus)
	if g == nil {
		return nil
	}
	return &clock{
		SM: g.ClockMHz, MaxSM: g.MaxClockMHz, Memory: g.MemoryClockMHz, PowerState: g.PowerState,
		Watts: g.PowerWatts, LimitWatts: g.PowerLimitWatts,
	}
}

func (r *report) write(folder string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "bench.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	var table strings.Builder
	r.table(&table)
	return os.WriteFile(filepath.Join(folder, "bench.txt"), []byte(table.String()), 0o644)
}

func printTable(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	r := &report{}
	if err := json.Unmarshal(text, r); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if r.Schema != 1 {
		return fmt.Errorf("%s: schema %d, this reads 1", file, r.Schema)
	}
	r.table(os.Stdout)
	return nil
}

// table writes the report in Markdown.
func (r *report) table(out io.Writer) {
	fmt.Fprintf(out, "# %s\n\n", orDash(r.Device.Description))
	line := func(name, format string, args ...any) {
		fmt.Fprintf(out, "- %s: %s\n", name, fmt.Sprintf(format, args...))
	}
	if r.Emulated {
		line("emulated", "the times below mean nothing: they are those of an emulator")
	}
	line("device", "%s, %s, %.1f GiB", r.Device.Name, orDash(r.Device.ISA), float64(r.Device.MemoryTotal)/(1<<30))
	if r.Device.Driver != "" {
		line("driver", "%s, CUDA %s", r.Device.Driver, r.Device.CUDA)
	}
	line("clocks at the start", "%s", r.Clocks.Start)
	line("clocks at the end", "%s", r.Clocks.End)
	if r.Peak != nil {
		line("peak", "%g TFLOP/s bf16, %g GB/s (%s)", r.Peak.TFLOPs, r.Peak.GBs, r.Peak.Source)
	} else {
		line("peak", "not known for this device: no percentages")
	}
	line("commit", "%s, %s", orDash(r.Commit), r.Started.Format(time.RFC3339))
	line("method", "events of the device around one call; before each, %d MiB are read and written; median (min..max)", r.Flush>>20)
	fmt.Fprint(out, "\n| kernel | us | TFLOP/s | GB/s | % of peak | others, us |\n|---|---|---|---|---|---|\n")
	for _, s := range r.Results {
		fmt.Fprintf(out, "| %s |%s\n", s.Name, s.cells(r.Emulated))
	}
}

// cells are the columns after the name.
func (r *result) cells(emulated bool) string {
	switch {
	case r.Failed != "":
		return " FAILED: " + r.Failed + " | | | | |"
	case r.Skipped != "":
		return " skipped: " + r.Skipped + " | | | | |"
	case emulated:
		return fmt.Sprintf(" %s, meaningless | | | | |", r.US)
	}
	number := func(x float64) string {
		if x == 0 {
			return "-"
		}
		return fmt.Sprintf("%.4g", x)
	}
	percent := "-"
	if r.Bound != "" {
		percent = fmt.Sprintf("%.0f%% (%s)", r.Percent, r.Bound)
	}
	var others []string
	for _, p := range r.Peers {
		others = append(others, fmt.Sprintf("%s: %s", p.Library, p.US))
	}
	return fmt.Sprintf(" %s | %s | %s | %s | %s |", r.US, number(r.TFLOPs), number(r.GBs), percent, strings.Join(others, "; "))
}

func (s *spread) String() string {
	if s == nil {
		return "-"
	}
	return fmt.Sprintf("%.4g (%.4g..%.4g)", s.Median, s.Min, s.Max)
}

func (c *clock) String() string {
	if c == nil {
		return "not known"
	}
	return fmt.Sprintf("SM %d of %d MHz, memory %d MHz, %s, %.0f of %.0f W",
		c.SM, c.MaxSM, c.Memory, orDash(c.PowerState), c.Watts, c.LimitWatts)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
