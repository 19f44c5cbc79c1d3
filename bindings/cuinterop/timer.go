//go:build cuda

package cuinterop

import (
	"errors"
	"fmt"
	"time"

	"gorgonia.org/cu"
)

// Timer measures the time that a GPU takes for the work on a stream between two
// points. The points are events: nothing waits until Elapsed is asked. A Timer may
// be started again, and is used by one goroutine at a time.
type Timer struct {
	context    *Context
	start, end cu.Event
}

// NewTimer makes a timer for streams of the context. Close it before the context.
func (c *Context) NewTimer() (*Timer, error) {
	t := &Timer{context: c}
	err := c.Do(func() (err error) {
		if t.start, err = cu.MakeEvent(cu.DefaultEvent); err != nil {
			return err
		}
		if t.end, err = cu.MakeEvent(cu.DefaultEvent); err != nil {
			return errors.Join(err, cu.DestroyEvent(&t.start))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cuinterop: making the events of a timer: %w", err)
	}
	return t, nil
}

// Start marks the beginning: what is put on s from now on is measured.
func (t *Timer) Start(s cu.Stream) error { return t.record(t.start, s) }

// Stop marks the end of what is measured.
func (t *Timer) Stop(s cu.Stream) error { return t.record(t.end, s) }

func (t *Timer) record(e cu.Event, s cu.Stream) error {
	if err := t.context.Do(func() error { return e.Record(s) }); err != nil {
		return fmt.Errorf("cuinterop: recording an event of a timer: %w", err)
	}
	return nil
}

// Elapsed waits for the end and returns the time between the two points. CUDA
// gives it to about half a microsecond. It fails when the timer was not started
// and stopped, and with the error of work that failed in between.
func (t *Timer) Elapsed() (time.Duration, error) {
	var milliseconds float64
	err := t.context.Do(func() (err error) {
		if err := t.end.Synchronize(); err != nil {
			return err
		}
		milliseconds, err = t.start.Elapsed(t.end)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("cuinterop: reading a timer: %w", err)
	}
	return time.Duration(milliseconds * float64(time.Millisecond)), nil
}

// Close destroys the timer's events. Closing again is no error.
func (t *Timer) Close() error {
	if t.start == (cu.Event{}) {
		return nil
	}
	return t.context.Do(func() error {
		return errors.Join(cu.DestroyEvent(&t.start), cu.DestroyEvent(&t.end))
	})
}
