package discover

import (
	"errors"
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// GPU is one GPU and its state.
type GPU struct {
	// Index is NVML's number, as nvidia-smi shows it; see the package's text on
	// how it differs from CUDA's.
	Index int    `json:"index"`
	Name  string `json:"name"`
	// UUID names the GPU for good ("GPU-..."); CUDA_VISIBLE_DEVICES accepts it.
	UUID string `json:"uuid"`
	// PCIBusID is "00000000:C1:00.0", say; empty if unknown.
	PCIBusID          string  `json:"pci_bus_id,omitempty"`
	ComputeCapability Version `json:"compute_capability"`
	// Memory is nil where the driver does not tell, as on chips that share the
	// memory of the host.
	Memory *Memory `json:"memory,omitempty"`
	// Utilization is nil where the driver does not tell, as in MIG mode.
	Utilization *Utilization `json:"utilization,omitempty"`
	PowerWatts  float64      `json:"power_watts,omitempty"`   // drawn now; 0 if unknown
	ClockMHz    int          `json:"clock_mhz,omitempty"`     // of the SMs now; 0 if unknown
	MaxClockMHz int          `json:"max_clock_mhz,omitempty"` // of the SMs; 0 if unknown
	// MemoryClockMHz is that of the memory now; 0 if unknown.
	MemoryClockMHz int `json:"memory_clock_mhz,omitempty"`
	// PowerState is "P0", the fastest, to "P15"; empty if unknown.
	PowerState string `json:"power_state,omitempty"`
	// PowerLimitWatts is what the GPU keeps below by lowering its clocks; 0 if
	// unknown.
	PowerLimitWatts float64 `json:"power_limit_watts,omitempty"`
	// MIG says that the GPU is in MIG mode: only its Instances can be used.
	MIG       bool       `json:"mig,omitempty"`
	Instances []Instance `json:"instances,omitempty"`
}

// Memory is in bytes. Used includes what the driver keeps for itself.
type Memory struct {
	Total uint64 `json:"total"`
	Free  uint64 `json:"free"`
	Used  uint64 `json:"used"`
}

// Utilization is in percent of the time of the driver's last sampling period.
type Utilization struct {
	GPU    int `json:"gpu"`    // at least one kernel ran
	Memory int `json:"memory"` // device memory was read or written
}

// Instance is one MIG instance of a GPU.
type Instance struct {
	Name string `json:"name"`
	// UUID names the instance ("MIG-..."); CUDA_VISIBLE_DEVICES accepts it.
	UUID   string  `json:"uuid"`
	Memory *Memory `json:"memory,omitempty"` // nil if unknown
}

// readGPUs fills s.GPUs, and s.Warnings with what it had to leave out.
func (d *Discoverer) readGPUs(s *Snapshot) error {
	count, ret := d.api.DeviceGetCount()
	if ret != nvml.SUCCESS {
		return callError("the number of GPUs", ret)
	}
	s.GPUs = make([]GPU, 0, count)
	for i := range count {
		gpu, err := d.readGPU(i)
		if err != nil {
			s.Warnings = append(s.Warnings, err.Error())
			continue
		}
		if gpu.MIG && len(gpu.Instances) == 0 {
			s.Warnings = append(s.Warnings, fmt.Sprintf("GPU %d is in MIG mode without an instance, so no program can use it: "+
				"create one (nvidia-smi mig -i %d -cgi PROFILE -C) or end MIG mode (nvidia-smi -i %d -mig 0)", i, i, i))
		}
		s.GPUs = append(s.GPUs, gpu)
	}
	return nil
}

// readGPU reads GPU i. It fails only where the GPU has no handle or no name:
// everything else may be unknown.
func (d *Discoverer) readGPU(i int) (GPU, error) {
	gpu := GPU{Index: i}
	handle, ret := d.api.DeviceGetHandleByIndex(i)
	if ret != nvml.SUCCESS {
		return gpu, gpuError(i, ret)
	}
	if gpu.Name, ret = handle.GetName(); ret != nvml.SUCCESS {
		return gpu, gpuError(i, ret)
	}
	if gpu.UUID, ret = handle.GetUUID(); ret != nvml.SUCCESS {
		return gpu, gpuError(i, ret)
	}
	if d.lookup("nvmlDeviceGetPciInfo") {
		if pci, ret := handle.GetPciInfo(); ret == nvml.SUCCESS {
			gpu.PCIBusID = text(pci.BusId[:])
		}
	}
	if d.lookup("nvmlDeviceGetCudaComputeCapability") {
		if major, minor, ret := handle.GetCudaComputeCapability(); ret == nvml.SUCCESS {
			gpu.ComputeCapability = Version{Major: major, Minor: minor}
		}
	}
	gpu.Memory = d.readMemory(handle)
	d.readLoad(handle, &gpu)
	d.readInstances(handle, &gpu)
	return gpu, nil
}

// gpuError words why a GPU is left out.
func gpuError(i int, ret nvml.Return) error {
	var problem string
	switch {
	case errors.Is(ret, nvml.ERROR_GPU_IS_LOST):
		problem = "it fell off the bus: look for Xid lines in the kernel's log, and reboot"
	case errors.Is(ret, nvml.ERROR_NO_PERMISSION):
		problem = fmt.Sprintf("this user may not open /dev/nvidia%d", i)
	case errors.Is(ret, nvml.ERROR_INSUFFICIENT_POWER):
		problem = "its power cables are not plugged in"
	default:
		problem = "see whether nvidia-smi shows it"
	}
	return fmt.Errorf("GPU %d cannot be used: %w: %s", i, ret, problem)
}

func (d *Discoverer) readMemory(handle nvml.Device) *Memory {
	if !d.lookup("nvmlDeviceGetMemoryInfo") {
		return nil
	}
	m, ret := handle.GetMemoryInfo()
	if ret != nvml.SUCCESS {
		return nil
	}
	return &Memory{Total: m.Total, Free: m.Free, Used: m.Used}
}

// readLoad reads what changes with the work on the GPU, memory aside.
func (d *Discoverer) readLoad(handle nvml.Device, gpu *GPU) {
	if d.lookup("nvmlDeviceGetUtilizationRates") {
		if u, ret := handle.GetUtilizationRates(); ret == nvml.SUCCESS {
			gpu.Utilization = &Utilization{GPU: int(u.Gpu), Memory: int(u.Memory)}
		}
	}
	if d.lookup("nvmlDeviceGetPowerUsage") {
		if milliwatts, ret := handle.GetPowerUsage(); ret == nvml.SUCCESS {
			gpu.PowerWatts = float64(milliwatts) / 1000
		}
	}
	if d.lookup("nvmlDeviceGetClockInfo") {
		if mhz, ret := handle.GetClockInfo(nvml.CLOCK_SM); ret == nvml.SUCCESS {
			gpu.ClockMHz = int(mhz)
		}
		if mhz, ret := handle.GetClockInfo(nvml.CLOCK_MEM); ret == nvml.SUCCESS {
			gpu.MemoryClockMHz = int(mhz)
		}
	}
	if d.lookup("nvmlDeviceGetMaxClockInfo") {
		if mhz, ret := handle.GetMaxClockInfo(nvml.CLOCK_SM); ret == nvml.SUCCESS {
			gpu.MaxClockMHz = int(mhz)
		}
	}
	if d.lookup("nvmlDeviceGetPerformanceState") {
		if state, ret := handle.GetPerformanceState(); ret == nvml.SUCCESS && state <= nvml.PSTATE_15 {
			gpu.PowerState = fmt.Sprintf("P%d", state)
		}
	}
	if d.lookup("nvmlDeviceGetEnforcedPowerLimit") {
		if milliwatts, ret := handle.GetEnforcedPowerLimit(); ret == nvml.SUCCESS {
			gpu.PowerLimitWatts = float64(milliwatts) / 1000
		}
	}
}

// readInstances lists the MIG instances. Instance numbers may have holes, and
// an instance that cannot be read is as good as none.
func (d *Discoverer) readInstances(handle nvml.Device, gpu *GPU) {
	for _, symbol := range []string{"nvmlDeviceGetMigMode", "nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetMigDeviceHandleByIndex"} {
		if !d.lookup(symbol) {
			return
		}
	}
	mode, _, ret := handle.GetMigMode()
	if ret != nvml.SUCCESS || mode != nvml.DEVICE_MIG_ENABLE {
		return
	}
	gpu.MIG = true
	count, ret := handle.GetMaxMigDeviceCount()
	if ret != nvml.SUCCESS {
		return
	}
	for i := range count {
		mig, ret := handle.GetMigDeviceHandleByIndex(i)
		if ret != nvml.SUCCESS {
			continue
		}
		uuid, ret := mig.GetUUID()
		if ret != nvml.SUCCESS {
			continue
		}
		name, ret := mig.GetName()
		if ret != nvml.SUCCESS {
			name = gpu.Name + " MIG"
		}
		gpu.Instances = append(gpu.Instances, Instance{Name: name, UUID: uuid, Memory: d.readMemory(mig)})
	}
}

// text converts a NUL-terminated C string.
func text(c []int8) string {
	b := make([]byte, 0, len(c))
	for _, x := range c {
		if x == 0 {
			break
		}
		b = append(b, byte(x))
	}
	return string(b)
}
