//go:build cuda

package cuinterop

/*
#include <stddef.h>

// In the archive that setup.sh makes; a program linked with a driver's own
// libcuda does without.
extern const char *llama4_cuda_problem(void) __attribute__((weak));

static const char *problem(void) {
  return llama4_cuda_problem ? llama4_cuda_problem() : "";
}
*/
import "C"

import (
	"errors"
	"fmt"

	"gorgonia.org/cu"
)

// ErrNoCUDA says that CUDA cannot be used here. The error that wraps it says why.
var ErrNoCUDA = errors.New("cuinterop: CUDA cannot be used")

// CheckDriver returns nil when CUDA has started and sees a GPU. Else the error
// wraps [ErrNoCUDA] and tells what to do.
func CheckDriver() error {
	if problem := C.GoString(C.problem()); problem != "" {
		return fmt.Errorf("%w: no driver: %s: install driver R580 or newer, or give the container its GPUs (docker run --gpus all)",
			ErrNoCUDA, problem)
	}
	n, err := cu.NumDevices()
	switch {
	case err != nil:
		return fmt.Errorf("%w: its driver does not start: %w: see whether nvidia-smi shows a GPU and what CUDA_VISIBLE_DEVICES says",
			ErrNoCUDA, err)
	case n == 0:
		return fmt.Errorf("%w: it sees no GPU: see whether nvidia-smi shows one and what CUDA_VISIBLE_DEVICES says", ErrNoCUDA)
	}
	return nil
}
