// Package discover tells which NVIDIA GPUs a machine has, how much of their
// memory is free and whether the driver can run this project's kernels.
//
// It asks the driver's management library, NVML, through
// github.com/NVIDIA/go-nvml, which opens libnvidia-ml.so.1 at run time: a
// program with this package builds and starts on machines without a GPU or a
// driver, and gets [ErrNoDriver] there, with one line that says what is missing
// and how to get it.
//
//	d := discover.Default()
//	defer func() { _ = d.Close() }()
//	machine, err := d.Snapshot()
//
// Nothing is allocated on a GPU and no CUDA context is made. A [Discoverer] made
// with [New] takes any nvml.Interface, such as the simulated machines under
// go-nvml's pkg/nvml/mock, so programs are tested without a GPU.
//
// # Linking
//
// go-nvml leaves the functions of NVML undefined in the program and relies on
// their being looked up when they are first called. A program that is linked
// with -z now, runs under LD_BIND_NOW or uses musl, which looks everything up at
// the start, does not start on a machine without a driver. With a compiler that
// passes -z now by itself, link lazily:
//
//	go build -ldflags '-extldflags=-Wl,-z,lazy'
//
// # Numbers of GPUs
//
// NVML counts GPUs in the order of their PCI bus, all that the driver sees. CUDA
// counts those that CUDA_VISIBLE_DEVICES leaves, and counts the fastest first
// unless CUDA_DEVICE_ORDER=PCI_BUS_ID is set. With several models in one machine
// [GPU.Index] is therefore not always the N of "cuda:N"; the UUID and the PCI bus
// id name the same GPU in both, [Snapshot.ByPCIBusID] finds it, and
// CUDA_VISIBLE_DEVICES accepts UUIDs.
//
// # Multi-Instance GPUs
//
// A GPU in MIG mode is used by instances, each with its own part of the memory,
// and CUDA gives one program one instance. [GPU.Instances] lists them, and
// [FitsIn] plans with the free memory of an instance, not of the whole GPU.
package discover
