package bench

import "time"

// timer measures the work put on the rig's stream between start and stop.
type timer interface {
	start() error
	stop() error
	elapsed() (time.Duration, error)
}

// hostTimer is the host's clock: right where operations are done when the call
// that waits for them returns.
type hostTimer struct {
	rig        *rig
	began, end time.Time
}

func (t *hostTimer) start() error {
	t.began = time.Now()
	return nil
}

func (t *hostTimer) stop() error {
	err := t.rig.stream.Synchronize()
	t.end = time.Now()
	return err
}

func (t *hostTimer) elapsed() (time.Duration, error) { return t.end.Sub(t.began), nil }
