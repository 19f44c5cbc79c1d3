// Package safetensors reads and writes tensors in the safetensors format
// (https://github.com/huggingface/safetensors): eight bytes of header length,
// a JSON header that gives every tensor's type, shape and place, then the
// tensors' bytes.
//
// [Open] maps one file and [OpenDir] or [OpenFS] a checkpoint folder in Hugging
// Face's layout, sharded or not. Nothing is copied: a [Tensor]'s Data points
// into the mapping, so opening costs the headers only and pages are read when
// they are used. [Parse] reads a file that is in memory already, and
// [OpenHeaders] reads headers without data.
//
// # Checks
//
// Every header is checked in full before a tensor is handed out: the header's
// length against the file and against 100 MB, UTF-8, JSON with duplicate keys
// refused, shape times type against the byte range, and that the tensors cover
// the data without overlap, hole or rest. So a truncated shard is refused when it
// is opened, not when its last page is touched. What breaks the format is a
// [*FormatError] that names the file and the tensor.
//
// # Alignment
//
// Data starts at an address that is a multiple of the element size, and of
// nothing more: files written by [Write] and by recent Hugging Face libraries
// start their data at a multiple of 8, older files anywhere. A tensor whose
// place in the file is not a multiple of its element size is copied to aligned
// memory when the file is opened; all others are views.
//
// # Lifetime
//
// Data is valid until Close. Reading it afterwards faults, as does reading it
// after another process has shortened the file: replace checkpoints by renaming,
// never by writing into them. There is no finalizer, because a slice of a
// mapping does not keep its File alive. All methods but Close may be called from
// several goroutines.
package safetensors
