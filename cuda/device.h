// The CUDA device: host side. The same sources make libllama4_cuda and, with the emulator's
// cuda_runtime.h, libllama4_simt.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <mutex>
#include <vector>

#include "../csrc/backend.h"
#include "../csrc/dtype.h"
#include "common/fault.cuh"
#include "common/narrow.cuh"

namespace ll4::cuda {

// Throws what a failed call of the runtime means, with what was being done.
void check(cudaError_t error, const char *doing);

// Allocations kept for reuse. Memory given back is free at once: cudaFree's implicit wait for the
// device is done here, too.
class Pool {
 public:
  void *take(int64_t bytes);
  void give(void *address) noexcept;
  // Gives what is free back to the system.
  void drop_free() noexcept;
  // Between these a graph is recorded, and nothing may wait for the device.
  void begin_recording();
  void end_recording() noexcept;

 private:
  struct Block {
    void *address;
    int64_t bytes;
  };
  std::mutex mutex_;
  // Moves what waits to free_, when the device is idle; the mutex is held.
  void reclaim() noexcept;
  std::vector<Block> used_, waiting_, free_;
  int recordings_ = 0;
  int64_t free_bytes_ = 0;
};

struct Device final : ll4_device {
  explicit Device(int index);
  void close() override;
  void get_info(ll4_device_info &info) override;
  void *allocate(int64_t bytes) override;
  void release(void *address) noexcept override;
  ll4_stream *new_stream() override;
  ll4_stream *wrap_stream(void *native) override;
  ll4_event *new_event() override;
  // Makes this the thread's device: every entry from api.cpp may come from another thread.
  void use() const { check(cudaSetDevice(index), "cudaSetDevice"); }

  const int index;
  cudaDeviceProp properties{};
  Pool pool;
};

struct Stream final : ll4_stream {
  Stream(Device &owner, cudaStream_t native_stream, bool owned);
  ~Stream() override;
  void *native() const override { return native_; }
  void synchronize() override;
  void write(void *device_address, const void *host, int64_t bytes) override;
  void read(const void *device_address, void *host, int64_t bytes) override;
  void copy(void *dst, const void *src, int64_t bytes) override;
  void begin_graph() override;
  ll4_graph *end_graph() override;

  // Memory for an operation's intermediate results, valid until the next call of it on this stream:
  // an operation takes all it needs at once. What a graph was recorded with never moves.
  void *scratch(int64_t bytes);
  template <class T>
  T *scratch(int64_t n) {
    return static_cast<T *>(scratch(n * static_cast<int64_t>(sizeof(T))));
  }
  Device &cuda() const { return static_cast<Device &>(device); }
  cudaStream_t get() const { return native_; }
  Fault *fault() const { return fault_; }
  std::mutex running;  // held by the operation that is being put on the stream
  int multiprocessors() const { return cuda().properties.multiProcessorCount; }

 private:
  cudaStream_t native_;
  bool owned_;
  Fault *fault_ = nullptr;  // in device memory
  std::vector<void *> scratch_;
  int64_t scratch_bytes_ = 0;
};

// An operation's first line: its stream, with the thread on the right device.
inline Stream &begin(ll4_stream &stream) {
  auto &s = static_cast<Stream &>(stream);
  s.cuda().use();
  return s;
}

// The device address of a tensor's first element; null when it is absent.
template <class T>
T *data(const ll4_tensor &t) {
  return t.buffer ? reinterpret_cast<T *>(t.buffer->address + t.offset) : nullptr;
}

// A tensor of f32, bf16 or f16 as kernels take it.
inline Numbers numbers(const ll4_tensor &t) {
  const NumberType type = t.dtype == LL4_F32    ? NumberType::kF32
                          : t.dtype == LL4_BF16 ? NumberType::kBf16
                                                : NumberType::kF16;
  return {data<void>(t), type};
}

// Whether rows of `columns` elements from a tensor's start can be read 16 bytes at a time.
inline bool vectors(const ll4_tensor &t, int64_t columns) {
  return reinterpret_cast<uintptr_t>(data<char>(t)) % 16 == 0 &&
         row_bytes(t.dtype, columns) % 16 == 0;
}

// Activations are bf16 on this device; what llama4.h allows to be f32 beside them is here, too.
void require_bf16(const ll4_tensor &t, const char *field);

// Puts a kernel on a stream. Shared memory beyond 48 KiB is allowed for the kernel first.
template <class... Params, class... Args>
void launch(Stream &stream, const char *name, void (*kernel)(Params...), dim3 grid, int threads,
            int64_t shared_bytes, Args &&...args) {
  if (shared_bytes > 48 * 1024)
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shared_bytes)),
          name);
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = static_cast<size_t>(shared_bytes);
  config.stream = stream.get();
  check(cudaLaunchKernelEx(&config, kernel, std::forward<Args>(args)...), name);
}

// The ragged batch and the pages as kernels take them, by value.
struct BatchView {
  const int32_t *seq_start, *past;
  int32_t sequences, tokens, max_new, max_context;
};
struct PageView {
  const int32_t *table, *first;  // first may be null: all 0
  int32_t columns, page_size, heads;
  int64_t pages;
};
BatchView view(const ll4_batch &batch);
PageView view(const ll4_kv &kv);

extern const Operations kOperations;

// One function an operation, in the file of its name.
void embed(ll4_stream &, const ll4_embed_args &);
void rms_norm(ll4_stream &, const ll4_rms_norm_args &);
void qkv_epilogue(ll4_stream &, const ll4_qkv_epilogue_args &);
void attention(ll4_stream &, const ll4_attention_args &);
void matmul(ll4_stream &, const ll4_matmul_args &);
void router(ll4_stream &, const ll4_router_args &);
void grouped_matmul(ll4_stream &, const ll4_grouped_matmul_args &);
void swiglu(ll4_stream &, const ll4_swiglu_args &);
void logits(ll4_stream &, const ll4_logits_args &);
void log_softmax(ll4_stream &, const ll4_log_softmax_args &);
void top_k(ll4_stream &, const ll4_top_k_args &);
void sample(ll4_stream &, const ll4_sample_args &);
void layer_norm(ll4_stream &, const ll4_layer_norm_args &);
void unfold(ll4_stream &, const ll4_unfold_args &);
void pixel_shuffle(ll4_stream &, const ll4_pixel_shuffle_args &);
void quantize(ll4_stream &, const ll4_quantize_args &);

}  // namespace ll4::cuda
