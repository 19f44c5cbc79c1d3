package discover_test

import (
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/gpus"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"
	"github.com/stretchr/testify/require"
)

const gib = 1 << 30

// machine returns a simulated machine with driver R580, and its GPUs. go-nvml's
// simulation panics where a function was not given to it, so a test notices
// every call that the package should not have made.
func machine(t testing.TB, models ...gpus.Config) (*server.Server, []*server.Device) {
	t.Helper()
	s, err := server.New(server.WithGPUs(models...), server.WithDriverVersion("580.65.06"),
		server.WithNVMLVersion("13.580.65.06"), server.WithCUDADriverVersion(13000))
	require.NoError(t, err)
	devices := make([]*server.Device, len(s.Devices))
	for i := range s.Devices {
		devices[i] = s.Devices[i].(*server.Device)
		complete(devices[i])
	}
	return s, devices
}

// complete gives a simulated GPU what the simulation lacks.
func complete(d *server.Device) {
	d.MemoryInfo.Used = 2 * gib
	d.MemoryInfo.Free = d.MemoryInfo.Total - d.MemoryInfo.Used
	d.GetPciInfoFunc = func() (nvml.PciInfo, nvml.Return) {
		var info nvml.PciInfo
		for i, c := range []byte("0000" + d.PciBusID) {
			info.BusId[i] = int8(c)
		}
		return info, nvml.SUCCESS
	}
	d.GetUtilizationRatesFunc = func() (nvml.Utilization, nvml.Return) {
		return nvml.Utilization{Gpu: 37, Memory: 21}, nvml.SUCCESS
	}
	d.GetPowerUsageFunc = func() (uint32, nvml.Return) { return 123456, nvml.SUCCESS }
	d.GetClockInfoFunc = func(kind nvml.ClockType) (uint32, nvml.Return) {
		return map[nvml.ClockType]uint32{nvml.CLOCK_SM: 1410, nvml.CLOCK_MEM: 2619}[kind], nvml.SUCCESS
	}
	d.GetPerformanceStateFunc = func() (nvml.Pstates, nvml.Return) { return nvml.PSTATE_2, nvml.SUCCESS }
	d.GetEnforcedPowerLimitFunc = func() (uint32, nvml.Return) { return 700000, nvml.SUCCESS }
	d.GetMaxClockInfoFunc = func(kind nvml.ClockType) (uint32, nvml.Return) {
		return map[nvml.ClockType]uint32{nvml.CLOCK_SM: 1980}[kind], nvml.SUCCESS
	}
}

// split puts a simulated GPU into MIG mode with an instance of each free size;
// 0 leaves a hole in the numbers.
func split(d *server.Device, free ...uint64) {
	d.MigMode = nvml.DEVICE_MIG_ENABLE
	unsupported := func() (nvml.Utilization, nvml.Return) { return nvml.Utilization{}, nvml.ERROR_NOT_SUPPORTED }
	d.GetUtilizationRatesFunc = unsupported
	d.GetMaxMigDeviceCountFunc = func() (int, nvml.Return) { return 7, nvml.SUCCESS }
	d.GetMigDeviceHandleByIndexFunc = func(i int) (nvml.Device, nvml.Return) {
		if i >= len(free) || free[i] == 0 {
			return nil, nvml.ERROR_NOT_FOUND
		}
		return &mock.Device{
			GetUUIDFunc: func() (string, nvml.Return) { return "MIG-" + string(rune('a'+i)), nvml.SUCCESS },
			GetNameFunc: func() (string, nvml.Return) { return d.Config.Name + " MIG 3g.40gb", nvml.SUCCESS },
			GetMemoryInfoFunc: func() (nvml.Memory, nvml.Return) {
				return nvml.Memory{Total: 40 * gib, Free: free[i], Used: 40*gib - free[i]}, nvml.SUCCESS
			},
		}, nvml.SUCCESS
	}
}
