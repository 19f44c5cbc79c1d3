package llama4

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/chat"
	"github.com/llama4go/llama4go/llama4/grammar"
	"github.com/llama4go/llama4go/llama4/quant"
	"github.com/llama4go/llama4go/llama4/safetensors"
	"github.com/llama4go/llama4go/llama4/tokenizer"
)

// Model is a checkpoint on a device, ready to run. It is safe for concurrent
// use; forward passes of concurrent calls take turns.
type Model struct {
	config     *Config
	generation *GenerationConfig
	tokenizer  *tokenizer.Tokenizer // nil when the checkpoint has none
	template   *chat.Template       // nil when the checkpoint has none
	images     *images
	vocabulary func() *grammar.Vocabulary // made when first asked for
	options    Options
	plan       []LayerPlan

	preset  quant.Preset // that weights are quantized by
	files   weightFiles
	device  *bindings.Device
	stream  *bindings.Stream
	weights *deviceWeights
	act     bindings.DType // of activations
	kvType  bindings.DType // of keys and values

	mu       sync.Mutex // one forward pass at a time; guards what follows
	cache    *cache
	features *lru[imageKey, *features] // of pictures seen lately
	work     workspace
	decode   workspace // of steps that are recorded, whose buffers stay where they are
	graphs   *graphs   // nil where steps are not recorded
	upload   []int32   // room for a batch's description
	closed   bool
}

// weightFiles is what the weights lie in.
type weightFiles interface {
	// Bytes is the size of all tensors.
	Bytes() int64
	// Unload says that memory of the files will not be read for now.
	Unload(data []byte)
	Close() error
}

