package main

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"

	"github.com/llama4go/llama4go/bindings/discover"
	"github.com/llama4go/llama4go/llama4"
	"github.com/llama4go/llama4go/llama4/quant"
)

// memoryBytes is what running the model takes.
type memoryBytes struct {
	GPU     int64 `json:"gpu_bytes"`      // of a GPU: weights, paged cache and working memory
	Working int64 `json:"working_bytes"`  // of that, what is neither weights nor cache
	GPUHost int64 `json:"gpu_host_bytes"` // of the host beside it, at most, while weights are loaded
	CPU     int64 `json:"cpu_bytes"`      // of the host where there is no GPU, while weights are loaded
}

const (
	// workingBytes is a GPU's memory beside weights, cache and pictures: a CUDA context
	// with its kernels takes about half of it, and the activations of a pass over
	// llama4.DefaultPrefillTokens the rest in the largest models.
	workingBytes = 1 << 30
	// inFlightBytes is what is read or copied at a time while weights are placed.
	inFlightBytes = 128 << 20
)

// addTensors notes the types of the weights' tensors.
func (s *subject) addTensors() {
	for _, t := range s.weights.Tensors() {
		s.types = append(s.types, storedType{t.DType.String(), t.Elements(), t.Bytes()})
	}
}

// measure sums up what is stored.
func (r *inspection) measure(s *subject) {
	r.DTypes, r.Weights.Parts = map[string]sizes{}, map[string]int64{}
	for _, t := range s.types {
		d := r.DTypes[t.name]
		r.DTypes[t.name] = sizes{d.Tensors + 1, d.Parameters + t.elements, d.Bytes + t.bytes}
	}
	for _, t := range s.weights.Tensors() {
		r.Weights.Parts[t.Part] += t.Bytes()
		r.Weights.Total += t.Bytes()
	}
	r.Files, r.Tokenizer, r.ChatTemplate = s.files, s.tokenizer, s.template
	if s.quantization != "" {
		r.Quantization = s.quantization
	}
}

// load works out what the model takes once it is loaded with a preset.
func (r *inspection) load(s *subject, name string, preset quant.Preset) {
	r.Loaded = loadedBytes{Quant: name, Parts: s.weights.LoadedBytes(preset)}
	r.Loaded.Total = sum(r.Loaded.Parts)
	for _, name := range quant.PresetNames() {
		p, err := quant.ParsePreset(name)
		if err != nil || p.None() || s.weights.CheckQuant(p) != nil {
			continue
		}
		if r.Schemes == nil {
			r.Schemes = map[string]int64{}
		}
		r.Schemes[name] = sum(s.weights.LoadedBytes(p))
	}
	m := &r.Memory
	m.Working = workingBytes
	if r.Multimodal {
		m.Working += llama4.DefaultImageCacheBytes
	}
	m.GPU = add(r.Loaded.Total, r.KVCache.Paged, m.Working)
	whole, piece := inFlight(s.weights, preset)
	m.GPUHost = max(whole, piece)
	m.CPU = add(r.Loaded.Total, r.KVCache.Paged, piece)
}

// inFlight returns the most that is in the host's memory for a moment while weights
// are placed: of tensors that are copied to a GPU as they are, and of what is converted
// or quantized in pieces, which may be as large as a matrix.
func inFlight(w *llama4.Weights, preset quant.Preset) (whole, piece int64) {
	for l := range w.Linears() {
		scheme := l.Loaded(preset, len(w.Layers))
		switch {
		case !scheme.Quantized():
			whole = max(whole, l.Bytes)
		case scheme != l.Scheme && len(l.Shape) == 3:
			piece = max(piece, inFlightBytes, 2*l.Shape[1]*l.Shape[2])
		default:
			piece = max(piece, inFlightBytes)
		}
	}
	for _, t := range w.Tensors() {
		if t.Part == llama4.PartEmbedding || t.Part == llama4.PartVision {
			whole = max(whole, t.Bytes())
		}
	}
	return whole, min(piece, sum(w.LoadedBytes(quant.Preset{})))
}

func sum(parts map[string]int64) (total int64) {
	for _, n := range parts {
		total += n
	}
	return total
}

// add adds sizes, which are not negative, at most to the largest number.
func add(sizes ...int64) (total int64) {
	for _, n := range sizes {
		if total > math.MaxInt64-n {
			return math.MaxInt64
		}
		total += n
	}
	return total
}

// gpuRoom says whether the model fits a card, or which GPU of this machine has the
// memory free: the one with the most, by its UUID for CUDA_VISIBLE_DEVICES.
type gpuRoom struct {
	Fits bool   `json:"fits"`
	UUID string `json:"uuid,omitempty"`
	Text string `json:"text"`
}

// room looks for the model's place: on a card of so much memory, or, if that is 0, on
// the GPUs of this machine. If there is none, it names the scheme that has one.
func (a *app) room(r *inspection, memory int64) *gpuRoom {
	find := a.roomFor
	if memory > 0 {
		find = func(bytes int64) *gpuRoom { return cardRoom(bytes, memory) }
	}
	g := find(r.Memory.GPU)
	if g == nil || g.Fits {
		return g
	}
	best, most := "", int64(0)
	for name, loaded := range r.Schemes {
		need := add(loaded, r.KVCache.Paged, r.Memory.Working)
		if need > most && find(need).Fits {
			best, most = name, need
		}
	}
	if best != "" {
		g.Text += fmt.Sprintf("; with --quant %s it needs %s and fits", best, size(most))
	}
	return g
}

// cardRoom compares sizes.
func cardRoom(need, memory int64) *gpuRoom {
	if need > memory {
		return &gpuRoom{Text: fmt.Sprintf("needs %s, more than a card of %s has", size(need), size(memory))}
	}
	return &gpuRoom{Fits: true, Text: fmt.Sprintf("fits on a card of %s, needs %s", size(memory), size(need))}
}

// roomFor looks for a GPU with bytes free, nil where there is no GPU.
func (a *app) roomFor(bytes int64) *gpuRoom {
	s, err := a.snapshot()
	if err != nil || len(s.GPUs) == 0 {
		return nil
	}
	places, err := discover.FitsIn(s.GPUs, uint64(bytes))
	if err != nil {
		return &gpuRoom{Text: oneLine(err.Error())}
	}
	p := places[0]
	return &gpuRoom{
		Fits: true, UUID: p.UUID,
		Text: fmt.Sprintf("fits on GPU %d, %s, with %s free of %s", p.GPU, p.Name, size(int64(p.Free)), size(int64(p.Total))),
	}
}

var (
	bytesPattern = regexp.MustCompile(`^([0-9]{1,6}(?:\.[0-9]{1,3})?) ?([KMGT]i?B)$`)
	byteUnits    = map[string]float64{
		"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	}
)

// bytesValue is a size with its unit.
func bytesValue(to *int64) *value {
	return &value{kind: "size", set: func(text string) error {
		m := bytesPattern.FindStringSubmatch(text)
		if m == nil {
			return errors.New("want a size with its unit, such as 80GiB or 24GB")
		}
		number, err := strconv.ParseFloat(m[1], 64)
		if err != nil || number == 0 {
			return errors.New("want a size above 0")
		}
		*to = int64(number * byteUnits[m[2]])
		return nil
	}}
}
