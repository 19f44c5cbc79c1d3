package bindings

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// backendFile is what the library of the GPU's backend is called.
const backendFile = "libllama4_cuda.so"

// A backend that is there and will not do is not one that is absent.
func TestBackendThatWillNotDo(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("backends are built on Linux")
	}
	junk := filepath.Join(t.TempDir(), "junk")
	require.NoError(t, os.WriteFile(junk, []byte("junk"), 0o644))
	for _, tt := range []struct{ name, library, want string }{
		{"of other sources", compile(t, "backend.c"), "build both from the same sources"},
		{"not a backend", compile(t, "foreign.c"), "build both from the same sources"},
		{"not a library", junk, backendFile},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			require.NoError(t, os.Rename(tt.library, filepath.Join(folder, backendFile)))
			t.Setenv("LLAMA4_BACKENDS", folder)
			_, err := Open("cuda", nil)
			require.ErrorIs(t, err, ErrUnsupported)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// Nor is it passed over for a good one that would be found later.
func TestBrokenBackendBeforeGoodOne(t *testing.T) {
	if os.Getenv("LLAMA4_TEST_CHILD") != "" {
		_, err := Open("simt", nil)
		require.ErrorIs(t, err, ErrUnsupported)
		require.ErrorContains(t, err, filepath.Join(os.Getenv("LLAMA4_BACKENDS"), "libllama4_simt.so"))
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("backends are built on Linux")
	}
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "libllama4_simt.so"), []byte("junk"), 0o644))
	again(t, "LLAMA4_BACKENDS="+folder)
}

// again runs a test in a process of its own.
func again(t *testing.T, env ...string) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	child.Env = append(append(os.Environ(), "LLAMA4_TEST_CHILD=1"), env...)
	out, err := child.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// So it is on the loader's own path, which a process has from its start.
func TestBackendOnLoaderPath(t *testing.T) {
	if os.Getenv("LLAMA4_TEST_CHILD") != "" {
		_, err := Open("cuda", nil)
		require.ErrorIs(t, err, ErrUnsupported)
		require.ErrorContains(t, err, backendFile)
		return
	}
	info, err := Library()
	require.NoError(t, err)
	if runtime.GOOS != "linux" || fileExists(filepath.Join(filepath.Dir(info.Path), backendFile)) {
		t.Skip("there is a backend that works, or none is built here")
	}
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, backendFile), []byte("junk"), 0o644))
	again(t, "LD_LIBRARY_PATH="+folder)
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
