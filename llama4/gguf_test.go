package llama4

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llama4go/llama4go/bindings"
	"github.com/llama4go/llama4go/llama4/chat"
	"github.com/llama4go/llama4go/llama4/demo"
	"github.com/llama4go/llama4go/llama4/gguf"
	"github.com/llama4go/llama4go/llama4/quant"
	"github.com/llama4go/llama4go/llama4/safetensors"
	"github.com/llama4go/llama4go/llama4/tokenizer"
)

const ggufModel = "gguf/model.gguf"

// TestGGUFGoldens answers as the reference does with the weights that the Python
// package gguf makes of the file. Every type of tensor is in it.
func TestGGUFGoldens(t *testing.T) {
	g := loadGolden(t, filepath.Join("testdata", "gguf", "goldens.json"))
	m := openTest(t, ggufModel, parity())
	largest := 0.0
	for _, item := range g.Score {
		largest = max(largest, requireScore(t, m, &Prompt{Tokens: item.InputIDs}, &item))
	}
	t.Logf("largest difference %.1e", largest)
	requireGreedy(t, m, g, parityTolerance)
}

// TestGGUFAuto answers nearly the same where activations are rounded to 8 bits, as
// llama.cpp does it.
func TestGGUFAuto(t *testing.T) {
	g := loadGolden(t, filepath.Join("testdata", "gguf", "goldens.json"))
	o := parity()
	o.Compute = bindings.ComputeAuto
	m := openTest(t, ggufModel, o)
	for _, item := range g.Score {
		s, err := m.Score(context.Background(), &Prompt{Tokens: item.InputIDs}, 0)
		require.NoError(t, err)
		largest, sum := distance(t, s.LogProbs, item.LogProbs)
		t.Logf("prompt %d: largest difference %.2g, mean %.2g", item.ID, largest, sum/float64(max(len(item.LogProbs), 1)))
		// 8 bits of x are a relative error of 0.4% at most of the largest of 32, which a
		// random model of four layers carries to a few hundredths, and a router near a tie
		// to more in a few tokens. A wrong scale moves a log-probability by about 5.
		require.LessOrEqual(t, sum, 0.2*float64(max(len(item.LogProbs), 1)), "prompt %d", item.ID)
	}
}

