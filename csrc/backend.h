// The inner interface: what a backend library offers to api.cpp.
//
// A backend derives ll4_device, ll4_stream, ll4_event and, where it has graphs, ll4_graph, fills
// one table of operations, and exports ll4_backend_get. api.cpp checks arguments before any of it
// is called, and catches what it throws: nothing else in the project may catch.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <string>

#include "llama4.h"

namespace ll4 {

// The only exception type thrown on purpose. A backend library throws its own copy of it and
// libllama4 catches it: the C++ runtime compares exception types by name.
class Error : public std::exception {
 public:
  Error(ll4_status code, std::string message) : code_(code), message_(std::move(message)) {}
  ll4_status code() const { return code_; }
  const char *what() const noexcept override { return message_.c_str(); }

 private:
  ll4_status code_;
  std::string message_;
};

// printf-style construction of an Error.
[[noreturn]] void fail(ll4_status code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// One entry an operation, named as in llama4.h. Arguments have been checked: shapes, dtypes and
// bounds hold; values in device memory (ids, pages, offsets) are the operation's to check.
struct Operations {
  void (*embed)(ll4_stream &, const ll4_embed_args &);
  void (*rms_norm)(ll4_stream &, const ll4_rms_norm_args &);
  void (*qkv_epilogue)(ll4_stream &, const ll4_qkv_epilogue_args &);
  void (*attention)(ll4_stream &, const ll4_attention_args &);
  void (*matmul)(ll4_stream &, const ll4_matmul_args &);
  void (*router)(ll4_stream &, const ll4_router_args &);
  void (*grouped_matmul)(ll4_stream &, const ll4_grouped_matmul_args &);
  void (*swiglu)(ll4_stream &, const ll4_swiglu_args &);
  void (*logits)(ll4_stream &, const ll4_logits_args &);
  void (*log_softmax)(ll4_stream &, const ll4_log_softmax_args &);
  void (*top_k)(ll4_stream &, const ll4_top_k_args &);
  void (*sample)(ll4_stream &, const ll4_sample_args &);
  void (*layer_norm)(ll4_stream &, const ll4_layer_norm_args &);
  void (*unfold)(ll4_stream &, const ll4_unfold_args &);
  void (*pixel_shuffle)(ll4_stream &, const ll4_pixel_shuffle_args &);
  void (*quantize)(ll4_stream &, const ll4_quantize_args &);
};

struct Backend {
  // Both set from this header: a library built from other sources is told by them.
  uint32_t abi_version;
  uint32_t operations_size;  // sizeof(Operations)
  const char *name;
  // `index` is the N of "cuda:N", 0 without.
  ll4_device *(*open)(int index, const ll4_device_options &options);
};

// Finds a backend by the part of the device name before ':', opening its library when needed.
const Backend &find_backend(const std::string &name);

// The CPU backend, part of libllama4.
const Backend &cpu_backend();

// What a backend library exports as "ll4_backend_get".
using BackendGet = const Backend *(*)();

}  // namespace ll4

// The opaque types of llama4.h.

struct ll4_device {
  explicit ll4_device(const ll4::Operations &table) : operations(table) {}
  virtual ~ll4_device() = default;
  // Gives back what the device keeps, just before it is destroyed; throws what was wrong with it.
  virtual void close() {}
  virtual void get_info(ll4_device_info &info) = 0;
  virtual void *allocate(int64_t bytes) = 0;
  virtual void release(void *address) noexcept = 0;
  virtual ll4_stream *new_stream() = 0;
  virtual ll4_stream *wrap_stream(void *native) = 0;
  virtual ll4_event *new_event() = 0;

  const ll4::Operations &operations;
  std::atomic<int64_t> buffers{0};
  std::atomic<int64_t> streams{0};
  std::atomic<int64_t> events{0};
  std::atomic<int64_t> graphs{0};
};

struct ll4_buffer {
  ll4_device *device;
  char *address;
  int64_t bytes;
  bool owned;
};

struct ll4_stream {
  explicit ll4_stream(ll4_device &owner) : device(owner) {}
  virtual ~ll4_stream() = default;
  virtual void *native() const { return nullptr; }
  virtual void synchronize() = 0;
  virtual void write(void *device_address, const void *host, int64_t bytes) = 0;
  virtual void read(const void *device_address, void *host, int64_t bytes) = 0;
  virtual void copy(void *dst, const void *src, int64_t bytes) = 0;
  virtual void begin_graph() { no_graphs(); }
  virtual ll4_graph *end_graph() { no_graphs(); }

  ll4_device &device;
  std::atomic<bool> recording{false};

 private:
  [[noreturn]] static void no_graphs() {
    ll4::fail(LL4_UNSUPPORTED, "this device records no graphs");
  }
};

struct ll4_event {
  explicit ll4_event(ll4_device &owner) : device(owner) {}
  virtual ~ll4_event() = default;
  virtual void record(ll4_stream &stream) = 0;
  virtual void wait(ll4_stream &stream) = 0;
  virtual void synchronize() = 0;
  virtual double milliseconds_since(const ll4_event &start) const = 0;

  ll4_device &device;
};

struct ll4_graph {
  explicit ll4_graph(ll4_device &owner) : device(owner) {}
  virtual ~ll4_graph() = default;
  virtual void launch(ll4_stream &stream) = 0;

  ll4_device &device;
};
