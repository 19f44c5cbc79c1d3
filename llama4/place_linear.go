package llama4

import (
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/quant"
)

// defaultPlaceBytes bounds what is in flight while weights are copied, converted or
// quantized. Of a stack that is quantized it is at least a matrix: 168 MB of BF16 in
// Scout and Maverick.
const defaultPlaceBytes = 64 << 20

// deviceTypes are the types of values and scales.
var deviceTypes = map[quant.Type]bindings.DType{
	quant.BF16: bindings.BF16, quant.F32: bindings.F32, quant.F16: bindings.F16,
	quant.F8: bindings.F8, quant.I8: bindings.I8, quant.I4: bindings.I4,
}

var deviceActivations = map[quant.Activations]bindings.Activations{
	quant.PlainActivations: bindings.ActivationsPlain, quant.RowActivations: bindings.ActivationsF8Row,
	quant.GroupActivations: bindings.ActivationsF8Group, quant.TensorActivations: bindings.ActivationsF8Tensor,
}

// schemeWeight is a weight of rows of k values in a scheme, without its tensors.
func schemeWeight(s *quant.Scheme, k int64) bindings.Weight {
	if !s.Quantized() {
		return bindings.Weight{Layout: bindings.LayoutNK}
	}
	return bindings.Weight{
		Layout: bindings.LayoutNK, Activations: deviceActivations[s.Activations], Group: s.GroupOf(k), Limit: s.Limit,
	}
}

// linear places the weights of a linear layer, quantized if the options say so.
func (p *placement) linear(l *Linear) (w bindings.Weight) {
	if p.err == nil {
		p.err = p.ctx.Err()
	}
	if p.err != nil {
		return w
	}
	done := p.done
	scheme := l.Loaded(p.preset, p.model.config.Layers)
	switch {
	case scheme != l.Scheme && l.Source == nil:
		w = p.quantizedPlain(l, &scheme)
	case scheme != l.Scheme:
		w = p.quantizedRows(l, &scheme)
	case l.Source == nil:
		w = bindings.Weight{Data: p.tensor(l.Plain), Layout: l.layout()}
	case !scheme.Quantized() && len(l.Shape) == 3:
		w = p.columns(l)
	default:
		w = p.stored(l)
	}
	if p.err != nil {
		p.err = fmt.Errorf("%s: %w", l.Name, p.err)
	}
	p.done = done + l.Bytes
	p.model.options.Progress(p.done, p.total)
	return w
}

// layout is that of a Plain tensor.
func (l *Linear) layout() bindings.Layout {
	if len(l.Shape) == 3 {
		return bindings.LayoutKN
	}
	return bindings.LayoutNK
}

// weight makes room for a weight of a scheme, but for its values if they are there
// already.
func (p *placement) weight(l *Linear, s *quant.Scheme, values bool) bindings.Weight {
	w := schemeWeight(s, l.Columns())
	if values {
		w.Data = p.room(deviceTypes[s.Type], l.Shape...)
	}
	if !s.Quantized() {
		return w
	}
	groups := slices.Clone(l.Shape)
	groups[len(groups)-1] = s.Groups(l.Columns())
	w.Scale = p.room(deviceTypes[s.Scale], groups...)
	if s.Offset {
		w.Offset = p.room(deviceTypes[s.Scale], groups...)
	}
	return w
}

// stored places rows of a Source: its values where they lie if the device can use
// them there, a copy in the device's layout elsewhere.
func (p *placement) stored(l *Linear) bindings.Weight {
	var values []byte
	if m, ok := l.Source.(quant.Mapped); ok && p.visible {
		values = m.Mapped()
	}
	w := p.weight(l, &l.Scheme, values == nil)
	if l.Scheme.Quantized() {
		p.fill(l.Rows(), []bindings.Tensor{w.Scale, w.Offset}, func(to [][]byte, first, n int64) {
			l.Source.Scales(to[0], to[1], first, n)
		}, nil)
	}
	if values == nil {
		p.fill(l.Rows(), []bindings.Tensor{w.Data}, func(to [][]byte, first, n int64) {
			l.Source.Values(to[0], first, n)
		}, p.advance(l))
	} else if p.touch(values); p.err == nil {
		w.Data = p.wrapped(values, deviceTypes[l.Scheme.Type], l.Shape...)
	}
	return w
}

// advance returns a function that notes that rows of a layer are placed, gives back
// the memory that they were read from, and tells the progress.
func (p *placement) advance(l *Linear) func(first, n int64) {
	done := p.done
	return func(first, n int64) {
		if b, ok := l.Source.(quant.Backed); ok {
			for _, data := range b.Backing(first, n) {
				p.model.files.Unload(data)
			}
		} else if l.Source == nil {
			row := int64(len(l.Plain.Data)) / l.Rows()
			p.model.files.Unload(l.Plain.Data[first*row : (first+n)*row])
		}
		p.model.options.Progress(done+int64(float64(l.Bytes)*float64(first+n)/float64(l.Rows())), p.total)
	}
}

