package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/bindings/discover"
)

const gib = 1 << 30

// machine is an app on a machine with that many GPUs, whose CUDA backend answers
// with err.
func machine(gpus int, err error) *app {
	a := newApp(nil, nil, nil)
	a.discover = func() *discover.Discoverer { return discover.New(driver(gpus)) }
	a.library = func() (bindings.LibraryInfo, error) {
		return bindings.LibraryInfo{Path: "/lib/libllama4.so", Version: "0.1.0", ABI: 1}, nil
	}
	a.open = func(name string) (bindings.Info, error) {
		switch {
		case name == "cpu":
			return bindings.Info{Name: name, ISA: "avx2", Threads: 4, MemoryTotal: 8 * gib, MemoryFree: 6 * gib}, nil
		case name == "simt":
			return bindings.Info{}, &bindings.Error{Op: "device_open", Code: bindings.ErrNoDevice, Message: "no libllama4_simt.so: build it"}
		case err != nil:
			return bindings.Info{}, err
		}
		return bindings.Info{Name: name, Description: "H100", ISA: "sm_90", MemoryTotal: 80 * gib, MemoryFree: 70 * gib}, nil
	}
	return a
}

// driver is a driver with that many GPUs, none if negative.
func driver(gpus int) nvml.Interface {
	api := &mock.Interface{
		InitFunc:                       func() nvml.Return { return nvml.SUCCESS },
		ShutdownFunc:                   func() nvml.Return { return nvml.SUCCESS },
		SystemGetDriverVersionFunc:     func() (string, nvml.Return) { return "580.65.06", nvml.SUCCESS },
		SystemGetCudaDriverVersionFunc: func() (int, nvml.Return) { return 13000, nvml.SUCCESS },
		DeviceGetCountFunc:             func() (int, nvml.Return) { return gpus, nvml.SUCCESS },
		ExtensionsFunc: func() nvml.ExtendedInterface {
			return &mock.ExtendedInterface{LookupSymbolFunc: func(string) error { return nil }}
		},
		DeviceGetHandleByIndexFunc: func(i int) (nvml.Device, nvml.Return) { return gpu(i), nvml.SUCCESS },
	}
	if gpus < 0 {
		api.InitFunc = func() nvml.Return { return nvml.ERROR_LIBRARY_NOT_FOUND }
	}
	return api
}

func gpu(index int) nvml.Device {
	return &mock.Device{
		GetNameFunc: func() (string, nvml.Return) { return "NVIDIA H100", nvml.SUCCESS },
		GetUUIDFunc: func() (string, nvml.Return) { return fmt.Sprintf("GPU-%d", index), nvml.SUCCESS },
		GetMemoryInfoFunc: func() (nvml.Memory, nvml.Return) {
			return nvml.Memory{Total: 80 * gib, Free: 78 * gib, Used: 2 * gib}, nvml.SUCCESS
		},
		GetMemoryInfo_v2Func: func() (nvml.Memory_v2, nvml.Return) {
			return nvml.Memory_v2{Total: 80 * gib, Free: 78 * gib, Used: 2 * gib}, nvml.SUCCESS
		},
		GetUtilizationRatesFunc: func() (nvml.Utilization, nvml.Return) {
			return nvml.Utilization{Gpu: 37, Memory: 21}, nvml.SUCCESS
		},
		GetCudaComputeCapabilityFunc: func() (int, int, nvml.Return) { return 9, 0, nvml.SUCCESS },
		GetPciInfoFunc:               func() (nvml.PciInfo, nvml.Return) { return pci(index), nvml.SUCCESS },
		GetPerformanceStateFunc:      func() (nvml.Pstates, nvml.Return) { return nvml.PSTATE_0, nvml.SUCCESS },
		GetEnforcedPowerLimitFunc:    func() (uint32, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED },
		GetPowerUsageFunc:            func() (uint32, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED },
		GetClockInfoFunc:             func(nvml.ClockType) (uint32, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED },
		GetMaxClockInfoFunc:          func(nvml.ClockType) (uint32, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED },
		GetMigModeFunc:               func() (int, int, nvml.Return) { return 0, 0, nvml.ERROR_NOT_SUPPORTED },
	}
}

// pci puts GPU i on bus 16 + i.
func pci(index int) nvml.PciInfo {
	var info nvml.PciInfo
	for i, c := range []byte(fmt.Sprintf("00000000:%02X:00.0", 16+index)) {
		info.BusId[i] = int8(c)
	}
	return info
}

// CUDA's numbers are not the driver's: the fastest is first, and one is left out.
func TestDevicesInCUDAsOrder(t *testing.T) {
	a := machine(3, nil)
	open := a.open
	a.open = func(name string) (bindings.Info, error) {
		info, err := open(name)
		switch name {
		case "cuda:0":
			info.PCIBusID = "00000000:12:00.0"
		case "cuda:1":
			info.PCIBusID = "00000000:10:00.0"
		case "cuda:2":
			return bindings.Info{}, &bindings.Error{Op: "device_open", Code: bindings.ErrNoDevice, Message: "there are 2 CUDA devices"}
		}
		return info, err
	}
	gpus := report(t, a).Devices[1:4]
	for i, want := range []string{"cuda:1", "GPU 1", "cuda:0"} {
		require.Equal(t, want, gpus[i].Name)
		require.Equal(t, fmt.Sprintf("GPU-%d", i), gpus[i].UUID)
		require.Equal(t, i != 1, gpus[i].Usable)
	}
	require.Contains(t, gpus[1].Missing[0], "CUDA_VISIBLE_DEVICES")
}

