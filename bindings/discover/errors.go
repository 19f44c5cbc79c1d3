package discover

import (
	"errors"
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

var (
	// ErrNoDriver says that there is no working NVIDIA driver here. The error
	// that wraps it says what is missing and how to get it.
	ErrNoDriver = errors.New("no NVIDIA driver")
	// ErrDriverTooOld says that the driver serves an older CUDA than [MinCUDA].
	ErrDriverTooOld = errors.New("the NVIDIA driver is too old")
	// ErrClosed says that the Discoverer was closed before the call.
	ErrClosed = errors.New("discover: the Discoverer is closed")
	// ErrNoFit says that no GPU has the free memory asked for.
	ErrNoFit = errors.New("no GPU has enough free memory")
)

// initError words a failed nvmlInit: what is missing and how to get it.
func initError(ret nvml.Return) error {
	var problem string
	switch ret {
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		problem = fmt.Sprintf("its library libnvidia-ml.so.1 is not found: install driver R%d or newer, "+
			"or give the container its GPUs (docker run --gpus all)", MinDriver)
	case nvml.ERROR_DRIVER_NOT_LOADED:
		problem = "its libraries are here but its kernel module is not loaded: run `modprobe nvidia`, or reboot after an installation"
	case nvml.ERROR_LIB_RM_VERSION_MISMATCH:
		problem = "its kernel module and its libraries have different versions: reboot to load the module that was installed last"
	case nvml.ERROR_NO_PERMISSION:
		problem = "this user may not open /dev/nvidiactl: check its permissions, or join the group that has them"
	default:
		return fmt.Errorf("discover: starting NVML: %w (code %d): see whether nvidia-smi works", ret, int(ret))
	}
	return fmt.Errorf("discover: %w: %s (%w)", ErrNoDriver, problem, ret)
}

// missingError words a driver library that lacks functions of NVML without
// which nothing can be listed. Calling one would end the process.
func missingError(symbol string) error {
	return fmt.Errorf("discover: %w: its libnvidia-ml.so.1 lacks %s: install driver R%d or newer",
		ErrDriverTooOld, symbol, MinDriver)
}

// callError words a failed NVML call.
func callError(what string, ret nvml.Return) error {
	return fmt.Errorf("discover: reading %s: %w: see whether nvidia-smi works", what, ret)
}
