// The CPU device: a thread pool, a table of kernels, and memory for intermediate results.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "../backend.h"
#include "../plan/blocks.h"
#include "kernels.h"
#include "pool.h"

namespace ll4::cpu {

// Memory that an operation needs while it runs, kept from one to the next.
class Scratch {
 public:
  // Uninitialised room for n of T; what was taken before stays valid until reset.
  template <class T>
  T *take(int64_t n) {
    return reinterpret_cast<T *>(take_bytes(n * static_cast<int64_t>(sizeof(T))));
  }
  void reset();

 private:
  struct Free {
    void operator()(char *p) const;
  };
  struct Slab {
    std::unique_ptr<char, Free> memory;
    int64_t bytes;
  };
  char *take_bytes(int64_t bytes);

  std::vector<Slab> slabs_;
  size_t slab_ = 0;
  int64_t used_ = 0;
};

struct Device final : ll4_device {
  Device(int threads, const Kernels &table);
  void get_info(ll4_device_info &info) override;
  void *allocate(int64_t bytes) override;
  void release(void *address) noexcept override;
  ll4_stream *new_stream() override;
  ll4_stream *wrap_stream(void *native) override;
  ll4_event *new_event() override;

  const Kernels &kernels;
  Pool pool;
  Scratch scratch;
  std::mutex running;  // one operation at a time: they share the pool and the scratch memory
};

// An operation in progress: holds the device for itself.
class Running {
 public:
  explicit Running(ll4_stream &stream)
      : device(static_cast<Device &>(stream.device)), lock_(device.running) {
    device.scratch.reset();
  }
  Device &device;

 private:
  std::lock_guard<std::mutex> lock_;
};

template <class T>
T *data(const ll4_tensor &t) {
  return t.buffer ? reinterpret_cast<T *>(t.buffer->address + t.offset) : nullptr;
}

// Rows of a tensor of activations, f32 or bf16, read and written as fp32.
class Rows32 {
 public:
  Rows32(const Kernels &kernels, const ll4_tensor &t, int64_t columns)
      : kernels_(kernels), base_(data<char>(t)), bf16_(t.dtype == LL4_BF16), columns_(columns) {}

  // The row itself when it is fp32, else converted into `room` (columns floats).
  const float *read(int64_t row, float *room) const {
    if (!bf16_) return f32(row);
    kernels_.widen(bf16(row), room, columns_);
    return room;
  }
  // Where to compute the row: itself when it is fp32, else `room`. Then call finish.
  float *write(int64_t row, float *room) const { return bf16_ ? room : f32(row); }
  void finish(int64_t row, const float *computed) const {
    if (bf16_) kernels_.narrow(computed, bf16(row), columns_);
  }
  // Stores n columns from `column` on.
  void store(int64_t row, int64_t column, const float *from, int64_t n) const {
    if (bf16_)
      kernels_.narrow(from, bf16(row) + column, n);
    else
      std::memcpy(f32(row) + column, from, static_cast<size_t>(n) * sizeof(float));
  }
  // Adds n columns from `column` on, rounding the sum.
  void accumulate(int64_t row, int64_t column, float *from, int64_t n) const {
    if (bf16_) {
      float room[64];
      for (int64_t i = 0; i < n; i += 64) {
        const int64_t m = n - i < 64 ? n - i : 64;
        kernels_.widen(bf16(row) + column + i, room, m);
        kernels_.add(from + i, room, m);
        kernels_.narrow(room, bf16(row) + column + i, m);
      }
    } else {
      kernels_.add(from, f32(row) + column, n);
    }
  }

 private:
  float *f32(int64_t row) const { return reinterpret_cast<float *>(base_) + row * columns_; }
  uint16_t *bf16(int64_t row) const { return reinterpret_cast<uint16_t *>(base_) + row * columns_; }

  const Kernels &kernels_;
  char *base_;
  bool bf16_;
  int64_t columns_;
};

// Calls body(row, room) for `rows` rows, `a_task` of them a task; room is `floats` floats of the
// task's own.
template <class Body>
void each_row(Device &device, int64_t rows, int64_t a_task, int64_t floats, Body body) {
  const int64_t tasks = plan::blocks(rows, a_task);
  float *rooms = device.scratch.take<float>(tasks * floats);
  device.pool.run(tasks, [&](int64_t task) {
    for (int64_t r = task * a_task; r < std::min(rows, (task + 1) * a_task); r++)
      body(r, rooms + task * floats);
  });
}

// Rows a task of operations that do little with each.
constexpr int64_t kFewRows = 8;

// The fp32 values of a bf16 or f32 vector; scratch memory is taken when it must be converted.
const float *as_f32(Device &device, const ll4_tensor &t, int64_t n);

// The activations of a product, as its operands want them: [rows, depth].
struct Activations {
  const void *data;
  bool bf16;  // multiply as bf16 pairs
  // Which kernel multiplies these by weights of fp32 or bf16.
  Operands with(bool weight_bf16) const {
    return !weight_bf16 ? kF32xF32 : bf16 ? kBf16xBf16 : kF32xBf16;
  }
  const void *row(int64_t r, int64_t depth) const {
    return static_cast<const char *>(data) + r * depth * (bf16 ? 2 : 4);
  }
};

// Copies n activations, element `first` of `from` on, to element `to_first` of `to` on; each may be
// f32 or bf16.
void copy_values(const Kernels &kernels, const ll4_tensor &from, int64_t first,
                 const ll4_tensor &to, int64_t to_first, int64_t n);

// Rounds fp32 to what bf16 holds, in place.
void round_to_bf16(const Kernels &kernels, float *x, int64_t n);

// Makes the activations of a product from the rows `rows[i]` (or i) of x, each times scores[i] (or
// 1). `compute` decides their precision; x itself is used when nothing needs doing.
Activations make_activations(Device &device, const ll4_tensor &x, int32_t compute,
                             const int32_t *rows, const float *scores, int64_t count);

// The absolute position of every token, and the pages of every sequence, checked.
struct BatchView {
  BatchView(const ll4_batch &batch);
  int32_t sequences;
  const int32_t *seq_start;
  const int32_t *past;
};

class PageView {
 public:
  PageView(const ll4_kv &kv);
  // The slot of a position: index of its [Hkv, page_size, D] page, and the row inside.
  int64_t page(int32_t sequence, int64_t position) const;
  int64_t page_size() const { return page_size_; }
  int64_t heads() const { return heads_; }

 private:
  const int32_t *table_;
  const int32_t *first_;
  int64_t columns_;
  int64_t pages_;
  int64_t page_size_;
  int64_t heads_;
};

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

}  // namespace ll4::cpu