func openGGUF(t *testing.T) *gguf.File {
	t.Helper()
	f, err := gguf.Open(filepath.Join("testdata", ggufModel))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func TestGGUFConfig(t *testing.T) {
	c, err := GGUFConfig(openGGUF(t))
	require.NoError(t, err)
	divisors := c.RoPE.Divisors
	c.RoPE.Divisors = nil
	require.Equal(t, &Config{
		Vocab: 764, Hidden: 256, Layers: 4, Heads: 4, KVHeads: 1, HeadDim: 32, Intermediate: 64, IntermediateMLP: 256,
		Experts: 4, ExpertsPerToken: 1, MaxPositions: 4096, Chunk: 8192, Eps: 1e-5, QKNorm: true,
		RoPE: RopeConfig{Theta: 500000}, TemperatureTuning: true, AttnScale: 0.1, FloorScale: 8192,
		NoRopeInterval: 4, MoEStep: 2, BOS: []int32{747}, EOS: []int32{753}, Pad: 757,
	}, c)

	// The divisors give the frequencies of the config that the file was made from, but for
	// the order of two roundings.
	scaled := RopeConfig{Theta: 500000, Llama3: true, Factor: 8, LowFreqFactor: 1, HighFreqFactor: 4, Original: 64}
	divided := RopeConfig{Theta: 500000, Divisors: divisors}
	got := divided.InvFreq(32)
	for i, want := range scaled.InvFreq(32) {
		require.InEpsilon(t, want, got[i], 3e-7)
	}
	plain := RopeConfig{Theta: 500000}
	require.NotEqual(t, plain.InvFreq(32), got)
}

// TestGGUFTokenizer has the ids of the tokenizer.json that the file was made from.
func TestGGUFTokenizer(t *testing.T) {
	got, err := GGUFTokenizer(openGGUF(t))
	require.NoError(t, err)
	want, err := tokenizer.OpenFS(demo.FS())
	require.NoError(t, err)
	require.Equal(t, want.VocabSize(), got.VocabSize())
	for id := range int32(want.VocabSize()) {
		require.Equal(t, want.Token(id), got.Token(id))
		require.Equal(t, want.IsSpecial(id), got.IsSpecial(id), want.Token(id))
	}
	for _, item := range loadGolden(t, "testdata/demo_goldens.json").Greedy {
		for _, text := range []string{item.Text, item.Prompt, "<|eot|>Ünïcode: 你好 🦊\r\n\t'LL" + item.Text} {
			require.Equal(t, want.Encode(text), got.Encode(text))
			require.Equal(t, want.EncodeSpecial(text), got.EncodeSpecial(text))
		}
	}
}

// TestGGUFTemplate renders as the template of the folder does, and stops at all
// tokens that end a turn, of which the file names one.
func TestGGUFTemplate(t *testing.T) {
	m := openTest(t, ggufModel, parity())
	folder, err := chat.Load(demo.FS())
	require.NoError(t, err)
	in := chat.Input{AddGenerationPrompt: true, Messages: []chat.Message{
		{Role: "system", Content: chat.Content{Text: "Be kind."}}, {Role: "user", Content: chat.Content{Text: "<|eot|> Hi"}},
	}}
	want, err := folder.Render(context.Background(), in)
	require.NoError(t, err)
	got, err := m.Template().Render(context.Background(), in)
	require.NoError(t, err)
	require.Equal(t, want.Encode(m.Tokenizer()), got.Encode(m.Tokenizer()))
	eos := m.eos()
	slices.Sort(eos)
	require.Equal(t, []int32{748, 752, 753}, eos)
	g := m.GenerationConfig()
	require.True(t, g.DoSample)
	require.InDelta(t, 0.6, g.Temperature, 1e-6)
	require.InDelta(t, 0.9, g.TopP, 1e-6)
}

// TestGGUFStored keeps every layer as it is stored; a stack of two types is one of
// the wider.
func TestGGUFStored(t *testing.T) {
	f := openGGUF(t)
	c, err := GGUFConfig(f)
	require.NoError(t, err)
	w, err := DescribeGGUF(c, f)
	require.NoError(t, err)
	require.Equal(t, "Q4_K and Q5_K", w.Layers[1].MoE.GateUp.Scheme.Name)
	require.Equal(t, gguf.Q5_K.Format(), w.Layers[1].MoE.GateUp.Scheme.Format)
	require.Equal(t, gguf.Q4_K.Format(), w.Layers[3].MoE.GateUp.Scheme.Format)
	require.Equal(t, "Q6_K", w.Head.Scheme.Name)
	require.False(t, w.Layers[3].Attn.K.Scheme.Quantized())
	require.Equal(t, safetensors.F32, w.Norm.DType)
	require.Equal(t, safetensors.BF16, w.Embed.DType)
	require.Nil(t, w.Embed.Data)
	require.Equal(t, int64(2*764*256), w.LoadedBytes(quant.Preset{})[PartEmbedding])
	total := int64(0)
	for _, s := range w.Tensors() {
		total += s.Bytes()
	}
	rope, _ := f.Tensor("rope_freqs.weight")
	require.Equal(t, f.Bytes()-int64(len(rope.Data)), total)
}

// patched writes the test's file with the value of a key changed, or the key or a
// tensor renamed.
func patched(t *testing.T, change func(data []byte) []byte) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", ggufModel))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "patched.gguf")
	require.NoError(t, os.WriteFile(path, change(data), 0o600))
	return path
}

// set changes the 32 bits after a key and its type.
func set(key string, value uint32) func([]byte) []byte {
	return func(data []byte) []byte {
		at := bytes.Index(data, []byte(key)) + len(key) + 4
		binary.LittleEndian.PutUint32(data[at:], value)
		return data
	}
}

// rename replaces all of a text by another of the same length.
func rename(old, with string) func([]byte) []byte {
	return func(data []byte) []byte { return bytes.ReplaceAll(data, []byte(old), []byte(with)) }
}

