// Package gguf reads models in the GGUF format of llama.cpp
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), versions 2 and 3:
// metadata, and tensors in plain or quantized types.
//
//	f, err := gguf.Open("model-Q4_K_M.gguf")
//	t, ok := f.Tensor("blk.0.attn_q.weight")
//	rows, err := t.Unpack(t.Type.Format())
//
// [Open] maps a file, and with the first part of a split model the other parts
// beside it; [Parse] reads a file that is in memory.
//
// # Checks
//
// Everything that a header says is checked before a tensor is handed out, against
// the bytes that are there: counts and lengths before anything is allocated, types
// of values, shapes for overflow and whole blocks, offsets for alignment and for
// tensors that follow each other without hole or overlap, as llama.cpp wants them.
// What breaks the format is a [*FormatError] that names the file and the tensor.
// Time and memory to read a header are linear in its size.
//
// # Types
//
// Read are F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K, which
// is all that llama.cpp's file types Q4_0 to Q8_0 and Q4_K_S to Q6_K hold. A
// quantized weight is scale*q + offset with q of 4 or 8 bits, and a scale, and for
// some types an offset, for each 16 or 32 values of a row. [Type.Format] says which,
// and [Tensor.Unpack] yields the rows that way.
//
// Unpacking loses nothing: with scale and offset in fp32, scale*q is exact, and the
// weight is what llama.cpp and its Python package gguf compute, bit for bit. There
// is one exception. Q4_K and Q4_1 count from 0 to 15, while the 4-bit element here
// counts from -8 to 7; their offsets become offset + 8*scale, rounded once to fp32.
// So a weight may differ by half a unit in the last place of that offset and by one
// of its own: see TestUnpack.
//
// # Lifetime
//
// Data and values are views of the file and valid until Close: see
// [github.com/llama4go/llama4go/llama4/safetensors].
package gguf
