package bindings

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What only a C caller can get wrong: null pointers, shapes whose size wraps, and
// size fields, which the bindings always set.
func TestSizeFields(t *testing.T) {
	info, err := Library()
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "sizes")
	args := []string{"-o", program, filepath.Join("testdata", "sizes.c")}
	if runtime.GOOS == "linux" {
		args = append(args, "-ldl")
	}
	build(t, args...)
	out, err := exec.Command(program, info.Path).Output()
	require.NoError(t, err)

	lines := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		require.Len(t, f, 4, line)
		lines[f[0]] = f[1:]
	}
	invalid := func(name, op, message string) {
		t.Helper()
		require.Contains(t, lines, name)
		require.Equal(t, "1", lines[name][0], "%s: %v", name, lines[name])
		require.Equal(t, op, lines[name][1], name)
		require.Contains(t, lines[name][2], message, name)
	}
	for _, op := range operations() {
		invalid(op+" null", op, "args")
		invalid(op+" no stream", op, "stream")
		invalid(op+" zero", op, "size")
		invalid(op+" huge", op, "size")
		invalid(op+" new, used", op, "fields")
		// These pass the size and fail for what they lack.
		for _, version := range []string{" old", " new, unused"} {
			invalid(op+version, op, "")
			require.NotContains(t, lines[op+version][2], "size")
			require.NotContains(t, lines[op+version][2], "fields")
		}
		require.NotContains(t, lines, op+" without error")
	}
	require.Equal(t, []string{"0", "", ""}, lines["works new"])
	invalid("works old", "swiglu", "out")
	invalid("wrapping shape", "swiglu", "gate_up")
	require.Equal(t, []string{"1", "1", "1"}, lines["short error"])
	require.Equal(t, "0", lines["info old"][0])
	invalid("info zero", "device_get_info", "size")
	invalid("info null", "device_get_info", "info")
	invalid("open null", "device_open", "name")
	require.Equal(t, "0", lines["close null"][0])
	require.Equal(t, "0", lines["close"][0])
}
