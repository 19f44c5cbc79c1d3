package llama4

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/quant"
)

// Options are the choices of [Open]. The zero value is the default of each.
type Options struct {
	// Device is "auto" (a GPU where there is one and Compute allows it, else the
	// CPU), "cpu", "cuda", "cuda:N" or "simt", an emulated GPU.
	Device string
	// Compute is the precision of matrix products. ComputeF32 is parity mode:
	// activations and the KV cache in fp32 throughout, but for what is quantized, on
	// the CPU only. ComputeAuto keeps the cache in bf16 and rounds the operands of
	// products where the device multiplies bf16, ComputeBF16 rounds them on any
	// device. On a GPU activations are bf16, but for the residual stream, the sum of
	// all layers, which is fp32.
	Compute bindings.Compute
	// Quant quantizes the linear layers of a BF16 checkpoint while it is loaded: "none",
	// "int4" and "fp8", which are Meta's int4_mixed and fp8_mixed, or "int4-all" and
	// "fp8-all". See [quant.ParsePreset]; empty is "none".
	Quant string
	// KVCache is the type of the KV cache: "auto" is what Compute says, "fp8" and "int4"
	// have a scale for each head and token. Empty is "auto".
	KVCache string
	// Threads of a CPU device; 0 is one a core.
	Threads int
	// Context is how many tokens a sequence may hold; 0 is the model's
	// max_position_embeddings, at most DefaultContext.
	Context int
	// CacheTokens is how many tokens all sequences together may hold in the KV
	// cache; 0 is 8 times Context. Memory is taken as it is needed.
	CacheTokens int
	// PrefillTokens bounds the tokens of one forward pass, so that memory does not
	// grow with the prompt; 0 is DefaultPrefillTokens.
	PrefillTokens int
	// PageSize is the tokens of a KV page; 0 is DefaultPageSize.
	PageSize int
	// ImageCacheBytes bounds what is kept of pictures for the next request that shows
	// them: their tiles in the host's memory, and again as much in the device's of
	// what the vision tower made of them. 0 is DefaultImageCacheBytes.
	ImageCacheBytes int64
	// Progress, if set, is told how many bytes of weights are ready.
	Progress func(done, total int64)
	// Log hears what a user should know, such as a fall-back from GPU to CPU, during
	// Open and later; nil is slog.Default.
	Log *slog.Logger
	// placeBytes bounds what is in flight while weights are loaded; 0 is the default.
	placeBytes int64
	// Tap, if set, sees the named activations of every forward pass: see [Tap].
	Tap Tap
}

// The defaults of [Options].
const (
	DefaultContext       = 131072
	DefaultPrefillTokens = 512
	DefaultPageSize      = 64
	// A picture of 16 tiles takes 25 MB of it in Scout and Maverick on a GPU, and
	// twice that on the CPU.
	DefaultImageCacheBytes = 512 << 20
)

// maxPageSize bounds [Options.PageSize]: larger pages only waste memory.
const maxPageSize = 65536

// withDefaults returns the options with every default filled in for a model.
func (o *Options) withDefaults(c *Config) (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	for _, f := range []struct {
		name  string
		value int
	}{
		{"Threads", out.Threads}, {"Context", out.Context}, {"CacheTokens", out.CacheTokens},
		{"PrefillTokens", out.PrefillTokens}, {"PageSize", out.PageSize},
	} {
		if f.value < 0 || f.value > math.MaxInt32 {
			return out, fmt.Errorf("options: %s is %d, want 0 to %d", f.name, f.value, math.MaxInt32)
		}
	}
	if out.ImageCacheBytes < 0 {
		return out, fmt.Errorf("options: ImageCacheBytes is %d, want 0 or more", out.ImageCacheBytes)
	}
	if out.PageSize > maxPageSize {
		return out, fmt.Errorf("options: PageSize is %d, want 0 to %d", out.PageSize, maxPageSize)
	}
	if out.Compute < bindings.ComputeAuto || out.Compute > bindings.ComputeBF16 {
		return out, fmt.Errorf("options: Compute is %v, want auto, f32 or bf16", out.Compute)
	}
	if out.KVCache == "" {
		out.KVCache = kvAuto
	}
	if !slices.Contains(KVCaches(), out.KVCache) {
		return out, fmt.Errorf("options: KVCache is %q, want %s", out.KVCache, strings.Join(KVCaches(), ", "))
	}
	if _, err := quant.ParsePreset(out.Quant); err != nil {
		return out, fmt.Errorf("options: Quant: %w", err)
	}
	if out.Context > c.MaxPositions {
		return out, fmt.Errorf("options: Context is %d, but the model has %d positions", out.Context, c.MaxPositions)
	}
	setDefault(&out.placeBytes, defaultPlaceBytes)
	setDefault(&out.Context, min(c.MaxPositions, DefaultContext))
	setDefault(&out.CacheTokens, min(8*out.Context, math.MaxInt32))
	setDefault(&out.PrefillTokens, DefaultPrefillTokens)
	setDefault(&out.PageSize, DefaultPageSize)
	if out.ImageCacheBytes == 0 {
		out.ImageCacheBytes = DefaultImageCacheBytes
	}
	if out.Device == "" {
		out.Device = "auto"
	}
	if out.Log == nil {
		out.Log = slog.Default()
	}
	if out.Progress == nil {
		out.Progress = func(int64, int64) {}
	}
	return out, nil
}

// The values of [Options.KVCache].
const (
	kvAuto = "auto"
	kvFP8  = "fp8"
	kvInt4 = "int4"
)

// KVCaches returns the values of [Options.KVCache].
func KVCaches() []string { return []string{kvAuto, kvFP8, kvInt4} }

// KVType returns the type of keys and values in the cache by [Options.KVCache] and
// [Options.Compute].
func KVType(cache string, compute bindings.Compute) bindings.DType {
	switch {
	case cache == kvFP8:
		return bindings.F8
	case cache == kvInt4:
		return bindings.I4
	case compute == bindings.ComputeF32:
		return bindings.F32
	}
	return bindings.BF16
}

func setDefault[T int | int64](value *T, standard T) {
	if *value == 0 {
		*value = standard
	}
}

// openDevice opens the device of the options. "auto" says so loudly when it
// settles for the CPU although there is a GPU.
func openDevice(o *Options) (*bindings.Device, error) {
	options := &bindings.Options{Threads: o.Threads}
	if o.Device != "auto" {
		return bindings.Open(o.Device, options)
	}
	if o.Compute == bindings.ComputeF32 {
		return bindings.Open("cpu", options)
	}
	gpu, err := bindings.Open("cuda", options)
	if err == nil {
		return gpu, nil
	}
	var failed *bindings.Error
	if !errors.As(err, &failed) {
		return nil, err // there is no library at all
	}
	if failed.Code != bindings.ErrNoDevice {
		o.Log.Warn("running on the CPU: the GPU cannot be used", "reason", err)
	}
	return bindings.Open("cpu", options)
}
