package discover

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// MinDriver is the oldest driver branch that serves [MinCUDA]: R580 (CUDA 13.0
// release notes, table "CUDA Toolkit and Minimum Required Driver Versions").
const MinDriver = 580

// MinCUDA is the CUDA version that the GPU backend is built with.
var MinCUDA = Version{Major: 13, Minor: 0}

// Version is a number of two parts: a CUDA version or a compute capability.
type Version struct {
	Major, Minor int
}

// String returns "13.0" for major 13 and minor 0.
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// MarshalText writes the version as String does.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// AtLeast reports whether v is need or newer.
func (v Version) AtLeast(need Version) bool {
	return v.Major > need.Major || v.Major == need.Major && v.Minor >= need.Minor
}

// Snapshot is what the driver said at one moment.
type Snapshot struct {
	// DriverVersion is the driver's own number, "580.65.06" say.
	DriverVersion string `json:"driver_version"`
	// CUDAVersion is the newest CUDA that the driver serves, 0.0 if unknown.
	CUDAVersion Version `json:"cuda_version"`
	GPUs        []GPU   `json:"gpus"`
	// Warnings says, one line each, what keeps a GPU or all of them from use.
	Warnings []string `json:"warnings,omitempty"`
}

// CheckDriver returns nil when the driver serves [MinCUDA], and else an error
// that wraps [ErrDriverTooOld] and names both versions. A driver older than
// [MinDriver] passes when it serves MinCUDA by a forward-compatibility package.
func (s *Snapshot) CheckDriver() error {
	known := s.CUDAVersion != Version{}
	branch, ok := driverBranch(s.DriverVersion)
	switch {
	case known && s.CUDAVersion.AtLeast(MinCUDA):
		return nil
	case !known && (!ok || branch >= MinDriver):
		return nil
	}
	serves := ""
	if known {
		serves = fmt.Sprintf(" (CUDA %v)", s.CUDAVersion)
	}
	return fmt.Errorf("%w: it is %s%s, and CUDA %v needs R%d or newer: update the driver",
		ErrDriverTooOld, s.DriverVersion, serves, MinCUDA, MinDriver)
}

// driverBranch returns 580 for "580.65.06".
func driverBranch(version string) (int, bool) {
	major, _, _ := strings.Cut(version, ".")
	branch, err := strconv.Atoi(major)
	return branch, err == nil
}

// Discoverer reads the GPUs of this machine. Its methods may be called from
// several goroutines. It must be closed.
type Discoverer struct {
	api nvml.Interface

	mu    sync.Mutex
	state state
	err   error           // why opening failed; the answer to every later call
	has   map[string]bool // functions of NVML that the library was asked for
}

type state int

const (
	fresh state = iota
	opened
	refused
	closed
)

// New returns a Discoverer that asks api, which it initialises on first use and
// shuts down when closed.
func New(api nvml.Interface) *Discoverer {
	return &Discoverer{api: api, has: map[string]bool{}}
}

// Default returns a Discoverer that asks the driver of this machine.
func Default() *Discoverer { return New(nvml.New()) }

// Snapshot reads the GPUs and their present state. A value that the driver does
// not tell stays zero or nil, and a GPU that cannot be read at all is left out
// with a warning. Without a driver the error wraps [ErrNoDriver]; then, the error
// stays for the life of the Discoverer, and another one looks again.
func (d *Discoverer) Snapshot() (*Snapshot, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.open(); err != nil {
		return nil, err
	}
	var s Snapshot
	var ret nvml.Return
	if s.DriverVersion, ret = d.api.SystemGetDriverVersion(); ret != nvml.SUCCESS {
		return nil, callError("the driver's version", ret)
	}
	if d.lookup("nvmlSystemGetCudaDriverVersion") {
		if v, ret := d.api.SystemGetCudaDriverVersion(); ret == nvml.SUCCESS {
			// NVML writes 13.0 as 13000.
			s.CUDAVersion = Version{Major: v / 1000, Minor: v % 1000 / 10}
		}
	}
	if err := s.CheckDriver(); err != nil {
		s.Warnings = append(s.Warnings, err.Error())
	}
	if err := d.readGPUs(&s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Close shuts NVML down if it was started. Later calls of Snapshot return
// [ErrClosed]; closing again is no error.
func (d *Discoverer) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	wasOpen := d.state == opened
	d.state = closed
	if !wasOpen {
		return nil
	}
	if ret := d.api.Shutdown(); ret != nvml.SUCCESS {
		return fmt.Errorf("discover: shutting NVML down: %w", ret)
	}
	return nil
}

// open is the gate before every call of NVML. Its functions are bound lazily, so
// calling one while the library is not loaded, or one that the library lacks,
// ends the process: after a failed Init nothing is called, Shutdown included.
func (d *Discoverer) open() error {
	switch d.state {
	case opened:
		return nil
	case refused:
		return d.err
	case closed:
		return ErrClosed
	}
	if ret := d.api.Init(); ret != nvml.SUCCESS {
		d.state, d.err = refused, initError(ret)
		return d.err
	}
	d.state = opened
	for _, symbol := range required {
		if !d.lookup(symbol) {
			_ = d.api.Shutdown() // the missing function is the error to report
			d.state, d.err = refused, missingError(symbol)
			return d.err
		}
	}
	return nil
}

// required are the functions without which no GPU can be listed.
var required = []string{
	"nvmlSystemGetDriverVersion",
	"nvmlDeviceGetCount",
	"nvmlDeviceGetHandleByIndex",
	"nvmlDeviceGetName",
	"nvmlDeviceGetUUID",
}

// lookup reports whether the loaded library has a function.
func (d *Discoverer) lookup(symbol string) bool {
	has, known := d.has[symbol]
	if !known {
		has = d.api.Extensions().LookupSymbol(symbol) == nil
		d.has[symbol] = has
	}
	return has
}

// ByPCIBusID returns the GPU in a place on the PCI bus, nil if there is none.
// It joins what CUDA says of a device with what the driver says of a GPU, which
// number them differently. CUDA writes domains with four digits ("0000:C1:00.0"),
// NVML with eight: the numbers are compared.
func (s *Snapshot) ByPCIBusID(id string) *GPU {
	want, ok := parsePCI(id)
	if !ok {
		return nil
	}
	for i := range s.GPUs {
		if have, ok := parsePCI(s.GPUs[i].PCIBusID); ok && have == want {
			return &s.GPUs[i]
		}
	}
	return nil
}

// pciPlace is a domain, a bus and a device on it. GPUs are function 0.
type pciPlace struct{ domain, bus, device uint32 }

func parsePCI(id string) (pciPlace, bool) {
	var p pciPlace
	n, err := fmt.Sscanf(id, "%x:%x:%x", &p.domain, &p.bus, &p.device)
	return p, err == nil && n == 3
}