func report(t *testing.T, a *app) deviceReport {
	t.Helper()
	o := runWith(t, a, "devices", "--json")
	require.Zero(t, o.status, o.stderr)
	require.Empty(t, o.stderr)
	var r deviceReport
	require.NoError(t, json.Unmarshal([]byte(o.stdout), &r))
	return r
}

func TestDevicesWithGPUs(t *testing.T) {
	r := report(t, machine(2, nil))
	require.Equal(t, libraryReport{Path: "/lib/libllama4.so", Version: "0.1.0", ABI: 1}, r.Library)
	require.Equal(t, driverReport{Version: "580.65.06", CUDA: "13.0"}, r.Driver)
	require.Len(t, r.Devices, 4)
	cpu, second, simt := r.Devices[0], r.Devices[2], r.Devices[3]
	require.True(t, cpu.Usable)
	require.Equal(t, 4, cpu.Threads)
	busy := 37
	require.Equal(t, deviceStatus{
		Name: "cuda:1", Usable: true, Description: "NVIDIA H100", ISA: "sm_90", UUID: "GPU-1",
		MemoryTotal: 80 * gib, MemoryFree: 78 * gib, Utilization: &busy,
	}, second)
	require.Equal(t, deviceStatus{Name: "simt", Missing: []string{"no libllama4_simt.so: build it"}}, simt)

	text := runWith(t, machine(2, nil), "devices").stdout
	require.Contains(t, text, "library  0.1.0, ABI 1, /lib/libllama4.so\ndriver   NVIDIA 580.65.06, CUDA 13.0\n")
	require.Contains(t, text, "cuda:1   NVIDIA H100, sm_90, 78.0 GiB free of 80.0 GiB, 37% in use\n")
	require.Contains(t, text, "simt     cannot be used\n         missing: no libllama4_simt.so: build it\n")
}

func TestDevicesThatCannotBeUsed(t *testing.T) {
	missing := &bindings.Error{Op: "device_open", Code: bindings.ErrNoDevice, Message: "no libllama4_cuda.so: build it"}
	for name, row := range map[string]struct {
		app  *app
		want []string
	}{
		"no driver, no backend": {machine(-1, missing), []string{"no NVIDIA driver", missing.Message}},
		"no GPU":                {machine(0, missing), []string{"the driver sees no GPU", missing.Message}},
		"no backend":            {machine(1, missing), []string{missing.Message}},
		"lost":                  {machine(1, &bindings.Error{Op: "device_open", Code: bindings.ErrDeviceLost}), []string{"device lost"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := report(t, row.app).Devices[1]
			require.False(t, d.Usable)
			require.Len(t, d.Missing, len(row.want))
			for i, want := range row.want {
				require.Contains(t, d.Missing[i], want)
				require.NotContains(t, d.Missing[i], "\n")
			}
		})
	}
	a := machine(1, nil)
	a.library = func() (bindings.LibraryInfo, error) { return bindings.LibraryInfo{}, errors.New("looked\neverywhere") }
	r := report(t, a)
	require.Equal(t, "looked; everywhere", r.Library.Missing)
	for _, d := range r.Devices {
		require.False(t, d.Usable, d.Name)
	}
	require.Equal(t, "NVIDIA H100", r.Devices[1].Description, "what is known is told all the same")
}

// This machine, whatever it has.
func TestDevicesHere(t *testing.T) {
	r := report(t, newApp(nil, nil, nil))
	require.Equal(t, "cpu", r.Devices[0].Name)
	require.True(t, r.Devices[0].Usable)
	require.Positive(t, r.Devices[0].MemoryTotal)
	require.Equal(t, "simt", r.Devices[len(r.Devices)-1].Name)
	for _, d := range r.Devices {
		require.Equal(t, d.Usable, len(d.Missing) == 0, d.Name)
	}
}

// "auto" says so when it leaves a GPU idle.
func TestIdleGPU(t *testing.T) {
	missing := &bindings.Error{Op: "device_open", Code: bindings.ErrNoDevice, Message: "no libllama4_cuda.so"}
	o := runWith(t, machine(1, missing), "generate", "-n", "2", "hello")
	require.Zero(t, o.status)
	require.Contains(t, o.stderr, "llama4: warning: running on the CPU although there is a GPU (NVIDIA H100): device_open: no libllama4_cuda.so\n")
	for _, quiet := range []*app{machine(0, missing), machine(-1, missing)} {
		require.NotContains(t, runWith(t, quiet, "generate", "-n", "2", "hello").stderr, "warning")
	}
	require.NotContains(t, runWith(t, machine(1, missing), "generate", "--device", "cpu", "-n", "2", "hello").stderr, "warning")
}

func TestNVIDIAOnBus(t *testing.T) {
	bus := t.TempDir()
	require.False(t, nvidiaOnBus(bus))
	add := func(name, vendor, class string) {
		folder := filepath.Join(bus, name)
		require.NoError(t, os.Mkdir(folder, 0o700))
		write(t, folder, "vendor", vendor+"\n")
		write(t, folder, "class", class+"\n")
	}
	add("a", "0x8086", "0x030000") // another maker's display
	add("b", "0x10de", "0x040300") // its sound
	require.False(t, nvidiaOnBus(bus))
	add("c", "0x10de", "0x030200")
	require.True(t, nvidiaOnBus(bus))
}

func TestCPUModel(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "cpuinfo", "processor\t: 0\nmodel\t\t: 1\nmodel name\t: Some CPU @ 2.0 GHz\n")
	require.Equal(t, "Some CPU @ 2.0 GHz", cpuModel(filepath.Join(folder, "cpuinfo")))
	require.Empty(t, cpuModel(filepath.Join(folder, "nothing")))
}
