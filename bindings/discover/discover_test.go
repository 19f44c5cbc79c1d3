package discover_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxa100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxh100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/gpus"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"
	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings/discover"
)

func snapshot(t *testing.T, api nvml.Interface) *discover.Snapshot {
	t.Helper()
	d := discover.New(api)
	s, err := d.Snapshot()
	require.NoError(t, err)
	require.NoError(t, d.Close())
	return s
}

func TestSnapshot(t *testing.T) {
	api, devices := machine(t, gpus.H100_SXM5_80GB, gpus.A100_SXM4_40GB)
	s := snapshot(t, api)
	require.Equal(t, &discover.Snapshot{
		DriverVersion: "580.65.06",
		CUDAVersion:   discover.Version{Major: 13},
		GPUs: []discover.GPU{{
			Index: 0, Name: "NVIDIA H100 80GB HBM3", UUID: devices[0].UUID, PCIBusID: "00000000:00:00.0",
			ComputeCapability: discover.Version{Major: 9},
			Memory:            &discover.Memory{Total: 80 * gib, Free: 78 * gib, Used: 2 * gib},
			Utilization:       &discover.Utilization{GPU: 37, Memory: 21},
			PowerWatts:        123.456, ClockMHz: 1410, MaxClockMHz: 1980,
			MemoryClockMHz: 2619, PowerState: "P2", PowerLimitWatts: 700,
		}, {
			Index: 1, Name: "Mock NVIDIA A100-SXM4-40GB", UUID: devices[1].UUID, PCIBusID: "00000000:01:00.0",
			ComputeCapability: discover.Version{Major: 8},
			Memory:            &discover.Memory{Total: 40 * gib, Free: 38 * gib, Used: 2 * gib},
			Utilization:       &discover.Utilization{GPU: 37, Memory: 21},
			PowerWatts:        123.456, ClockMHz: 1410, MaxClockMHz: 1980,
			MemoryClockMHz: 2619, PowerState: "P2", PowerLimitWatts: 700,
		}},
	}, s)
	require.Len(t, api.InitCalls(), 1)
	require.Len(t, api.ShutdownCalls(), 1)
}

// A whole simulated DGX, as go-nvml has it.
func TestSnapshotOfDGX(t *testing.T) {
	for name, api := range map[string]*server.Server{"H100": dgxh100.New(), "A100": dgxa100.New()} {
		t.Run(name, func(t *testing.T) {
			for _, d := range api.Devices {
				complete(d.(*server.Device))
			}
			s := snapshot(t, api)
			require.Len(t, s.GPUs, 8)
			for i, g := range s.GPUs {
				require.Equal(t, i, g.Index)
				require.Contains(t, g.Name, name)
			}
			require.Len(t, s.Warnings, 1) // both have driver R550
			require.Contains(t, s.Warnings[0], "550.54.15")
		})
	}
}

// refusing is NVML that answers Init with ret and panics at every other call,
// as the real one ends the process.
func refusing(ret nvml.Return) *mock.Interface {
	return &mock.Interface{InitFunc: func() nvml.Return { return ret }}
}

func TestNothingIsCalledAfterFailedInit(t *testing.T) {
	tests := []struct {
		ret      nvml.Return
		noDriver bool
		message  string
	}{
		{nvml.ERROR_LIBRARY_NOT_FOUND, true, "libnvidia-ml.so.1 is not found: install driver R580"},
		{nvml.ERROR_DRIVER_NOT_LOADED, true, "modprobe nvidia"},
		{nvml.ERROR_LIB_RM_VERSION_MISMATCH, true, "reboot"},
		{nvml.ERROR_NO_PERMISSION, true, "/dev/nvidiactl"},
		{nvml.ERROR_UNKNOWN, false, "nvidia-smi"},
	}
	for _, test := range tests {
		t.Run(test.ret.Error(), func(t *testing.T) {
			api := refusing(test.ret)
			d := discover.New(api)
			for range 2 {
				s, err := d.Snapshot()
				require.Nil(t, s)
				require.ErrorContains(t, err, test.message)
				require.NotContains(t, err.Error(), "\n")
				require.Equal(t, test.noDriver, errors.Is(err, discover.ErrNoDriver))
				require.ErrorIs(t, err, test.ret)
			}
			require.NoError(t, d.Close())
			require.Len(t, api.InitCalls(), 1)
		})
	}
}

