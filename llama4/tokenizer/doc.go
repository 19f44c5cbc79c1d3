// Package tokenizer turns text into the token ids of Llama 4 and back.
//
//	t, err := tokenizer.Open("model") // a folder, a tokenizer.json or a tokenizer.model
//	ids := t.Encode("Hello")          // special tokens in the text are plain text
//	text := t.Decode(ids)
//
// # Files
//
// Two kinds are read, and the same vocabulary gives the same ids from either:
// Hugging Face's tokenizer.json with a byte-level BPE, and Meta's
// tokenizer.model, the ranks of tiktoken, after which the 2,048 special tokens
// of Llama 4 follow. Open tells them apart by their contents. A file that asks
// for something else (another model or pattern, a normalizer, dropout) or that
// is damaged (a byte without a token, a merge of unknown tokens, ids twice, out
// of range or with holes) is refused with an error that names the field or the
// line.
//
// A Tokenizer does not change once it is loaded and may be used by any number
// of goroutines. No call adds a token of its own: a caller that wants
// <|begin_of_text|> in front appends its id.
//
// # Text from users
//
// [Tokenizer.Encode] never gives the id of a special token, whatever the text
// spells. [Tokenizer.EncodeSpecial] reads them; it and
// [Tokenizer.SplitSpecial] are for prompts that a program has put together.
// Added tokens that are not special are ordinary words and found by all three.
//
// # How text is cut
//
// The o200k pattern cuts text into pieces, and byte pair encoding makes each
// piece into tokens. The scanner is written by hand and linear; pieces of any
// length take time n log n. Characters are classified with Unicode 16.0, as
// tiktoken 0.14 and Hugging Face tokenizers 0.22 do; characters added to
// Unicode later belong to no class there, and so it is here.
//
// The ids equal those of tiktoken and of Hugging Face tokenizers on any valid
// text. Meta's Python class also cuts a text every 400,000 characters, and after
// 25,000 characters of white space or of anything else, because its regular expressions
// overflow; there is no need for that here, so only such texts may differ from
// it.
//
// # Bytes that are not UTF-8
//
// The Python libraries take no such text. Here, the bytes come through one by
// one: what [Tokenizer.Bytes] returns for the ids of a text always makes up the
// text. For the pattern, each maximal ill-formed subpart is one character of no
// class, as U+FFFD is. [Tokenizer.Decode] and [Decoder] put U+FFFD in the place
// of each maximal ill-formed subpart, as errors="replace" does in Python.
package tokenizer
