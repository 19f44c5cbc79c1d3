package tokenizer

import "fmt"

// numSpecial is how many special tokens follow the ranks of a tokenizer.model.
const numSpecial = 2048

// llama4Special returns the names of the special tokens that Llama 4 has after
// its ranks, in order of id. Source: llama_models/llama4/tokenizer.py of the
// Python package llama-models.
func llama4Special() []string {
	names := make([]string, 0, numSpecial)
	reserved := func(format string, from, to int) {
		for i := from; i < to; i++ {
			names = append(names, fmt.Sprintf(format, i))
		}
	}
	const (
		text      = "<|text_post_train_reserved_special_token_%d|>"
		vision    = "<|vision_reserved_special_token_%d|>"
		reasoning = "<|reasoning_reserved_special_token_%d|>"
	)
	names = append(names, // 200000 in Llama 4
		"<|begin_of_text|>", "<|end_of_text|>",
		"<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>",
		"<|header_start|>", "<|header_end|>", "<|eom|>", "<|eot|>", "<|step|>")
	reserved(text, 0, 6)
	names = append(names, "<|python_start|>", "<|python_end|>", "<|finetune_right_pad|>")
	reserved(text, 8, 69)

	names = append(names, "<|image_start|>", "<|image_end|>") // 200080
	reserved(vision, 0, 2)
	names = append(names, "<|tile_x_separator|>", "<|tile_y_separator|>")
	reserved(vision, 2, 6)
	names = append(names, "<|image|>")
	reserved(vision, 6, 7)
	names = append(names, "<|patch|>")
	reserved(vision, 7, 1048)

	reserved(reasoning, 0, 8) // 201134
	names = append(names, "<|reasoning_thinking_start|>", "<|reasoning_thinking_end|>")
	reserved("<|reserved_special_token_%d|>", 0, numSpecial-len(names))
	return names
}
