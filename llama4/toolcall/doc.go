// Package toolcall finds the calls of tools in what Llama 4 writes, as a whole or while it is written.
//
//	tools, err := toolcall.ReadTools(request.Tools)
//	r := toolcall.Parse(text, toolcall.Options{Tools: tools})
//	messages = append(messages, r.Message())
//	for _, c := range r.Calls {
//		messages = append(messages, c.Reply(run(c.Name, c.Arguments)))
//	}
//
// # Forms
//
// The model writes calls in two forms, and both may stand between other text:
//
//	[get_weather(city="Paris", days=[1, 2]), now()]
//	{"name": "get_weather", "parameters": {"city": "Paris", "days": [1, 2]}}
//
// The values of the first form, which Meta trained, are Python literals: strings (with any quotes, the prefixes r and u,
// escapes other than \N, written side by side), numbers, True, False, None, lists, tuples and dictionaries. An argument
// without a name gets that of the tool's parameter at its place, if [Options] has the tool. The second form is what Hugging
// Face's template asks for. "arguments" may stand for "parameters", "type": "function" and an "id" beside them, and all may
// be wrapped as {"type": "function", "function": {...}}; several objects follow each other, with white space, a comma or
// a semicolon between, or in a list. Where a value is clear the form does not matter: JSON's true in Python, Python's quotes
// in JSON, a line break in a string.
//
// [Call.Arguments] is compact JSON. A number is kept as it is written if JSON writes it so, else converted exactly (1_000,
// 0xFF, .5), and bytes that are not UTF-8 become U+FFFD.
//
// # What stays text
//
// Everything else is text, to the byte: lists, links, JSON of another shape with all that is in it, lists with an
// element that is no call, unknown names if the tools are given, what stands in code (fenced or in backquotes), a list
// right after a letter, digit, closing bracket or backslash, as in a[f(x=1)], values that are not literals (NaN, names,
// sums, sets, bytes), an argument given twice in Python's form, more than 100 levels of brackets, a form over 1 MiB.
//
// White space after a call is no content, and neither is the separator between two calls, nor white space that alone stands
// before the first call. White space between a text and the call after it is content.
//
// # Streaming
//
// A [Parser] takes the text in pieces, cut anywhere, and tells at once what is certain. What it tells adds up to what
// [Parse] returns. When the tools are given, a call is certain as soon as its name, its parenthesis and the start of its
// first value are there: from then on its arguments are told as they come. What begins as such a call but goes wrong, or
// ends before its end, can not be taken back: it is an incomplete [Call] with the arguments so far, which must not be run,
// and the text from the fault on is content. What breaks off earlier is content. Without the tools, [f(a=1) for a in b] may
// be anybody's code, so that a form is told only when its last bracket is there and until then may still become text.
//
// The special tokens around calls, <|python_start|> and <|python_end|>, leave no trace in decoded text, and calls are found
// without them. [Parser.Special] takes them where they are known: a call may then follow a word without space, and code
// that was left open before them does not hide it. The same names written as text are text.
package toolcall
