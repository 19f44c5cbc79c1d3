// Package jinja runs the Jinja chat templates that come with model checkpoints.
//
// It implements the language as transformers sets it up (chat_template_utils.py of transformers 4.57, jinja2 3.1): an
// immutable sandbox with trim_blocks, lstrip_blocks, the loop controls break and continue, the generation tag, and the
// globals raise_exception and tojson. Values print, compare and add up as Python's do, and using an undefined value, a
// None in a concatenation or a missing list element is the error that it is in Python, not an empty string.
//
// A template is foreign code, so a render is bounded: it looks at its context and deadline while it works, counts the
// bytes that it creates, refuses deep recursion, and can name no file, module or Go value that it was not given. It
// starts no goroutines. Every failure is an error that names the template line.
//
// What is left out, each with an error that names it: include, import, extends and block (a checkpoint's template is one
// file), autoescaping and Markup (safe does nothing), *args in calls, and the filters that no chat template needs
// (groupby, pprint, random, urlize, wordwrap, xmlattr and the like).
//
// # Marks
//
// Text typed by a user must never turn into a special token, though the template that writes it next to real ones does
// not know the difference. [Protect] therefore replaces the characters that matter by single bytes that never occur in
// UTF-8. Length, slices, case and trimming are unchanged by that; comparison and search read a mark as the character it
// stands for; [Unmark] puts the characters back.
package jinja
