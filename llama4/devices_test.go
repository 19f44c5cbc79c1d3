package llama4

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
)

// testDevices are the devices that models are tested on: those of
// LLAMA4_TEST_DEVICES; without it the CPU, and the emulated GPU where it was built.
func testDevices(t testing.TB) []string {
	t.Helper()
	if names := os.Getenv("LLAMA4_TEST_DEVICES"); names != "" {
		return strings.FieldsFunc(names, func(r rune) bool { return r == ',' || r == ' ' })
	}
	names := []string{"cpu"}
	if testing.Short() {
		return names
	}
	d, err := bindings.Open("simt", nil)
	if errors.Is(err, bindings.ErrNoDevice) {
		return names
	}
	require.NoError(t, err)
	require.NoError(t, d.Close())
	return append(names, "simt")
}

// within bounds what a test does on the emulated GPU, which takes a thousand times
// as long as a GPU.
func within(device string, n, emulated int) int {
	if device == "simt" {
		return min(n, emulated)
	}
	return n
}
