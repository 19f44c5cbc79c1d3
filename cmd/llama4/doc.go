// Command llama4 runs Llama 4 models: text generation, chat, scoring, and what
// goes with them.
//
//	llama4 generate "Tell me a story about a fox."
//	llama4 chat -m ~/models/Llama-4-Scout-17B-16E-Instruct
//	llama4 score --jsonl <requests.jsonl >answers.jsonl
//	llama4 perplexity --text FILE
//	llama4 quantize -m DIR -o NEW --quant int4
//	llama4 inspect -m DIR, llama4 devices, llama4 bench, llama4 tokenize
//
// Without -m it uses the small demo model that is built in. Answers go to
// standard output, all that is meant for people only to standard error; with
// --json or --jsonl standard output carries JSON alone.
//
// The exit status is 0 when all was done, 1 when something failed, 2 for wrong
// usage, 130 when Ctrl-C ended the command and 143 when SIGTERM did. A failure is
// one line on standard error. Each command's --help says the rest.
package main
