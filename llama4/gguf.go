package llama4

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/llama4go/llama4go/llama4/chat"
	"github.com/llama4go/llama4go/llama4/gguf"
	"github.com/llama4go/llama4go/llama4/safetensors"
	"github.com/llama4go/llama4go/llama4/tokenizer"
)

// openGGUF is open for a GGUF file.
func (m *Model) openGGUF(ctx context.Context, path string, o *Options) error {
	f, err := gguf.Open(path)
	if err != nil {
		return err
	}
	m.files = f
	if err := m.readGGUF(ctx, f, o); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (m *Model) readGGUF(ctx context.Context, f *gguf.File, o *Options) (err error) {
	if m.config, err = GGUFConfig(f); err != nil {
		return err
	}
	if m.options, err = o.withDefaults(m.config); err != nil {
		return err
	}
	if m.tokenizer, err = GGUFTokenizer(f); err != nil {
		return err
	}
	if m.template, err = ggufTemplate(f, m.tokenizer, m.config); err != nil {
		return err
	}
	if m.generation, err = ggufGeneration(f, m.tokenizer, m.config); err != nil {
		return err
	}
	if err = m.prepare(nil); err != nil {
		return err
	}
	weights, err := loadGGUF(m.config, f, true)
	if err != nil {
		return err
	}
	return m.openDevice(ctx, weights)
}

// What llama.cpp has in its sources, and files of the architecture llama4 do not say
// (llama_model_llama4::load_arch_hparams).
const (
	ggufChunk          = 8192
	ggufNoRopeInterval = 4
	ggufFloorScale     = 8192
	ggufAttnScale      = 0.1
	ggufPlainExperts   = 128 // the number of experts of the one model without QK norm
)

// GGUFConfig returns the architecture of a GGUF file, which is that of a text-only
// model. What such files leave out is as llama.cpp has it; a file that says otherwise
// is refused.
func GGUFConfig(f *gguf.File) (*Config, error) {
	general, k := f.Keys("general."), f.Keys("llama4.")
	if arch := general.Text("architecture", ""); arch != "llama4" {
		general.Fail("architecture", "is %q, want \"llama4\"", arch)
		return nil, general.Err()
	}
	c := &Config{
		Hidden: k.RequiredInt("embedding_length"), Layers: k.RequiredInt("block_count"),
		Heads:        k.RequiredInt("attention.head_count"),
		Intermediate: k.RequiredInt("expert_feed_forward_length"), IntermediateMLP: k.RequiredInt("feed_forward_length"),
		Experts: k.RequiredInt("expert_count"), ExpertsPerToken: k.RequiredInt("expert_used_count"),
		MoEStep:      k.RequiredInt("interleave_moe_layer_step"),
		MaxPositions: k.RequiredInt("context_length"), Eps: float32(k.RequiredFloat("attention.layer_norm_rms_epsilon")),
		Chunk: ggufChunk, NoRopeInterval: ggufNoRopeInterval,
		TemperatureTuning: true, AttnScale: ggufAttnScale, FloorScale: ggufFloorScale,
	}
	c.KVHeads = k.Int("attention.head_count_kv", c.Heads)
	c.HeadDim = k.Int("attention.key_length", c.Hidden/max(c.Heads, 1))
	c.QKNorm = c.Experts != ggufPlainExperts
	for _, same := range []struct {
		name string
		want int
	}{
		{"attention.value_length", c.HeadDim}, {"rope.dimension_count", c.HeadDim},
		{"attention.sliding_window", c.Chunk}, {"attention.sliding_window_pattern", c.NoRopeInterval},
	} {
		if n := k.Int(same.name, same.want); n != same.want {
			k.Fail(same.name, "is %d, want %d", n, same.want)
		}
	}
	if scaling := k.Text("rope.scaling.type", "none"); scaling != "none" {
		k.Fail("rope.scaling.type", "is %q, want \"none\": frequencies are scaled by rope_freqs.weight", scaling)
	}
	c.RoPE.Theta = k.Float("rope.freq_base", 10000)
	if k.Err() != nil {
		return nil, k.Err()
	}
	if err := c.readGGUFTensors(f); err != nil {
		return nil, err
	}
	if n := k.Int("vocab_size", c.Vocab); n != c.Vocab {
		k.Fail("vocab_size", "is %d, but token_embd.weight has %d rows", n, c.Vocab)
	}
	c.readGGUFTokens(f)
	if k.Err() != nil {
		return nil, k.Err()
	}
	return c, c.Validate()
}

// readGGUFTensors reads what the tensors say of the architecture.
func (c *Config) readGGUFTensors(f *gguf.File) error {
	embed, ok := f.Tensor("token_embd.weight")
	if !ok {
		return errors.New("token_embd.weight is missing")
	}
	c.Vocab = int(min(embed.Rows(), maxTokens))
	_, untied := f.Tensor("output.weight")
	c.TieEmbeddings = !untied
	factors, ok := f.Tensor("rope_freqs.weight")
	if !ok {
		return nil
	}
	if factors.Type != gguf.F32 || !slices.Equal(factors.Shape, []int64{int64(c.HeadDim / 2)}) {
		return fmt.Errorf("rope_freqs.weight is %v %v, want F32 [%d]", factors.Type, factors.Shape, c.HeadDim/2)
	}
	c.RoPE.Divisors = safetensors.Tensor{DType: safetensors.F32, Data: factors.Data}.Float32s(nil)
	return nil
}

// readGGUFTokens reads the tokens with a meaning. Llama 4 has more that end a text
// than a file has room for, so all that have such a name do, as in llama.cpp.
func (c *Config) readGGUFTokens(f *gguf.File) {
	k := f.Keys("tokenizer.ggml.")
	c.Pad = int32(k.Int("padding_token_id", -1))
	if k.Has("bos_token_id") {
		c.BOS = []int32{int32(k.Int("bos_token_id", 0))}
	}
	for _, name := range []string{"eos_token_id", "eot_token_id", "eom_token_id"} {
		if id := int32(k.Int(name, -1)); id >= 0 && !slices.Contains(c.EOS, id) {
			c.EOS = append(c.EOS, id)
		}
	}
}

// The types of tokens in GGUF files.
const (
	ggufNormal      = 1
	ggufControl     = 3
	ggufUserDefined = 4
	ggufUnused      = 5
)

// GGUFTokenizer returns the tokenizer of a GGUF file, nil if it has none.
func GGUFTokenizer(f *gguf.File) (*tokenizer.Tokenizer, error) {
	k := f.Keys("tokenizer.ggml.")
	if !k.Has("model") {
		return nil, nil
	}
	if model := k.Text("model", ""); model != "gpt2" {
		k.Fail("model", "is %q, want \"gpt2\"", model)
	}
	// Both are the o200k pattern.
	if pre := k.Text("pre", ""); pre != "llama4" && pre != "gpt-4o" {
		k.Fail("pre", "is %q, want \"llama4\"", pre)
	}
	v := &tokenizer.Vocabulary{Tokens: k.RequiredStrings("tokens"), Merges: k.RequiredStrings("merges")}
	types := k.RequiredInts("token_type")
	if len(types) != len(v.Tokens) {
		k.Fail("token_type", "has %d entries, but there are %d tokens", len(types), len(v.Tokens))
	}
	if k.Err() != nil {
		return nil, k.Err()
	}
	for len(types) > 0 && types[len(types)-1] == ggufUnused { // rows of the embedding without a token
		types = types[:len(types)-1]
	}
	v.Tokens, v.Kinds = v.Tokens[:len(types)], make([]tokenizer.Kind, len(types))
	for i, t := range types {
		switch t {
		case ggufNormal:
			v.Kinds[i] = tokenizer.Normal
		case ggufControl, ggufUnused:
			v.Kinds[i] = tokenizer.Special
		case ggufUserDefined:
			v.Kinds[i] = tokenizer.Word
		default:
			return nil, fmt.Errorf("tokenizer.ggml.token_type[%d] is %d, which a byte-level vocabulary does not have", i, t)
		}
	}
	return tokenizer.New(v)
}

// ggufTemplate returns the chat template of a file, nil if it has none.
func ggufTemplate(f *gguf.File, t *tokenizer.Tokenizer, c *Config) (*chat.Template, error) {
	k := f.Keys("tokenizer.")
	source := k.Text("chat_template", "")
	if source == "" || t == nil {
		return nil, k.Err()
	}
	o := chat.Options{Tokens: map[string]string{}}
	for name, ids := range map[string][]int32{"bos_token": c.BOS, "eos_token": c.EOS, "pad_token": {c.Pad}} {
		if len(ids) > 0 && t.IsSpecial(ids[0]) {
			o.Tokens[name] = t.Token(ids[0])
		}
	}
	for id := range int32(t.VocabSize()) {
		if t.IsSpecial(id) {
			o.Special = append(o.Special, t.Token(id))
		}
	}
	return chat.Parse(source, o)
}

// ggufGeneration returns the publisher's sampling defaults, which recent files have.
func ggufGeneration(f *gguf.File, t *tokenizer.Tokenizer, c *Config) (*GenerationConfig, error) {
	k := f.Keys("general.sampling.")
	g := &GenerationConfig{
		DoSample: k.Has("temp"), Temperature: k.Float("temp", 1), TopP: k.Float("top_p", 1), MinP: k.Float("min_p", 0),
		TopK: k.Int("top_k", 0), RepetitionPenalty: k.Float("penalty_repeat", 1), BOS: c.BOS, EOS: slices.Clone(c.EOS), Pad: c.Pad,
	}
	for _, name := range endNames {
		if t == nil {
			break
		}
		if id, ok := t.Special(name); ok && !slices.Contains(g.EOS, id) {
			g.EOS = append(g.EOS, id)
		}
	}
	for _, within := range []struct {
		name   string
		v      float64
		lo, hi float64
	}{{"temp", g.Temperature, 0, 100}, {"top_p", g.TopP, 0, 1}, {"min_p", g.MinP, 0, 1}, {"top_k", float64(g.TopK), 0, maxTokens},
		{"penalty_repeat", g.RepetitionPenalty, 0.01, 100}} {
		if !(within.v >= within.lo && within.v <= within.hi) {
			k.Fail(within.name, "is %v, want %v to %v", within.v, within.lo, within.hi)
		}
	}
	return g, k.Err()
}
