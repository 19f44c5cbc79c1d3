package optest

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// target is a device that operations are judged on.
type target struct {
	name   string
	device *bindings.Device
	info   bindings.Info
	act    bindings.DType // of the activations that every operation takes there
}

// cpuISAs are the instruction sets that a CPU may have, the best last.
var cpuISAs = []string{"baseline", "neon", "avx2", "avx512", "avx512bf16"}

// openTargets opens the devices of LLAMA4_TEST_DEVICES; without it the CPU, and
// the emulated GPU where it was built.
var openTargets = sync.OnceValues(func() ([]*target, error) {
	names := strings.FieldsFunc(os.Getenv("LLAMA4_TEST_DEVICES"), func(r rune) bool {
		return r == ',' || r == ' '
	})
	chosen := len(names) > 0
	if !chosen {
		names = []string{"cpu", "simt"}
		if testing.Short() {
			names = names[:1]
		}
	}
	var targets []*target
	for _, name := range names {
		more, err := openDevices(name)
		if errors.Is(err, bindings.ErrNoDevice) && !chosen {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("LLAMA4_TEST_DEVICES, %s: %w", name, err)
		}
		targets = append(targets, more...)
	}
	for _, target := range targets {
		var err error
		if target.info, err = target.device.Info(); err != nil {
			return nil, err
		}
		target.act = bindings.BF16
		if target.info.CPU() {
			target.act = bindings.F32
		}
	}
	return targets, nil
})

// openDevices opens a device, or the CPU with each instruction set that it has.
func openDevices(name string) ([]*target, error) {
	if name != "cpu" {
		device, err := bindings.Open(name, nil)
		return []*target{{name: name, device: device}}, err
	}
	var targets []*target
	for _, isa := range cpuISAs {
		// An odd number of threads, so that work is split unevenly.
		device, err := bindings.Open("cpu", &bindings.Options{Threads: 3, ISA: isa})
		if errors.Is(err, bindings.ErrUnsupported) {
			continue
		}
		if err != nil {
			return nil, err
		}
		targets = append(targets, &target{name: "cpu-" + isa, device: device})
	}
	if testing.Short() && len(targets) > 0 {
		targets = targets[len(targets)-1:]
	}
	return targets, nil
}

func targets(t testing.TB) []*target {
	t.Helper()
	list, err := openTargets()
	require.NoError(t, err)
	return list
}

// onTargets runs a test on every device.
func onTargets(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	onEach(t, targets(t), test)
}

// onCPU runs a test of what llama4.h promises of the CPU alone.
func onCPU(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	var list []*target
	for _, target := range targets(t) {
		if target.info.CPU() {
			list = append(list, target)
		}
	}
	onEach(t, list, test)
}

func onEach(t *testing.T, list []*target, test func(t *testing.T, r *rig)) {
	t.Helper()
	for _, target := range list {
		t.Run(target.name, func(t *testing.T) {
			r := newRig(t, target)
			test(t, r)
			r.verify()
		})
	}
}

func TestMain(m *testing.M) {
	code := m.Run()
	if list, err := openTargets(); err == nil {
		for _, target := range list {
			if err := target.device.Close(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}
	}
	os.Exit(code)
}