// Open loads the checkpoint in a folder: config.json, the tensors, and, where
// present, the tokenizer, the chat template and generation_config.json. A path that
// is a file is one in the GGUF format, which has all of these: see [GGUFConfig]. The
// options may be nil.
func Open(ctx context.Context, path string, o *Options) (*Model, error) {
	info, err := os.Stat(path)
	if err == nil && info.Mode().IsRegular() {
		return opened(func(m *Model) error { return m.openGGUF(ctx, path, o) })
	}
	m, err := OpenFS(ctx, os.DirFS(path), o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// OpenFS is Open for any file system, such as the embedded demo model's. Weights
// of a folder are mapped, not copied, on devices that share the host's memory.
func OpenFS(ctx context.Context, fsys fs.FS, o *Options) (*Model, error) {
	return opened(func(m *Model) error { return m.open(ctx, fsys, o) })
}

func opened(open func(*Model) error) (*Model, error) {
	m := &Model{}
	if err := open(m); err != nil {
		_ = m.Close()
		return nil, err
	}
	return m, nil
}

func (m *Model) open(ctx context.Context, fsys fs.FS, o *Options) (err error) {
	if m.config, err = LoadConfigFS(fsys); err != nil {
		return err
	}
	if m.options, err = o.withDefaults(m.config); err != nil {
		return err
	}
	if m.generation, err = LoadGenerationConfigFS(fsys); err != nil {
		return err
	}
	if m.tokenizer, err = tokenizer.OpenFS(fsys); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if m.template, err = chat.Load(fsys); err != nil && !errors.Is(err, chat.ErrNoTemplate) {
		return err
	}
	if err = m.prepare(fsys); err != nil {
		return err
	}
	checkpoint, err := safetensors.OpenFS(fsys)
	if err != nil {
		return err
	}
	m.files = checkpoint
	if q := m.config.Quantization; q != nil && q.KVCache != "" {
		m.options.Log.Warn("the checkpoint was made for another KV cache, which is not used", "scheme", q.KVCache, "cache", m.options.KVCache)
	}
	weights, err := LoadWeights(m.config, checkpoint)
	if err != nil {
		return err
	}
	return m.openDevice(ctx, weights)
}

// prepare makes what follows from the configuration and the tokenizer. A text-only
// model needs no files for it.
func (m *Model) prepare(fsys fs.FS) (err error) {
	if m.images, err = m.newImages(fsys); err != nil {
		return err
	}
	m.vocabulary = sync.OnceValue(m.newVocabulary)
	m.features = newLRU[imageKey](m.options.ImageCacheBytes, (*features).release)
	m.plan = m.config.Plan()
	return nil
}

// checkPreset refuses to quantize what is quantized already.
func checkPreset(w *Weights, p quant.Preset) error {
	if p.None() {
		return nil
	}
	for l := range w.Linears() {
		if l.Scheme.Quantized() {
			return fmt.Errorf("quantization %s is for bfloat16 checkpoints, but this one is quantized: %s is %s",
				p.Scheme.Name, l.Name, l.Scheme.Name)
		}
	}
	return nil
}

func (m *Model) openDevice(ctx context.Context, weights *Weights) (err error) {
	if m.preset, err = quant.ParsePreset(m.options.Quant); err != nil {
		return err
	}
	if err := checkPreset(weights, m.preset); err != nil {
		return err
	}
	if m.device, err = openDevice(&m.options); err != nil {
		return err
	}
	if m.stream, err = m.device.NewStream(); err != nil {
		return err
	}
	info, err := m.device.Info()
	if err != nil {
		return err
	}
	m.act = bindings.BF16
	if info.CPU() {
		m.act = bindings.F32 // the CPU computes in fp32 anyway
	}
	if m.options.Compute == bindings.ComputeF32 && !info.CPU() {
		return fmt.Errorf("device %s computes in bf16: compute f32 is for the CPU", info.Name)
	}
	m.kvType = KVType(m.options.KVCache, m.options.Compute)
	m.cache = newCache(m.device, m.config, m.plan, m.kvType, &m.options)
	m.work = workspace{device: m.device, stream: m.stream}
	if info.Graphs && m.options.Tap == nil {
		m.recordSteps()
	}
	m.weights, err = placeWeights(ctx, m, weights)
	return err
}

// recordSteps makes decode steps graphs.
func (m *Model) recordSteps() {
	m.graphs = &graphs{stream: m.stream, log: m.options.Log}
	m.decode = workspace{device: m.device, stream: m.stream, spare: true, moved: m.graphs.drop}
	m.cache.chunked.moved, m.cache.global.moved = m.graphs.drop, m.graphs.drop
}

// Close gives back the device's memory and the mapped checkpoint. Generations in
// progress fail at their next step. It may be called twice.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	var errs []error
	if m.stream != nil {
		errs = append(errs, m.stream.Synchronize())
	}
	if m.cache != nil {
		m.cache.close()
	}
	if m.features != nil {
		m.features.clear()
	}
	m.graphs.drop()
	m.work.close()
	m.decode.close()
	m.weights.close()
	if m.stream != nil {
		errs = append(errs, m.stream.Close())
	}
	if m.device != nil {
		errs = append(errs, m.device.Close())
	}
	if m.files != nil {
		errs = append(errs, m.files.Close())
	}
	return errors.Join(errs...)
}

// Config returns the model's architecture.
func (m *Model) Config() *Config { return m.config }

// Context returns how many tokens a sequence may hold.
func (m *Model) Context() int { return m.options.Context }

// GenerationConfig returns the publisher's sampling defaults.
func (m *Model) GenerationConfig() *GenerationConfig { return m.generation }

// Tokenizer returns the checkpoint's tokenizer, nil if it has none.
func (m *Model) Tokenizer() *tokenizer.Tokenizer { return m.tokenizer }

// Template returns the checkpoint's chat template, nil if it has none.
func (m *Model) Template() *chat.Template { return m.template }

// Device describes the device that the model runs on.
func (m *Model) Device() (bindings.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return bindings.Info{}, fmt.Errorf("the model: %w", ErrClosed)
	}
	return m.device.Info()
}

// WeightBytes returns the size of the weights as they are loaded.
func (m *Model) WeightBytes() int64 { return m.weights.bytes }

// CacheBytes returns the memory that the KV cache has taken so far.
func (m *Model) CacheBytes() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cache.bytes()
}
