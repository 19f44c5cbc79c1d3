package main

import (
	"io"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progressDelay is how long loading takes before a bar appears.
const progressDelay = 250 * time.Millisecond

// progress is a bar that is shown on a terminal while a model loads or something
// else takes its time, unless that is soon done. It leaves no trace.
type progress struct {
	name    string
	unit    string // what is counted; empty for bytes
	show    bool
	delay   time.Duration
	start   time.Time
	options []mpb.ContainerOption
	bars    *mpb.Progress
	bar     *mpb.Bar
}

func newProgress(out io.Writer, name string) *progress {
	return &progress{
		name: name, show: isTerminal(out), delay: progressDelay, start: time.Now(),
		options: []mpb.ContainerOption{mpb.WithOutput(out), mpb.WithWidth(32), mpb.WithRefreshRate(100 * time.Millisecond)},
	}
}

// update shows how much is done.
func (p *progress) update(done, total int64) {
	if !p.show || p.bar == nil && time.Since(p.start) < p.delay {
		return
	}
	if p.bar == nil {
		p.bars = mpb.New(p.options...)
		p.bar = p.bars.New(total, mpb.BarStyle().Lbound("").Rbound("").Filler("━").Tip("━").Padding("─"),
			mpb.PrependDecorators(decor.Name(p.name+" ")),
			mpb.AppendDecorators(append(p.counters(),
				decor.Name(", "), decor.AverageETA(decor.ET_STYLE_GO), decor.Name(" left"))...),
			mpb.BarRemoveOnComplete(),
		)
	}
	p.bar.SetCurrent(done)
}

func (p *progress) counters() []decor.Decorator {
	if p.unit != "" {
		return []decor.Decorator{decor.CountersNoUnit(" %d of %d " + p.unit)}
	}
	return []decor.Decorator{
		decor.CountersKibiByte(" % .1f of % .1f"), decor.AverageSpeed(decor.SizeB1024(0), ", % .1f"),
	}
}

// close removes the bar.
func (p *progress) close() {
	if p.bar == nil {
		return
	}
	p.bar.Abort(true)
	p.bars.Wait()
}