func TestNothingIsCalledBeforeUseOrAfterClose(t *testing.T) {
	d := discover.New(&mock.Interface{})
	require.NoError(t, d.Close())
	_, err := d.Snapshot()
	require.ErrorIs(t, err, discover.ErrClosed)

	api, _ := machine(t, gpus.H100_SXM5_80GB)
	d = discover.New(api)
	_, err = d.Snapshot()
	require.NoError(t, err)
	require.NoError(t, d.Close())
	require.NoError(t, d.Close())
	_, err = d.Snapshot()
	require.ErrorIs(t, err, discover.ErrClosed)
	require.Len(t, api.InitCalls(), 1)
	require.Len(t, api.ShutdownCalls(), 1)
}

func TestCloseReportsFailedShutdown(t *testing.T) {
	api, _ := machine(t)
	api.ShutdownFunc = func() nvml.Return { return nvml.ERROR_UNKNOWN }
	d := discover.New(api)
	_, err := d.Snapshot()
	require.NoError(t, err)
	require.ErrorIs(t, d.Close(), nvml.ERROR_UNKNOWN)
}

// without makes the library lack functions, and panic when they are called.
func without(api *server.Server, symbols ...string) {
	api.LookupSymbolFunc = func(symbol string) error {
		for _, s := range symbols {
			if s == symbol {
				return errors.New("not found")
			}
		}
		return nil
	}
}

func TestFunctionsThatTheLibraryLacksAreNotCalled(t *testing.T) {
	api, devices := machine(t, gpus.H100_SXM5_80GB)
	without(api, "nvmlSystemGetCudaDriverVersion", "nvmlDeviceGetPciInfo", "nvmlDeviceGetCudaComputeCapability",
		"nvmlDeviceGetMemoryInfo", "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetPowerUsage",
		"nvmlDeviceGetClockInfo", "nvmlDeviceGetMaxClockInfo", "nvmlDeviceGetMigMode",
		"nvmlDeviceGetPerformanceState", "nvmlDeviceGetEnforcedPowerLimit")
	api.SystemGetCudaDriverVersionFunc = nil
	d := devices[0]
	d.GetPciInfoFunc, d.GetCudaComputeCapabilityFunc, d.GetMemoryInfoFunc = nil, nil, nil
	d.GetUtilizationRatesFunc, d.GetPowerUsageFunc = nil, nil
	d.GetClockInfoFunc, d.GetMaxClockInfoFunc, d.GetMigModeFunc = nil, nil, nil
	d.GetPerformanceStateFunc, d.GetEnforcedPowerLimitFunc = nil, nil
	s := snapshot(t, api)
	require.Equal(t, []discover.GPU{{Name: "NVIDIA H100 80GB HBM3", UUID: d.UUID}}, s.GPUs)
	require.Zero(t, s.CUDAVersion)
	require.Empty(t, s.Warnings)
}

func TestLibraryThatCannotListGPUs(t *testing.T) {
	api, _ := machine(t, gpus.H100_SXM5_80GB)
	without(api, "nvmlDeviceGetUUID")
	api.DeviceGetCountFunc = nil
	d := discover.New(api)
	for range 2 {
		_, err := d.Snapshot()
		require.ErrorIs(t, err, discover.ErrDriverTooOld)
		require.ErrorContains(t, err, "nvmlDeviceGetUUID")
	}
	require.NoError(t, d.Close())
	require.Len(t, api.ShutdownCalls(), 1)
}