// fill makes rows of tensors, which have the same rows, and tells advance, if it is
// not nil, of those that are done.
func (p *placement) fill(rows int64, tensors []bindings.Tensor, read func(to [][]byte, first, n int64),
	advance func(first, n int64)) {
	row := make([]int64, len(tensors)) // bytes
	total := int64(1)
	for i := range tensors {
		row[i] = tensors[i].Bytes() / rows
		total += row[i]
	}
	step := max(1, p.model.options.placeBytes/total)
	var staging [][]byte
	for first := int64(0); first < rows && p.err == nil; first += step {
		n := min(step, rows-first)
		to := staging
		if p.visible {
			to = hostRows(tensors, row, first, n)
		} else if staging == nil {
			staging = make([][]byte, len(tensors))
			for i := range staging {
				staging[i] = make([]byte, row[i]*n)
			}
			to = staging
		}
		parallel(p.model.options.Threads, n, func(from, until int64) {
			part := make([][]byte, len(to))
			for i := range to {
				part[i] = to[i][from*row[i] : until*row[i]]
			}
			read(part, first+from, until-from)
		})
		for i := range tensors {
			if !p.visible && row[i] > 0 && p.err == nil {
				p.err = p.model.stream.WriteBytes(tensors[i].Buffer, first*row[i], to[i][:n*row[i]])
			}
		}
		if p.err == nil {
			p.err = p.ctx.Err()
		}
		if advance != nil {
			advance(first, n)
		}
	}
}

// hostRows are rows of tensors in the host's memory, which the device shares.
func hostRows(tensors []bindings.Tensor, row []int64, first, n int64) [][]byte {
	to := make([][]byte, len(tensors))
	for i := range tensors {
		if row[i] > 0 {
			to[i] = tensors[i].Buffer.Host()[first*row[i] : (first+n)*row[i]]
		}
	}
	return to
}

// parallel calls part with the parts of n rows that so many threads get each; 0 threads
// are one a core.
func parallel(threads int, n int64, part func(from, until int64)) {
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	step := max(1, (n+int64(threads)-1)/int64(threads))
	var group sync.WaitGroup
	for from := int64(0); from < n; from += step {
		group.Go(func() { part(from, min(from+step, n)) })
	}
	group.Wait()
}

// quantizedPlain quantizes a BF16 tensor: of a stack [E, K, N] a matrix at a time or a
// few, of a matrix [N, K] some rows.
func (p *placement) quantizedPlain(l *Linear, scheme *quant.Scheme) bindings.Weight {
	w := p.weight(l, scheme, true)
	x := bindings.Tensor{}
	if p.visible && p.err == nil {
		x = p.wrapped(l.Plain.Data, bindings.BF16, l.Plain.Shape...)
	}
	units := l.Plain.Shape[0] // matrices, or rows
	unit := int64(len(l.Plain.Data)) / units
	step := min(max(1, p.model.options.placeBytes/unit), units)
	if !p.visible {
		shape := slices.Clone(l.Plain.Shape)
		shape[0] = step
		x = p.staging(shape...)
	}
	advance := p.advance(l)
	rows := l.Rows() / units
	for first := int64(0); first < units && p.err == nil; first += step {
		n := min(step, units-first)
		from := first
		if !p.visible {
			from = 0
			p.err = p.model.stream.WriteBytes(x.Buffer, 0, l.Plain.Data[first*unit:(first+n)*unit])
		}
		part := x.Rows(from, from+n)
		p.quantize(bindings.Weight{Data: part, Layout: l.layout()}, w.Rows(first, first+n))
		advance(first*rows, n*rows)
	}
	return w
}

// quantizedRows quantizes the BF16 rows of a Source.
func (p *placement) quantizedRows(l *Linear, scheme *quant.Scheme) bindings.Weight {
	w := p.weight(l, scheme, true)
	if p.err != nil {
		return w
	}
	flat, columns := w, l.Columns()
	flat.Data = w.Data.Reshape(l.Rows(), columns)
	flat.Scale = w.Scale.Reshape(l.Rows(), scheme.Groups(columns))
	step := min(max(1, p.model.options.placeBytes/(2*columns)), l.Rows())
	x := p.staging(step, columns)
	advance := p.advance(l)
	for first := int64(0); first < l.Rows() && p.err == nil; first += step {
		n := min(step, l.Rows()-first)
		p.fill(n, []bindings.Tensor{x.Rows(0, n)}, func(to [][]byte, from, n int64) {
			l.Source.Values(to[0], first+from, n)
		}, nil)
		p.quantize(bindings.Weight{Data: x.Rows(0, n), Layout: bindings.LayoutNK}, flat.Rows(first, first+n))
		advance(first, n)
	}
	return w
}

// quantize quantizes x into out and waits for it.
func (p *placement) quantize(x, out bindings.Weight) {
	if p.err == nil {
		p.err = p.model.stream.Quantize(&bindings.QuantizeArgs{X: x, Out: out})
	}
	if p.err == nil {
		p.err = p.model.stream.Synchronize()
	}
	if p.err == nil {
		p.err = p.ctx.Err()
	}
}

// staging is memory for what is to be quantized.
func (p *placement) staging(shape ...int64) (out bindings.Tensor) {
	if p.err == nil {
		out, p.err = p.stage.tensor(p.model.device, bindings.BF16, shape...)
	}
	return out
}