func TestGGUFFaults(t *testing.T) {
	for want, change := range map[string]func([]byte) []byte{
		`general.architecture is "llama5", want "llama4"`:                  rename("llama4", "llama5"),
		"llama4.block_count is missing, want a whole number":               rename("llama4.block_count", "llama4.block_xount"),
		"llama4.attention.value_length is 31, want 32":                     set("llama4.attention.value_length", 31),
		"llama4.rope.dimension_count is 16, want 32":                       set("llama4.rope.dimension_count", 16),
		"llama4.vocab_size is 765, but token_embd.weight has 764 rows":     set("llama4.vocab_size", 765),
		"num_hidden_layers is 100000, want 1 to 1024":                      set("llama4.block_count", 100000),
		"rms_norm_eps is 2, want a number between 0 and 1":                 set("llama4.attention.layer_norm_rms_epsilon", math.Float32bits(2)),
		"token_embd.weight is missing":                                     rename("token_embd.weight", "token_xmbd.weight"),
		"rope_freqs.weight is F32 [15], want F32 [16]":                     set("rope_freqs.weight", 15),
		"blk.3.ffn_norm.weight is missing, want [256]":                     rename("blk.3.ffn_norm.weight", "blk.3.ffn_xorm.weight"),
		"blk.3.ffn_xorm.weight, F32 [256], is not a tensor of this model":  rename("blk.3.ffn_norm.weight", "blk.3.ffn_xorm.weight"),
		"blk.0.ffn_gate.weight is Q4_K [256 256], want [257 256]":          set("llama4.feed_forward_length", 257),
		"blk.3.ffn_gate_exps.weight is Q4_K [4 64 256], want [4 65 256]":   set("llama4.expert_feed_forward_length", 65),
		"blk.4.attn_norm.weight is missing, want [256]":                    set("llama4.block_count", 5),
		`tokenizer.ggml.model is "gptx", want "gpt2"`:                      rename("gpt2", "gptx"),
		"tokenizer.ggml.merges is missing, want a list of strings":         rename("tokenizer.ggml.merges", "tokenizer.ggml.xerges"),
		"general.sampling.temp is -1, want 0 to 100":                       set("general.sampling.temp", math.Float32bits(-1)),
		"tokenizer.chat_template is a list of 4922, want a string":         listTemplate,
		"tokenizer.ggml.token_type[0] is 6, which a byte-level vocabulary": firstTokenType(6),
	} {
		_, err := Open(context.Background(), patched(t, change), &Options{Device: "cpu"})
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "patched.gguf: ")
		require.NotContains(t, err.Error(), "\n")
	}
	_, err := Open(context.Background(), "gguf_test.go", nil)
	require.EqualError(t, err, `gguf_test.go: not a GGUF file: it does not begin with "GGUF"`)
}

// firstTokenType changes the type of token 0.
func firstTokenType(typ uint32) func([]byte) []byte {
	const key = "tokenizer.ggml.token_type"
	return func(data []byte) []byte {
		// The type of the value, of its elements, and their number come before them.
		at := bytes.Index(data, []byte(key)) + len(key) + 4 + 4 + 8
		binary.LittleEndian.PutUint32(data[at:], typ)
		return data
	}
}

// listTemplate makes the chat template a list of bytes.
func listTemplate(data []byte) []byte {
	const key = "tokenizer.chat_template"
	at := bytes.Index(data, []byte(key)) + len(key)
	n := binary.LittleEndian.Uint64(data[at+4:]) // of the text
	binary.LittleEndian.PutUint32(data[at:], 9)
	binary.LittleEndian.PutUint32(data[at+4:], 0)
	binary.LittleEndian.PutUint64(data[at+8:], n-4)
	return data
}

// FuzzGGUF reads arbitrary metadata. What is accepted is a model that can be run.
func FuzzGGUF(f *testing.F) {
	data, err := os.ReadFile(filepath.Join("testdata", ggufModel))
	require.NoError(f, err)
	data = data[:bytes.Index(data, []byte("output.weight"))-8] // the metadata alone
	binary.LittleEndian.PutUint64(data[8:], 0)                 // no tensors
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := gguf.Parse("fuzz", data)
		if err != nil {
			return
		}
		tokens, _ := GGUFTokenizer(file)
		c, err := GGUFConfig(file)
		if err != nil {
			c = &Config{}
		} else if w, err := DescribeGGUF(c, file); err == nil {
			require.NotEmpty(t, w.Tensors())
		}
		_, _ = ggufTemplate(file, tokens, c)
		_, _ = ggufGeneration(file, tokens, c)
	})
}