func TestUnsupportedValuesStayUnknown(t *testing.T) {
	api, devices := machine(t, gpus.H100_SXM5_80GB)
	d := devices[0]
	d.GetMemoryInfoFunc = func() (nvml.Memory, nvml.Return) { return nvml.Memory{}, nvml.ERROR_NOT_SUPPORTED }
	d.GetUtilizationRatesFunc = func() (nvml.Utilization, nvml.Return) { return nvml.Utilization{}, nvml.ERROR_NOT_SUPPORTED }
	d.GetPowerUsageFunc = func() (uint32, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED }
	d.GetPerformanceStateFunc = func() (nvml.Pstates, nvml.Return) { return nvml.PSTATE_UNKNOWN, nvml.SUCCESS }
	d.GetEnforcedPowerLimitFunc = func() (uint32, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED }
	d.GetMigModeFunc = func() (int, int, nvml.Return) { return 0, 0, nvml.ERROR_NOT_SUPPORTED }
	s := snapshot(t, api)
	require.Len(t, s.GPUs, 1)
	require.Nil(t, s.GPUs[0].Memory)
	require.Nil(t, s.GPUs[0].Utilization)
	require.Zero(t, s.GPUs[0].PowerWatts)
	require.Empty(t, s.GPUs[0].PowerState)
	require.Zero(t, s.GPUs[0].PowerLimitWatts)
	require.False(t, s.GPUs[0].MIG)
}

func TestGPUThatCannotBeReadIsLeftOut(t *testing.T) {
	tests := []struct {
		ret     nvml.Return
		message string
	}{
		{nvml.ERROR_GPU_IS_LOST, "fell off the bus"},
		{nvml.ERROR_NO_PERMISSION, "/dev/nvidia1"},
		{nvml.ERROR_INSUFFICIENT_POWER, "power cables"},
		{nvml.ERROR_UNKNOWN, "nvidia-smi"},
	}
	for _, test := range tests {
		t.Run(test.ret.Error(), func(t *testing.T) {
			api, devices := machine(t, gpus.Multiple(3, gpus.H100_SXM5_80GB)...)
			devices[1].GetNameFunc = func() (string, nvml.Return) { return "", test.ret }
			s := snapshot(t, api)
			require.Len(t, s.GPUs, 2)
			require.Equal(t, 2, s.GPUs[1].Index)
			require.Len(t, s.Warnings, 1)
			require.Contains(t, s.Warnings[0], "GPU 1 ")
			require.Contains(t, s.Warnings[0], test.message)
		})
	}
}

func TestFailedCalls(t *testing.T) {
	api, _ := machine(t)
	api.DeviceGetCountFunc = func() (int, nvml.Return) { return 0, nvml.ERROR_TIMEOUT }
	_, err := discover.New(api).Snapshot()
	require.ErrorIs(t, err, nvml.ERROR_TIMEOUT)
	require.ErrorContains(t, err, "the number of GPUs")

	api, _ = machine(t)
	api.SystemGetDriverVersionFunc = func() (string, nvml.Return) { return "", nvml.ERROR_TIMEOUT }
	_, err = discover.New(api).Snapshot()
	require.ErrorIs(t, err, nvml.ERROR_TIMEOUT)
}

func TestMIG(t *testing.T) {
	api, devices := machine(t, gpus.H100_SXM5_80GB, gpus.H100_SXM5_80GB)
	split(devices[0], 30*gib, 0, 39*gib)
	split(devices[1])
	s := snapshot(t, api)
	require.True(t, s.GPUs[0].MIG)
	require.Nil(t, s.GPUs[0].Utilization)
	require.Equal(t, []discover.Instance{
		{Name: "NVIDIA H100 80GB HBM3 MIG 3g.40gb", UUID: "MIG-a", Memory: &discover.Memory{Total: 40 * gib, Free: 30 * gib, Used: 10 * gib}},
		{Name: "NVIDIA H100 80GB HBM3 MIG 3g.40gb", UUID: "MIG-c", Memory: &discover.Memory{Total: 40 * gib, Free: 39 * gib, Used: 1 * gib}},
	}, s.GPUs[0].Instances)
	require.True(t, s.GPUs[1].MIG)
	require.Empty(t, s.GPUs[1].Instances)
	require.Len(t, s.Warnings, 1)
	require.Contains(t, s.Warnings[0], "GPU 1 is in MIG mode without an instance")
}

