package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/bindings/discover"
	"github.com/llama4go/llama4go/llama4"
)

// snapshot reads the state of the NVIDIA GPUs.
func (a *app) snapshot() (*discover.Snapshot, error) {
	d := a.discover()
	defer func() { _ = d.Close() }() // nothing was changed
	return d.Snapshot()
}

// warnOfIdleGPU says so when "auto" settled for the CPU although the machine has
// a GPU. That it has none goes without saying.
func (a *app) warnOfIdleGPU(m *llama4.Model) {
	info, err := m.Device()
	if err != nil || !info.CPU() {
		return
	}
	gpu := a.idleGPU()
	if gpu == "" {
		return
	}
	// Other failures the model has reported itself.
	if _, err := a.open("cuda"); errors.Is(err, bindings.ErrNoDevice) {
		a.note("llama4: warning: running on the CPU although there is a GPU (%s): %s\n", gpu, oneLine(err.Error()))
	}
}

// idleGPU names a GPU of the machine, "" if it has none.
func (a *app) idleGPU() string {
	s, err := a.snapshot()
	switch {
	case err == nil && len(s.GPUs) > 0:
		return s.GPUs[0].Name
	case errors.Is(err, discover.ErrNoDriver) && nvidiaOnBus(pciDevices):
		return "NVIDIA, without a driver"
	}
	return ""
}

// pciDevices is where Linux lists what is on the PCI bus.
const pciDevices = "/sys/bus/pci/devices"

// nvidiaOnBus says whether a display or 3D controller of NVIDIA is on the bus,
// which it is also without a driver.
func nvidiaOnBus(folder string) bool {
	const vendor, class = "0x10de", "0x03"
	devices, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		return false
	}
	for _, d := range devices {
		if firstLine(filepath.Join(d, "vendor")) == vendor && strings.HasPrefix(firstLine(filepath.Join(d, "class")), class) {
			return true
		}
	}
	return false
}

// firstLine reads a line of a small file, "" if it cannot.
func firstLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// describeDevice names the device that a model runs on.
func describeDevice(info bindings.Info) string {
	if info.Description == "" {
		return info.Name
	}
	return fmt.Sprintf("%s (%s)", info.Name, info.Description)
}

// cpuModel names the processor, "" where the system does not tell.
func cpuModel(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// cpuInfo is where Linux describes the processors.
const cpuInfo = "/proc/cpuinfo"
