package discover_test

import (
	"errors"
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxh100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"

	"github.com/llama4go/llama4go/bindings/discover"
)

// List the GPUs of this machine.
func Example() {
	d := discover.Default()
	defer func() { _ = d.Close() }()
	machine, err := d.Snapshot()
	if errors.Is(err, discover.ErrNoDriver) {
		fmt.Println("no GPU here:", err)
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, g := range machine.GPUs {
		fmt.Println(g.Index, g.Name, g.ComputeCapability, g.UUID)
	}
	for _, w := range machine.Warnings {
		fmt.Println("warning:", w)
	}
}

// A simulated machine takes the place of the driver.
func ExampleNew() {
	dgx := dgxh100.New()
	for _, gpu := range dgx.Devices {
		complete(gpu.(*server.Device)) // what the simulation leaves out
	}
	d := discover.New(dgx)
	defer func() { _ = d.Close() }()
	machine, err := d.Snapshot()
	if err != nil {
		fmt.Println(err)
		return
	}
	first := machine.GPUs[0]
	fmt.Println(len(machine.GPUs), "GPUs, the first a", first.Name, "of compute capability", first.ComputeCapability)
	fmt.Println("driver", machine.DriverVersion, "serves CUDA", machine.CUDAVersion)
	fmt.Println(machine.CheckDriver())
	// Output:
	// 8 GPUs, the first a NVIDIA H100 80GB HBM3 of compute capability 9.0
	// driver 550.54.15 serves CUDA 12.4
	// the NVIDIA driver is too old: it is 550.54.15 (CUDA 12.4), and CUDA 13.0 needs R580 or newer: update the driver
}

// Choose a GPU for a model of a known size.
func ExampleFitsIn() {
	const gib = 1 << 30
	gpus := []discover.GPU{
		{Index: 0, Name: "RTX 4090", UUID: "GPU-a", Memory: &discover.Memory{Total: 24 * gib, Free: 22 * gib}},
		{Index: 1, Name: "H100", UUID: "GPU-b", Memory: &discover.Memory{Total: 80 * gib, Free: 79 * gib}},
	}
	for _, need := range []uint64{61 * gib, 108 * gib} {
		places, err := discover.FitsIn(gpus, need)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println("GPU", places[0].GPU, "with", places[0].Free/gib, "GiB free")
	}
	// Output:
	// GPU 1 with 79 GiB free
	// no GPU has enough free memory: needs 108.0 GiB, the largest free is 79.0 GiB on GPU 1 (H100, 80.0 GiB in all): none here is that large, even empty: use a shorter context, quantized weights or the CPU
}