func TestCheckDriver(t *testing.T) {
	tests := []struct {
		name, driver string
		cuda         discover.Version
		message      string // "": new enough
	}{
		{"new", "580.65.06", discover.Version{Major: 13}, ""},
		{"newer", "610.10", discover.Version{Major: 14, Minor: 2}, ""},
		{"old", "575.57.08", discover.Version{Major: 12, Minor: 9}, "it is 575.57.08 (CUDA 12.9), and CUDA 13.0 needs R580 or newer"},
		{"old with a compatibility package", "535.54.03", discover.Version{Major: 13}, ""},
		{"new with an older CUDA library", "580.65.06", discover.Version{Major: 12, Minor: 9}, "it is 580.65.06 (CUDA 12.9)"},
		{"old, CUDA unknown", "535.54.03", discover.Version{}, "it is 535.54.03, and CUDA 13.0 needs R580"},
		{"new, CUDA unknown", "580.65.06", discover.Version{}, ""},
		{"all unknown", "", discover.Version{}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := discover.Snapshot{DriverVersion: test.driver, CUDAVersion: test.cuda}
			err := s.CheckDriver()
			if test.message == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, discover.ErrDriverTooOld)
			require.ErrorContains(t, err, test.message)
		})
	}
}

func TestJSON(t *testing.T) {
	api, devices := machine(t, gpus.H100_SXM5_80GB)
	devices[0].UUID = "GPU-0"
	got, err := json.Marshal(snapshot(t, api))
	require.NoError(t, err)
	require.JSONEq(t, `{"driver_version":"580.65.06","cuda_version":"13.0","gpus":[{"index":0,
		"name":"NVIDIA H100 80GB HBM3","uuid":"GPU-0","pci_bus_id":"00000000:00:00.0","compute_capability":"9.0",
		"memory":{"total":85899345920,"free":83751862272,"used":2147483648},"utilization":{"gpu":37,"memory":21},
		"power_watts":123.456,"clock_mhz":1410,"max_clock_mhz":1980,"memory_clock_mhz":2619,"power_state":"P2",
		"power_limit_watts":700}]}`, string(got))
}

// The real library: without a driver an error and a living process, with one a
// sound answer.
func TestDefault(t *testing.T) {
	d := discover.Default()
	s, err := d.Snapshot()
	if err != nil {
		require.ErrorIs(t, err, discover.ErrNoDriver)
		require.NotContains(t, err.Error(), "\n")
		_, again := d.Snapshot()
		require.Equal(t, err, again)
		require.NoError(t, d.Close())
		return
	}
	require.NotEmpty(t, s.DriverVersion)
	for _, g := range s.GPUs {
		require.NotEmpty(t, g.Name)
		require.NotEmpty(t, g.UUID)
		if g.Memory != nil {
			require.LessOrEqual(t, g.Memory.Free, g.Memory.Total)
		}
		t.Logf("%+v", g)
	}
	require.NoError(t, d.Close())
}

// CUDA and the driver number GPUs differently; the place on the bus joins them.
func TestByPCIBusID(t *testing.T) {
	s := &discover.Snapshot{GPUs: []discover.GPU{
		{Index: 0, PCIBusID: "00000000:17:00.0"}, {Index: 1, PCIBusID: "00000000:C1:00.0"},
		{Index: 2, PCIBusID: "00010000:C1:00.0"}, {Index: 3},
	}}
	for id, want := range map[string]int{
		"00000000:C1:00.0": 1, "0000:C1:00.0": 1, "0000:c1:00.0": 1, "00000000:17:00.0": 0, "00010000:C1:00.0": 2,
	} {
		require.Equal(t, want, s.ByPCIBusID(id).Index, id)
	}
	for _, id := range []string{"", "0000:18:00.0", "GPU-0", "0000:C1"} {
		require.Nil(t, s.ByPCIBusID(id), id)
	}
}
