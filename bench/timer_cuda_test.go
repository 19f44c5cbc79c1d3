//go:build cuda

package bench

import (
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"gorgonia.org/cu"

	"github.com/llama4go/llama4go/bindings/cuinterop"
)

// cudaTimer is a pair of events on the rig's stream, so that what the host does
// meanwhile does not count.
type cudaTimer struct {
	timer  *cuinterop.Timer
	stream cu.Stream
}

// newTimer returns events of the GPU on a CUDA device, else the host's clock.
func newTimer(r *rig) timer {
	info, err := r.device.Info()
	require.NoError(r.b, err)
	number, isCUDA := strings.CutPrefix(info.Name, "cuda:")
	if !isCUDA {
		return &hostTimer{rig: r}
	}
	index, err := strconv.Atoi(number)
	require.NoError(r.b, err)
	c, err := cuinterop.PrimaryContext(index)
	require.NoError(r.b, err)
	r.b.Cleanup(func() { require.NoError(r.b, c.Close()) })
	t, err := c.NewTimer()
	require.NoError(r.b, err)
	r.b.Cleanup(func() { require.NoError(r.b, t.Close()) })
	return &cudaTimer{timer: t, stream: cuinterop.Stream(r.stream)}
}

func (t *cudaTimer) start() error                    { return t.timer.Start(t.stream) }
func (t *cudaTimer) stop() error                     { return t.timer.Stop(t.stream) }
func (t *cudaTimer) elapsed() (time.Duration, error) { return t.timer.Elapsed() }
