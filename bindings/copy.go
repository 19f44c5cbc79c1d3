package bindings

/*
#include "lib.h"

#cgo noescape llama4_write
#cgo nocallback llama4_write
static ll4_status llama4_write(const ll4_api *api, ll4_stream *stream, ll4_buffer *buffer,
                               int64_t offset, const void *host, int64_t bytes,
                               ll4_error *error) {
  return api->write(stream, buffer, offset, host, bytes, error);
}

#cgo noescape llama4_read
#cgo nocallback llama4_read
static ll4_status llama4_read(const ll4_api *api, ll4_stream *stream, const ll4_buffer *buffer,
                              int64_t offset, void *host, int64_t bytes, ll4_error *error) {
  return api->read(stream, buffer, offset, host, bytes, error);
}

#cgo noescape llama4_copy
#cgo nocallback llama4_copy
static ll4_status llama4_copy(const ll4_api *api, ll4_stream *stream, ll4_buffer *dst,
                              int64_t dst_offset, const ll4_buffer *src, int64_t src_offset,
                              int64_t bytes, ll4_error *error) {
  return api->copy(stream, dst, dst_offset, src, src_offset, bytes, error);
}
*/
import "C"

import (
	"runtime"
	"strings"
	"unsafe"

	"github.com/x448/float16"
)

// Write copies src to t, which must have its type and as many elements. The
// memory of src may be reused when Write returns.
func Write[T Element](s *Stream, t Tensor, src []T) error {
	c := begin(s, "write")
	c.elements(&t, dtypeOf[T](), len(src))
	return c.write(s, t.Buffer, t.Offset, unsafe.Pointer(unsafe.SliceData(src)), t.Bytes())
}

// Read copies t to dst, which must have its type and as many elements. It waits
// for the work on the stream: the elements are there when Read returns.
func Read[T Element](s *Stream, t Tensor, dst []T) error {
	c := begin(s, "read")
	c.elements(&t, dtypeOf[T](), len(dst))
	return c.read(s, t.Buffer, t.Offset, unsafe.Pointer(unsafe.SliceData(dst)), t.Bytes())
}

// ReadFloat32s reads a tensor of any floating-point type as float32.
func ReadFloat32s(s *Stream, t Tensor) ([]float32, error) {
	out := make([]float32, t.Elements())
	switch t.DType {
	case F32:
		return out, Read(s, t, out)
	case BF16:
		raw := make([]BFloat16, len(out))
		err := Read(s, t, raw)
		for i, v := range raw {
			out[i] = v.Float32()
		}
		return out, err
	case F16:
		raw := make([]float16.Float16, len(out))
		err := Read(s, t, raw)
		for i, v := range raw {
			out[i] = v.Float32()
		}
		return out, err
	}
	return nil, invalid("read", "tensor is %v, want a floating-point type", t.DType)
}

// WriteBytes copies src to b from a byte offset on, as Write does.
func (s *Stream) WriteBytes(b *Buffer, offset int64, src []byte) error {
	c := begin(s, "write")
	return c.write(s, b, offset, unsafe.Pointer(unsafe.SliceData(src)), int64(len(src)))
}

// ReadBytes copies b from a byte offset on to dst, as Read does.
func (s *Stream) ReadBytes(b *Buffer, offset int64, dst []byte) error {
	c := begin(s, "read")
	return c.read(s, b, offset, unsafe.Pointer(unsafe.SliceData(dst)), int64(len(dst)))
}

// Copy copies src to dst, which has the same type and number of elements, within
// the device. The two may not overlap.
func (s *Stream) Copy(dst, src Tensor) error {
	c := begin(s, "copy")
	c.present("dst", &dst)
	c.present("src", &src)
	if c.err == nil && (dst.DType != src.DType || dst.Elements() != src.Elements()) {
		c.err = invalid(c.op, "src: %v, want the elements of %v", src, dst)
	}
	to, from := c.buffer("dst", dst.Buffer), c.buffer("src", src.Buffer)
	if c.err != nil || dst.Bytes() == 0 {
		return c.err
	}
	status := C.llama4_copy(c.api, c.stream, to, C.int64_t(dst.Offset), from, C.int64_t(src.Offset),
		C.int64_t(dst.Bytes()), &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(dst.Buffer)
	runtime.KeepAlive(src.Buffer)
	return c.end(status)
}

func (c *call) write(s *Stream, b *Buffer, offset int64, host unsafe.Pointer, bytes int64) error {
	buffer := c.buffer("buffer", b)
	if c.err != nil || bytes == 0 {
		return c.err
	}
	status := C.llama4_write(c.api, c.stream, buffer, C.int64_t(offset), host, C.int64_t(bytes), &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(b)
	return c.end(status)
}

func (c *call) read(s *Stream, b *Buffer, offset int64, host unsafe.Pointer, bytes int64) error {
	buffer := c.buffer("buffer", b)
	if c.err != nil || bytes == 0 {
		return c.err
	}
	status := C.llama4_read(c.api, c.stream, buffer, C.int64_t(offset), host, C.int64_t(bytes), &c.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(b)
	return c.end(status)
}

// present checks that a tensor is there and well made.
func (c *call) present(field string, t *Tensor) {
	switch {
	case t.Buffer == nil:
		c.fail(field, "absent")
	case t.bad != nil:
		c.fail(field, strings.Clone(t.bad.message))
	}
}

// elements checks that a slice of n elements fits a tensor.
func (c *call) elements(t *Tensor, dtype DType, n int) {
	c.present("tensor", t)
	if c.err == nil && (t.DType != dtype || t.Elements() != int64(n)) {
		c.err = invalid(c.op, "slice of %d %v, want the elements of %v", n, dtype, *t)
	}
}
