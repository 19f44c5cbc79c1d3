package llama4

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/llama4go/llama4go/llama4/internal/shards"
	"github.com/llama4go/llama4go/llama4/quant"
	"github.com/llama4go/llama4go/llama4/safetensors"
)

// DefaultShardBytes bounds the files that [Quantize] writes.
const DefaultShardBytes = 5_000_000_000

// QuantizeOptions are the choices of [Quantize]. The zero value is the default of each.
type QuantizeOptions struct {
	// Threads quantize; 0 is one a core.
	Threads int
	// ShardBytes bounds the tensors of a file; 0 is DefaultShardBytes.
	ShardBytes int64
	// Progress, if set, is told how many bytes of the checkpoint are done.
	Progress func(done, total int64)
}

// Quantized is what [Quantize] wrote.
type Quantized struct {
	Files int   // of tensors
	Kept  int   // of those, what an earlier run had written
	Bytes int64 // of all of them
}

// Quantize writes a BF16 checkpoint to a folder, quantized by a preset, in the layouts
// of compressed-tensors: pack-quantized for int4, float-quantized for fp8, experts one
// by one. A model that is opened from it computes the same bits as one that is
// quantized while it is loaded. The other files of the checkpoint are copied, but for
// weights of other formats.
//
// The folder must be new or empty, or one that the same call began: what it had
// written is kept then. Files of tensors are whole once they have their name, and
// config.json is written last.
//
// What compressed-tensors has no words for is in fields of quantization_config that it
// takes no notice of: Meta's bound for activations in activation_limit, and, where the
// last group of a row is shorter, the length of groups in loaded_group_size. The scales
// of such a row are repeated for groups of a length that divides it.
func Quantize(ctx context.Context, fsys fs.FS, preset, out string, o *QuantizeOptions) (Quantized, error) {
	q := &quantizer{ctx: ctx, fsys: fsys}
	if o != nil {
		q.options = *o
	}
	defer q.close()
	if err := q.open(preset); err != nil {
		return Quantized{}, err
	}
	return q.write(out)
}

// quantizer writes a quantized checkpoint.
type quantizer struct {
	ctx     context.Context
	fsys    fs.FS
	options QuantizeOptions

	config     *Config
	raw        []byte // config.json
	checkpoint *safetensors.Checkpoint
	weights    *Weights
	preset     quant.Preset
	quantizerDevice
}

func (q *quantizer) open(preset string) (err error) {
	if q.preset, err = quant.ParsePreset(preset); err != nil {
		return err
	}
	if q.preset.None() {
		return errors.New("quantization none leaves a checkpoint as it is")
	}
	if q.config, err = LoadConfigFS(q.fsys); err != nil {
		return err
	}
	if q.raw, err = fs.ReadFile(q.fsys, configFile); err != nil {
		return err
	}
	if q.checkpoint, err = safetensors.OpenFS(q.fsys); err != nil {
		return err
	}
	if q.weights, err = LoadWeights(q.config, q.checkpoint); err != nil {
		return err
	}
	if err = checkPreset(q.weights, q.preset); err != nil {
		return err
	}
	if q.options.ShardBytes < 0 {
		return fmt.Errorf("options: ShardBytes is %d, want 0 or more", q.options.ShardBytes)
	}
	setDefault(&q.options.ShardBytes, DefaultShardBytes)
	if q.options.Progress == nil {
		q.options.Progress = func(int64, int64) {}
	}
	return q.quantizerDevice.open(q.options.Threads)
}

func (q *quantizer) write(out string) (Quantized, error) {
	source, err := q.source()
	if err != nil {
		return Quantized{}, err
	}
	config, err := q.newConfig()
	if err != nil {
		return Quantized{}, err
	}
	f := &shards.Folder{
		Path: out, Units: q.units(), Scheme: q.preset.Scheme.Name, Source: source,
		ShardBytes: q.options.ShardBytes, Progress: q.options.Progress,
	}
	r, err := f.Write(q.ctx)
	done := Quantized(r)
	if err != nil {
		return done, err
	}
	if err := q.copyFiles(f); err != nil {
		return done, err
	}
	return done, writeBytes(f, configFile, config)
}

func (q *quantizer) close() {
	q.quantizerDevice.close()
	if q.checkpoint != nil {
		_ = q.checkpoint.Close()
	}
}

// scheme returns what a layer becomes, the zero value if it stays BF16.
func (q *quantizer) scheme(l *Linear) quant.Scheme { return l.Loaded(q.preset, q.config.Layers) }
