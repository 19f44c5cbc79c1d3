// Package llama4 runs Llama 4 models from checkpoints in Hugging Face's layout.
//
// [Open] loads a folder onto a device, and [Model.Generate] streams an answer:
//
//	m, err := llama4.Open(ctx, "Llama-4-Scout-17B-16E-Instruct", nil)
//	if err != nil {
//		return err
//	}
//	defer m.Close()
//
//	request := &llama4.Request{Messages: []chat.Message{{Role: "user", Content: chat.Text("Hello!")}}}
//	for piece, err := range m.Generate(ctx, request) {
//		if err != nil {
//			return err
//		}
//		fmt.Print(piece.Text)
//	}
//
// [Model.Complete] is the same, collected; [Model.Score] gives the probability of
// a given text; a [Session] keeps a conversation's cache between requests. A
// Model is safe for concurrent use.
//
// # From a folder to a model
//
// A checkpoint is a folder, or any other [io/fs.FS]. [LoadConfig] reads its
// config.json strictly: an architecture, size or combination that cannot be run
// is an error that names the field. [Config.Plan] says what each layer does, and
// nothing else decides that. [LoadWeights] binds the tensors of a
// [github.com/llama4go/llama4go/llama4/safetensors.Checkpoint] to [Weights],
// whose tags carry every tensor's name and shape, so that missing, unused and
// misshapen tensors are errors. On a device that shares the host's memory the
// weights are the mapped file itself. [LoadGenerationConfig] reads the
// publisher's sampling defaults, which a [Request] may replace.
//
// # GGUF files
//
// [Open] also takes a file that llama.cpp's tools made, for text. [GGUFConfig],
// [GGUFTokenizer] and [DescribeGGUF] read it. Linear layers keep their quantized
// values; the embedding table and routers are read in bf16, to which other types are
// rounded. Such files do not say how long a chunk is, which layers are without
// positions, or how queries are scaled by theirs: that is as llama.cpp has it in its
// sources, which fits the published models, and a model of another kind only as far
// as these do not matter.
//
// # Sequences, batches and the cache
//
// Underneath, text lives in a [Sequence], whose keys and values are pages of one
// KV cache. [Model.Forward] appends tokens to any number of sequences in one pass
// (a ragged batch: one may take a piece of its prompt while others take their
// next token) and hands the logits that are wanted to a visitor. Layers that
// attend within a chunk give a sequence's pages back when the chunk is over, so
// with Scout's 8,192 tokens a chunk 36 of 48 layers stop growing there.
// [Model.Prefill] cuts a long prompt into pieces of bounded size. [Model.Next] is
// Forward with a sampler for each sequence: the device chooses the tokens, and they
// alone are read back.
//
// On the CPU a sequence's logits depend on its own tokens only: not on the batch
// around it, nor on how its prompt was cut, nor on the number of threads; to the
// last bit. On a GPU the last bits depend on the sizes of the batch.
//
// Where the device records graphs, a step with one token for each sequence is
// recorded the second time that there is one of its kind (so many sequences, a
// bound of the context) and is a single launch from then on.
//
// # Precision
//
// [Options.Compute] ComputeF32 computes in fp32 throughout, and agrees with the
// reference implementation in fp32. ComputeAuto, the default, keeps the cache in
// bf16 and rounds the operands of matrix products to bf16 where the device
// multiplies bf16 natively; sums are always fp32. A GPU computes with activations
// in bf16, but for the residual stream, and not in ComputeF32.
//
// # Quantization
//
// [Options.Quant] quantizes the linear layers of a BF16 checkpoint while it is loaded,
// a piece at a time, so that memory holds what comes of it and little more. Checkpoints
// that are quantized already, by compressed-tensors or ModelOpt, are recognised by
// their config.json: [Linear] says how each layer is stored, and package quant what
// schemes there are. Where a scheme rounds activations to 8-bit floats, so does every
// device, in ComputeF32 as well. [Options.KVCache] keeps keys and values in 8 or 4 bits.
//
// The rules are those of transformers 4.57 (models/llama4), the reference
// implementation; where its code ignores a field of config.json, so does this
// package, unless the documentation of [Config] says otherwise. When a model
// disagrees with it, a [Tap] finds the first wrong tensor.
package llama4
