package discover_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings/discover"
)

// libraryVariable names the driver library that the second process is to load.
const libraryVariable = "DISCOVER_TEST_LIBRARY"

// A driver library that lacks most of NVML: the process must live. It is another
// process, because functions bind to the first library for good.
func TestLibraryWithFewFunctions(t *testing.T) {
	if path := os.Getenv(libraryVariable); path != "" {
		d := discover.New(nvml.New(nvml.WithLibraryPath(path)))
		for range 2 {
			s, err := d.Snapshot()
			require.NoError(t, err)
			require.Equal(t, &discover.Snapshot{
				DriverVersion: "580.65.06",
				GPUs: []discover.GPU{{
					Name: "a GPU", UUID: "GPU-0", Memory: &discover.Memory{Total: 3000, Free: 2000, Used: 1000},
				}},
			}, s)
		}
		require.NoError(t, d.Close())
		return
	}
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler to make a driver library with: ", err)
	}
	library := filepath.Join(t.TempDir(), "libnvidia-ml.so.1")
	out, err := exec.Command(compiler, "-shared", "-fPIC", "-o", library, filepath.Join("testdata", "nvml.c")).CombinedOutput()
	require.NoError(t, err, string(out))
	again := exec.Command(os.Args[0], "-test.run=^TestLibraryWithFewFunctions$", "-test.v")
	again.Env = append(os.Environ(), libraryVariable+"="+library)
	out, err = again.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "--- PASS: TestLibraryWithFewFunctions")
}
