package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/bindings/discover"
)

const devicesHelp = `Devices lists what models can run on, and for what cannot be used what is missing and how
to get it. GPUs are in the driver's order, as nvidia-smi shows them, under the names that
--device takes: CUDA counts those that CUDA_VISIBLE_DEVICES leaves, the fastest first unless
CUDA_DEVICE_ORDER is PCI_BUS_ID.`

func (a *app) devicesCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "devices",
		Short: "List devices, and what is missing for those that cannot be used",
		Long:  devicesHelp,
		Args:  noArguments(""),
		RunE: func(*cobra.Command, []string) error {
			r := a.listDevices()
			if asJSON {
				return a.printJSON(r)
			}
			return r.print(a.stdout)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// deviceReport is what devices says.
type deviceReport struct {
	Library libraryReport  `json:"library"`
	Driver  driverReport   `json:"driver"`
	Devices []deviceStatus `json:"devices"`
}

type driverReport struct {
	Version  string   `json:"version,omitempty"`
	CUDA     string   `json:"cuda,omitempty"`
	Missing  string   `json:"missing,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// deviceStatus is a device and its present state. Missing has a line for each
// thing that keeps it from use.
type deviceStatus struct {
	Name        string   `json:"name"`
	Usable      bool     `json:"usable"`
	Description string   `json:"description,omitempty"`
	ISA         string   `json:"isa,omitempty"`
	Threads     int      `json:"threads,omitempty"`
	BF16        bool     `json:"bf16_dot,omitempty"`
	MemoryTotal int64    `json:"memory_total,omitempty"`
	MemoryFree  int64    `json:"memory_free,omitempty"`
	Utilization *int     `json:"utilization,omitempty"` // percent
	UUID        string   `json:"uuid,omitempty"`
	Missing     []string `json:"missing,omitempty"`
}

func (a *app) listDevices() *deviceReport {
	r := &deviceReport{Library: a.describeLibrary()}
	cpu := a.device(r, "cpu", deviceStatus{Description: cpuModel(cpuInfo)})
	r.Devices = append(r.Devices, cpu)
	r.Devices = append(r.Devices, a.gpus(r)...)
	r.Devices = append(r.Devices, a.device(r, "simt", deviceStatus{}))
	return r
}

// device opens a device for a moment to see whether it can be used. What is known
// already stays.
func (a *app) device(r *deviceReport, name string, known deviceStatus) deviceStatus {
	known.Name = name
	if r.Library.Missing != "" {
		known.Missing = append(known.Missing, "libllama4: see library")
		return known
	}
	info, err := a.open(name)
	if err != nil {
		known.Missing = append(known.Missing, reason(err))
		return known
	}
	known.Usable = true
	known.ISA, known.Threads, known.BF16 = info.ISA, info.Threads, info.BF16Dot
	if known.Description == "" {
		known.Description = info.Description
	}
	known.MemoryTotal, known.MemoryFree = info.MemoryTotal, info.MemoryFree
	return known
}

// reason is an error without the name of the call that failed.
func reason(err error) string {
	var e *bindings.Error
	if errors.As(err, &e) && e.Message != "" {
		return oneLine(e.Message)
	}
	return strings.TrimPrefix(oneLine(err.Error()), "discover: ")
}

// gpus lists the GPUs that the driver knows. Without any there is one entry that
// says what is missing.
func (a *app) gpus(r *deviceReport) []deviceStatus {
	s, err := a.snapshot()
	if err != nil {
		r.Driver.Missing = reason(err)
		return []deviceStatus{a.device(r, "cuda", deviceStatus{Missing: []string{r.Driver.Missing}})}
	}
	r.Driver = driverReport{Version: s.DriverVersion, Warnings: s.Warnings}
	if s.CUDAVersion != (discover.Version{}) {
		r.Driver.CUDA = s.CUDAVersion.String()
	}
	if len(s.GPUs) == 0 {
		return []deviceStatus{a.device(r, "cuda", deviceStatus{Missing: []string{"the driver sees no GPU"}})}
	}
	var list []deviceStatus
	names := a.cudaNames(s)
	for _, g := range s.GPUs {
		d := deviceStatus{Name: fmt.Sprintf("GPU %d", g.Index), Description: g.Name, UUID: g.UUID}
		if name, ok := names[g.Index]; ok {
			d = a.device(r, name, d)
		} else {
			d.Missing = append(d.Missing, "CUDA does not see it: see what CUDA_VISIBLE_DEVICES says")
		}
		if g.Memory != nil {
			d.MemoryTotal, d.MemoryFree = int64(g.Memory.Total), int64(g.Memory.Free)
		}
		if g.Utilization != nil {
			d.Utilization = &g.Utilization.GPU
		}
		list = append(list, d)
	}
	return list
}

// cudaNames names the CUDA devices of the GPUs, by the driver's numbers: CUDA counts
// in another order, and leaves some out. What the two have in common is the place on
// the bus; where CUDA does not tell it, the numbers are taken to be the same.
func (a *app) cudaNames(s *discover.Snapshot) map[int]string {
	names, guesses := map[int]string{}, map[int]string{}
	for i, g := range s.GPUs {
		guesses[g.Index] = fmt.Sprintf("cuda:%d", g.Index)
		name := fmt.Sprintf("cuda:%d", i)
		info, err := a.open(name)
		if err != nil {
			continue // there may be fewer devices than GPUs
		}
		if gpu := s.ByPCIBusID(info.PCIBusID); gpu != nil {
			names[gpu.Index] = name
		}
	}
	if len(names) == 0 {
		return guesses
	}
	return names
}

// print writes the report for people.
func (r *deviceReport) print(out io.Writer) error {
	var text strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&text, "%-8s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("library", "%s", r.Library)
	if r.Driver.Version != "" {
		line("driver", "NVIDIA %s, CUDA %s", r.Driver.Version, r.Driver.CUDA)
	}
	for _, w := range r.Driver.Warnings {
		line("", "warning: %s", w)
	}
	for _, d := range r.Devices {
		line(d.Name, "%s", d.describe())
		for _, m := range d.Missing {
			line("", "missing: %s", m)
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func (d *deviceStatus) describe() string {
	parts := []string{}
	add := func(is bool, format string, args ...any) {
		if is {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(d.Description != "", "%s", d.Description)
	add(d.ISA != "", "%s", d.ISA)
	add(d.Threads > 0, "%s", plural(d.Threads, "thread"))
	add(d.MemoryTotal > 0, "%s free of %s", size(d.MemoryFree), size(d.MemoryTotal))
	if d.Utilization != nil {
		add(true, "%d%% in use", *d.Utilization)
	}
	add(!d.Usable, "cannot be used")
	return strings.Join(parts, ", ")
}

// plural writes "1 thread" or "2 threads".
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
