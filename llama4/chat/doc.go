// Package chat turns conversations into prompts with the Jinja chat template that comes with a checkpoint.
//
//	t, err := chat.Load(os.DirFS("model"))
//	p, err := t.Render(ctx, chat.Input{
//		Messages:            []chat.Message{{Role: "user", Content: chat.Text("Hello")}},
//		AddGenerationPrompt: true,
//	})
//	ids := p.Encode(tokenizer)
//
// Rendering follows transformers' apply_chat_template: the same whitespace rules, the same tojson, raise_exception and
// strftime_now, the same errors where a template uses what is not there, and the special tokens of tokenizer_config.json
// as variables. [Message] reads the JSON of Hugging Face and OpenAI clients.
//
// # Special tokens
//
// A template writes special tokens such as <|eot|> as text between the texts of the users, and the reference reads
// whatever looks like one as one. Here what comes from outside the template (message texts, tool results and names, tool
// descriptions, the extra variables, keys and values alike) stays plain text: before the template runs, the characters
// that would form a special token are marked in it, [Prompt.Encode] reads special tokens only where no mark stands, and
// [Prompt.String] shows the text without marks. A template may still build a token's name from a role, as in
// "<|" + role + "|>". Protected are all names of the form <|name|>, and those of other forms that tokenizer_config.json
// lists as special, provided they hold one of the characters < | [ { ( # $ @ _ ~ /; a name without any of these is never
// read from a prompt.
//
// # Limits
//
// A template is foreign code. It sees nothing but its input, and a render ends with an error that wraps [ErrLimit] when
// it runs longer than two seconds (unless [Options] says otherwise), creates too much text, recurses too deeply or asks
// for a range of more than 100,000 elements; it also ends with its context. No goroutine is started.
package chat
