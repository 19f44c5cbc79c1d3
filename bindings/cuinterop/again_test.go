//go:build cuda

package cuinterop_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// againVariable names the test that a second process is to run.
const againVariable = "CUINTEROP_TEST"

// driver is a folder with a libcuda.so.1 for a second process.
type driver string

const (
	simulated driver = "simulated" // the library of testdata/cuda.c
	broken    driver = "broken"    // a file that is no library: as good as no driver
)

// again runs body in another process, because the driver's library is opened
// when a process starts. There it is the one of with, and libllama4 is that of
// testdata. The environment's additions are "NAME=value".
func again(t *testing.T, with driver, body func(t *testing.T), environment ...string) {
	t.Helper()
	if os.Getenv(againVariable) == t.Name() {
		body(t)
		return
	}
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("no C compiler to make libraries with: ", err)
	}
	folder, err := libraries()
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), againVariable+"="+t.Name(),
		"LD_LIBRARY_PATH="+filepath.Join(folder, string(with)),
		"LLAMA4_LIB="+filepath.Join(folder, "libllama4.so"))
	cmd.Env = append(cmd.Env, environment...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "--- PASS: "+t.Name())
}

// temporary is where libraries are made.
var temporary string

func TestMain(m *testing.M) {
	var err error
	if temporary, err = os.MkdirTemp("", "cuinterop"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(temporary) // whatever is left is in the system's folder for it
	os.Exit(code)
}

// libraries makes the libraries of testdata, once.
var libraries = sync.OnceValues(func() (string, error) {
	for _, folder := range []driver{simulated, broken} {
		if err := os.Mkdir(filepath.Join(temporary, string(folder)), 0o700); err != nil {
			return "", err
		}
	}
	notALibrary := filepath.Join(temporary, string(broken), "libcuda.so.1")
	if err := os.WriteFile(notALibrary, []byte("not a library"), 0o600); err != nil {
		return "", err
	}
	if err := compile("cuda.c", filepath.Join(temporary, string(simulated), "libcuda.so.1")); err != nil {
		return "", err
	}
	return temporary, compile("llama4.c", filepath.Join(temporary, "libllama4.so"))
})

// compile makes a library of a file of testdata.
func compile(source, library string) error {
	out, err := exec.Command("cc", "-shared", "-fPIC", "-I"+filepath.Join("..", "..", "csrc"),
		"-o", library, filepath.Join("testdata", source), "-lm").CombinedOutput()
	if err != nil {
		return fmt.Errorf("compiling %s: %w\n%s", source, err, out)
	}
	return nil
}
