package llama4

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/sample"
)

// errNoToken is what the operation sample says by the id -1.
var errNoToken = errors.New("no token can be chosen, as a logit is NaN or +Inf or all are -Inf: " +
	"the checkpoint or the computation is broken")

// Next appends the steps' tokens to their sequences, as [Model.Forward] does, and
// chooses the token that follows each with its sampler. A step whose sampler is
// nil is a piece of a prompt that goes on: its token is -1. What the steps say of
// logits does not matter. On error no sequence has changed.
//
// Where no sampler has a bias or penalties ([sample.Sampler.Plain]) the device
// chooses, and nothing but the tokens is read back. The samplers are not told the
// tokens: see [sample.Sampler.Observe].
func (m *Model) Next(ctx context.Context, steps []Step, samplers []*sample.Sampler) ([]int32, error) {
	if len(samplers) != len(steps) {
		return nil, fmt.Errorf("%d samplers for %d steps", len(samplers), len(steps))
	}
	steps = slices.Clone(steps)
	var asked []*sample.Sampler // of the steps that want a token
	plain := true
	for i, s := range samplers {
		steps[i].Logits = NoRows
		if s != nil {
			steps[i].Logits = LastRow
			asked = append(asked, s)
			plain = plain && s.Plain()
		}
	}
	choose := m.chooseHere
	if plain && len(asked) > 0 {
		choose = m.chooseOnDevice
	}
	chosen, err := choose(ctx, steps, asked)
	if err != nil {
		return nil, err
	}
	ids := make([]int32, len(steps))
	for i, s := range samplers {
		ids[i] = -1
		if s != nil {
			ids[i], chosen = chosen[0], chosen[1:]
		}
	}
	return ids, nil
}

// chooseHere reads the rows that the steps want, and chooses a token for each with
// its sampler.
func (m *Model) chooseHere(ctx context.Context, steps []Step, samplers []*sample.Sampler) ([]int32, error) {
	chosen := make([]int32, 0, len(samplers))
	err := m.Forward(ctx, steps, func(l *Logits) error {
		for i := range l.Rows() {
			row, err := l.Row(i)
			if err != nil {
				return err
			}
			id, err := samplers[len(chosen)].Next(row)
			if err != nil {
				return err
			}
			chosen = append(chosen, id)
		}
		return nil
	})
	return chosen, err
}

// chooseOnDevice leaves the choice to the device.
func (m *Model) chooseOnDevice(ctx context.Context, steps []Step, samplers []*sample.Sampler) ([]int32, error) {
	draws := make([]sample.Draw, len(samplers))
	for i, s := range samplers {
		draws[i] = s.Draw()
	}
	chosen, err := m.forward(ctx, steps, draws, nil)
	if err != nil {
		return nil, err
	}
	for _, s := range samplers {
		s.Drawn()
	}
	return chosen, nil
}

// checkChosen refuses the choice of the steps that want a token where there is none.
func checkChosen(steps []Step, chosen []int32) error {
	for i, step := range steps {
		if step.Logits == NoRows || len(chosen) == 0 {
			continue
		}
		if chosen[0] < 0 {
			return fmt.Errorf("step %d: %w", i, errNoToken)
		}
		chosen = chosen[1:]
	}
	return nil
}

// sampling is how the rows of a batch choose tokens on the device, one number a
// row of each.
type sampling struct {
	temperature, topK, topP, minP, draw bindings.Tensor
	ids                                 bindings.Tensor // out
}

// samplingParts are the parts of an upload that become a sampling.
type samplingParts struct{ temperature, topK, topP, minP, draw part }

func (u *upload) draws(draws []sample.Draw) samplingParts {
	floats := func(of func(*sample.Draw) float32) part {
		values := make([]float32, len(draws))
		for i := range draws {
			values[i] = of(&draws[i])
		}
		return u.float32s(values)
	}
	topK := make([]int32, len(draws))
	for i := range draws {
		topK[i] = draws[i].TopK
	}
	return samplingParts{
		temperature: floats(func(d *sample.Draw) float32 { return d.Temperature }),
		topK:        u.int32s(topK),
		topP:        floats(func(d *sample.Draw) float32 { return d.TopP }),
		minP:        floats(func(d *sample.Draw) float32 { return d.MinP }),
		draw:        floats(func(d *sample.Draw) float32 { return d.Uniform }),
	}
}

func (p *samplingParts) in(b *bindings.Buffer, ids bindings.Tensor) *sampling {
	return &sampling{
		temperature: p.temperature.in(b, bindings.F32), topK: p.topK.in(b, bindings.I32),
		topP: p.topP.in(b, bindings.F32), minP: p.minP.in(b, bindings.F32), draw: p.draw.in(b, bindings.F32),
		ids: ids,
	}
}

// choose puts the choice of tokens for rows first.. of the batch on the stream.
func (s *sampling) choose(stream *bindings.Stream, logits bindings.Tensor, first int64) error {
	rows := func(t bindings.Tensor) bindings.Tensor { return t.Rows(first, first+logits.Dim(0)) }
	return stream.Sample(&bindings.SampleArgs{
		X: logits, Temperature: rows(s.temperature), TopK: rows(s.topK), TopP: rows(s.topP),
		MinP: rows(s.minP), Draw: rows(s.draw), IDs: rows(s.ids),
	})
}
