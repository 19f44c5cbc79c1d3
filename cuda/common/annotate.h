// What the emulator should know of memory that is used again, and of a device's end. Nothing on a
// GPU.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace ll4::cuda {

#ifdef __CUDACC__
inline void annotate_undefined(void *, int64_t) {}
inline void annotate_undefined(cudaStream_t, void *, int64_t, int64_t) {}
inline void annotate_given_back(void *, int64_t) {}
inline void annotate_opened() {}
inline cudaError_t annotate_closed() { return cudaSuccess; }
#else
// Memory is taken into use again: its contents are undefined now.
inline void annotate_undefined(void *address, int64_t bytes) {
  simt::mark_unwritten(address, bytes);
}
// The contents are undefined from here on in the stream's work, and what follows them, up to
// `room` bytes, is nobody's.
inline void annotate_undefined(cudaStream_t stream, void *address, int64_t bytes, int64_t room) {
  simt::put_unwritten(stream, address, bytes, room);
}
// Memory is kept, but in use by nobody: an access is an error until it is taken again.
inline void annotate_given_back(void *address, int64_t bytes) {
  simt::mark_given_back(address, bytes);
}
// A device begins, and has given back all that it took. The error says what it has not, or what
// failed and nobody was told.
inline void annotate_opened() { simt::device_opened(); }
inline cudaError_t annotate_closed() { return simt::device_closed(); }
#endif

}  // namespace ll4::cuda
