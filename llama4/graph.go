package llama4

import (
	"errors"
	"log/slog"
	"runtime"
	"slices"

	"github.com/llama4go/llama4go/bindings"
)

// maxGraphs is how many kinds of steps are remembered: a server's batch grows and
// shrinks by a few sequences around one bound of the context.
const maxGraphs = 8

// graphs are the decode steps of a device that records graphs: a step of known
// kind is one launch instead of hundreds of operations. What changes from step to
// step (tokens, positions, page tables, how to sample) is in one buffer, which is
// written before; everything else is where it was when the step was recorded. So
// when a buffer moves, all graphs are dropped.
type graphs struct {
	stream *bindings.Stream
	log    *slog.Logger
	kinds  []*recording // the latest used is last
}

// graphKey is what a graph is good for.
type graphKey struct {
	sequences  int
	maxContext int  // rounded, and with it the columns of the page tables
	sampled    bool // chooses tokens, too
}

// recording is a kind of step that has been run.
type recording struct {
	key   graphKey
	graph *bindings.Graph // nil until the second step
	plain bool            // it cannot be recorded
}

// run does the work that enqueue puts on the stream. The first step of a kind is
// put there as it is, so that it takes what memory it needs; the second records.
func (g *graphs) run(key graphKey, enqueue func() error) error {
	kind := g.find(key)
	if kind == nil {
		if err := enqueue(); err != nil {
			return err
		}
		return g.add(&recording{key: key})
	}
	if kind.graph == nil && !kind.plain {
		graph, err := g.record(enqueue)
		if err != nil {
			if err := enqueue(); err != nil {
				return err
			}
			kind.plain = true
			g.log.Warn("decoding is slower than it could be: a step cannot be recorded", "reason", err)
			return nil
		}
		kind.graph = graph
	}
	if kind.plain {
		return enqueue()
	}
	return kind.graph.Launch(g.stream)
}

// find returns the recording of a kind, which becomes the latest used.
func (g *graphs) find(key graphKey) *recording {
	i := slices.IndexFunc(g.kinds, func(r *recording) bool { return r.key == key })
	if i < 0 {
		return nil
	}
	kind := g.kinds[i]
	g.kinds = append(slices.Delete(g.kinds, i, i+1), kind)
	return kind
}

// add remembers a kind and forgets the one that was not used for longest.
func (g *graphs) add(kind *recording) error {
	var err error
	if len(g.kinds) == maxGraphs {
		err = errors.Join(g.stream.Synchronize(), g.kinds[0].graph.Close())
		g.kinds = slices.Delete(g.kinds, 0, 1)
	}
	g.kinds = append(g.kinds, kind)
	return err
}

// record makes a graph of what enqueue puts on the stream. Recording is the
// business of one thread of the system.
func (g *graphs) record(enqueue func() error) (*bindings.Graph, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := g.stream.BeginGraph(); err != nil {
		return nil, err
	}
	err := enqueue()
	graph, ended := g.stream.EndGraph()
	if err = errors.Join(err, ended); err != nil {
		return nil, errors.Join(err, graph.Close())
	}
	return graph, nil
}

// drop closes all graphs, none of which may be running.
func (g *graphs) drop() {
	if g == nil {
		return
	}
	for _, kind := range g.kinds {
		_ = kind.graph.Close()
	}
	g.kinds = nil
}

// roundContext returns the bound of the context that a step's graph is made for:
// steps of many lengths share it.
func roundContext(n, limit int) int {
	bound := 256
	for bound < n {
		bound *= 2
	}
	return min(bound, limit)
}
