//go:build ignore

// extern "C": argument structs in, checks, the backend's table, and the guard that
// turns every exception into a status.
#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "backend.h"
#include "check.h"

#ifndef LL4_VERSION
#error "LL4_VERSION is set by CMakeLists.txt"
#endif

namespace {

void report(ll4_error *error, const char *operation, ll4_status code, const char *message) {
  if (!error) return;
  ll4_error full{};
  full.size = error->size;
  full.code = code;
  std::strncpy(full.operation, operation, sizeof full.operation - 1);
  std::strncpy(full.message, message, sizeof full.message - 1);
  std::memcpy(error, &full, std::min<size_t>(error->size, sizeof full));
}

template <class F>
ll4_status guard(const char *operation, ll4_error *error, F &&body) noexcept {
  try {
    body();
    return LL4_OK;
  } catch (const ll4::Error &e) {
    report(error, operation, e.code(), e.what());
    return e.code();
  } catch (const std::bad_alloc &) {
    report(error, operation, LL4_OUT_OF_MEMORY, "the host is out of memory");
    return LL4_OUT_OF_MEMORY;
  } catch (const std::exception &e) {
    report(error, operation, LL4_INTERNAL, e.what());
    return LL4_INTERNAL;
  } catch (...) {
    report(error, operation, LL4_INTERNAL, "an unknown exception");
    return LL4_INTERNAL;
  }
}

template <class T>
T &deref(T *pointer, const char *name) {
  if (!pointer) ll4::fail(LL4_INVALID_ARGUMENT, "%s is null", name);
  return *pointer;
}

// The caller's struct as this library knows it, as Linux copies extensible structs: what an older
// caller lacks is zero, what a newer one adds must be zero.
template <class T>
T versioned(const T *from, const char *name) {
  const uint32_t size = deref(from, name).size;
  if (size < sizeof(uint32_t) || size > 1u << 16)
    ll4::fail(LL4_INVALID_ARGUMENT, "%s.size is %u: set it to sizeof the struct", name, size);
  const char *bytes = reinterpret_cast<const char *>(from);
  for (size_t i = sizeof(T); i < size; i++)
    if (bytes[i])
      ll4::fail(LL4_INVALID_ARGUMENT, "%s uses fields that this library (ABI %u) does not know",
                name, LL4_ABI_VERSION);
  T known{};
  std::memcpy(&known, from, std::min<size_t>(size, sizeof(T)));
  return known;
}

// Every operation passes through here.
template <class Args>
ll4_status run(const char *operation, void (*ll4::Operations::*entry)(ll4_stream &, const Args &),
               ll4_stream *stream, const Args *args, ll4_error *error) {
  return guard(operation, error, [&] {
    ll4_stream &s = deref(stream, "stream");
    const Args known = versioned(args, "args");
    ll4::check(s.device, known);
    if (!(s.device.operations.*entry))
      ll4::fail(LL4_UNSUPPORTED, "this device has no such operation");
    (s.device.operations.*entry)(s, known);
  });
}

void check_range(const char *name, const ll4_buffer &buffer, int64_t offset, int64_t bytes) {
  if (offset < 0 || bytes < 0 || offset > buffer.bytes || bytes > buffer.bytes - offset)
    ll4::fail(LL4_INVALID_ARGUMENT, "%s: %lld bytes at %lld do not fit a buffer of %lld", name,
              static_cast<long long>(bytes), static_cast<long long>(offset),
              static_cast<long long>(buffer.bytes));
}

void check_device(const ll4_stream &stream, const ll4_device *device, const char *name) {
  if (&stream.device != device)
    ll4::fail(LL4_INVALID_ARGUMENT, "%s is on another device than the stream", name);
}

// A graph holds work of the device alone: not what the host waits for, nor host memory that may be
// gone when it runs, nor events and other graphs.
void check_runs(const ll4_stream &stream) {
  if (stream.recording)
    ll4::fail(LL4_INVALID_ARGUMENT, "the stream is recording a graph: end it first");
}

// "cuda:3" is backend "cuda", index 3.
int parse_device_index(const std::string &name, size_t colon) {
  const std::string digits = name.substr(colon + 1);
  if (digits.empty() || digits.size() > 4 ||
      digits.find_first_not_of("0123456789") != std::string::npos || name.compare(0, colon, "cuda"))
    ll4::fail(LL4_NO_DEVICE, "unknown device '%s': use cpu, cuda, cuda:N or simt", name.c_str());
  return std::stoi(digits);
}

// The device may be closed as soon as its count is down: that comes last. Destructors do not throw.
template <class T>
void destroy(T *object, std::atomic<int64_t> ll4_device::*count) noexcept {
  if (!object) return;
  ll4_device &device = object->device;
  delete object;
  (device.*count)--;
}

ll4_buffer *new_buffer(ll4_device &device, void *address, int64_t bytes, bool owned) {
  auto *buffer = new ll4_buffer{&device, static_cast<char *>(address), bytes, owned};
  device.buffers++;
  return buffer;
}

}  // namespace

extern "C" {

// ---- devices ----

ll4_status ll4_device_open(const char *name, const ll4_device_options *options, ll4_device **device,
                           ll4_error *error) {
  return guard("device_open", error, [&] {
    deref(device, "device");
    const std::string text = &deref(name, "name");
    const size_t colon = text.find(':');
    const int index = colon == std::string::npos ? 0 : parse_device_index(text, colon);
    ll4_device_options known{};
    if (options) known = versioned(options, "options");
    if (known.threads < 0) ll4::fail(LL4_INVALID_ARGUMENT, "options.threads is negative");
    *device = ll4::find_backend(text.substr(0, colon)).open(index, known);
  });
}

ll4_status ll4_device_get_info(ll4_device *device, ll4_device_info *info, ll4_error *error) {
  return guard("device_get_info", error, [&] {
    const uint32_t size = deref(info, "info").size;
    ll4_device_info full{};
    full.size = size;
    deref(device, "device").get_info(full);
    if (size < sizeof(uint32_t)) ll4::fail(LL4_INVALID_ARGUMENT, "info.size is %u", size);
    std::memcpy(info, &full, std::min<size_t>(size, sizeof full));
  });
}

ll4_status ll4_device_close(ll4_device *device, ll4_error *error) {
  return guard("device_close", error, [&] {
    if (!device) return;
    if (device->buffers || device->streams || device->events || device->graphs)
      ll4::fail(
          LL4_INVALID_ARGUMENT,
          "%lld buffers, %lld streams, %lld events and %lld graphs are open: destroy them first",
          static_cast<long long>(device->buffers), static_cast<long long>(device->streams),
          static_cast<long long>(device->events), static_cast<long long>(device->graphs));
    const std::unique_ptr<ll4_device> owned(device);
    owned->close();
  });
}

// ---- buffers ----

ll4_status ll4_buffer_create(ll4_device *device, int64_t bytes, ll4_buffer **buffer,
                             ll4_error *error) {
  return guard("buffer_create", error, [&] {
    ll4_device &d = deref(device, "device");
    deref(buffer, "buffer");
    if (bytes <= 0) ll4::fail(LL4_INVALID_ARGUMENT, "bytes is not positive");
    void *address = d.allocate(bytes);
    *buffer = new_buffer(d, address, bytes, true);
  });
}

ll4_status ll4_buffer_wrap(ll4_device *device, void *address, int64_t bytes, ll4_buffer **buffer,
                           ll4_error *error) {
  return guard("buffer_wrap", error, [&] {
    ll4_device &d = deref(device, "device");
    deref(buffer, "buffer");
    deref(static_cast<char *>(address), "address");
    if (bytes <= 0) ll4::fail(LL4_INVALID_ARGUMENT, "bytes is not positive");
    *buffer = new_buffer(d, address, bytes, false);
  });
}

void ll4_buffer_destroy(ll4_buffer *buffer) {
  if (!buffer) return;
  ll4_device &device = *buffer->device;
  if (buffer->owned) device.release(buffer->address);
  delete buffer;
  device.buffers--;
}

void *ll4_buffer_address(const ll4_buffer *buffer) { return buffer ? buffer->address : nullptr; }

int64_t ll4_buffer_bytes(const ll4_buffer *buffer) { return buffer ? buffer->bytes : 0; }

// ---- streams ----

ll4_status ll4_stream_create(ll4_device *device, ll4_stream **stream, ll4_error *error) {
  return guard("stream_create", error, [&] {
    deref(stream, "stream");
    *stream = deref(device, "device").new_stream();
    device->streams++;
  });
}

ll4_status ll4_stream_wrap(ll4_device *device, void *native, ll4_stream **stream,
                           ll4_error *error) {
  return guard("stream_wrap", error, [&] {
    deref(stream, "stream");
    *stream = deref(device, "device").wrap_stream(native);
    device->streams++;
  });
}

void *ll4_stream_native(const ll4_stream *stream) {
  void *native = nullptr;
  guard("stream_native", nullptr, [&] { native = deref(stream, "stream").native(); });
  return native;
}

ll4_status ll4_stream_synchronize(ll4_stream *stream, ll4_error *error) {
  return guard("stream_synchronize", error, [&] {
    check_runs(deref(stream, "stream"));
    stream->synchronize();
  });
}

void ll4_stream_destroy(ll4_stream *stream) { destroy(stream, &ll4_device::streams); }

// ---- events ----

ll4_status ll4_event_create(ll4_device *device, ll4_event **event, ll4_error *error) {
  return guard("event_create", error, [&] {
    deref(event, "event");
    *event = deref(device, "device").new_event();
    device->events++;
  });
}

ll4_status ll4_event_record(ll4_event *event, ll4_stream *stream, ll4_error *error) {
  return guard("event_record", error, [&] {
    check_device(deref(stream, "stream"), &deref(event, "event").device, "event");
    check_runs(*stream);
    event->record(*stream);
  });
}

ll4_status ll4_event_wait(ll4_event *event, ll4_stream *stream, ll4_error *error) {
  return guard("event_wait", error, [&] {
    check_device(deref(stream, "stream"), &deref(event, "event").device, "event");
    check_runs(*stream);
    event->wait(*stream);
  });
}

ll4_status ll4_event_synchronize(ll4_event *event, ll4_error *error) {
  return guard("event_synchronize", error, [&] { deref(event, "event").synchronize(); });
}

ll4_status ll4_event_elapsed(ll4_event *start, ll4_event *end, double *milliseconds,
                             ll4_error *error) {
  return guard("event_elapsed", error, [&] {
    deref(milliseconds, "milliseconds");
    if (&deref(start, "start").device != &deref(end, "end").device)
      ll4::fail(LL4_INVALID_ARGUMENT, "the events are on two devices");
    *milliseconds = end->milliseconds_since(*start);
  });
}

void ll4_event_destroy(ll4_event *event) { destroy(event, &ll4_device::events); }

// ---- copies ----

ll4_status ll4_write(ll4_stream *stream, ll4_buffer *buffer, int64_t offset, const void *host,
                     int64_t bytes, ll4_error *error) {
  return guard("write", error, [&] {
    check_device(deref(stream, "stream"), deref(buffer, "buffer").device, "buffer");
    check_range("buffer", *buffer, offset, bytes);
    check_runs(*stream);
    if (bytes == 0) return;
    deref(static_cast<const char *>(host), "host");
    stream->write(buffer->address + offset, host, bytes);
  });
}

ll4_status ll4_read(ll4_stream *stream, const ll4_buffer *buffer, int64_t offset, void *host,
                    int64_t bytes, ll4_error *error) {
  return guard("read", error, [&] {
    check_device(deref(stream, "stream"), deref(buffer, "buffer").device, "buffer");
    check_range("buffer", *buffer, offset, bytes);
    check_runs(*stream);
    if (bytes == 0) return;
    deref(static_cast<char *>(host), "host");
    stream->read(buffer->address + offset, host, bytes);
  });
}

ll4_status ll4_copy(ll4_stream *stream, ll4_buffer *dst, int64_t dst_offset, const ll4_buffer *src,
                    int64_t src_offset, int64_t bytes, ll4_error *error) {
  return guard("copy", error, [&] {
    check_device(deref(stream, "stream"), deref(dst, "dst").device, "dst");
    check_device(*stream, deref(src, "src").device, "src");
    check_range("dst", *dst, dst_offset, bytes);
    check_range("src", *src, src_offset, bytes);
    char *to = dst->address + dst_offset;
    const char *from = src->address + src_offset;
    if (bytes == 0) return;
    if (to < from + bytes && from < to + bytes)
      ll4::fail(LL4_INVALID_ARGUMENT, "the ranges overlap");
    stream->copy(to, from, bytes);
  });
}

// ---- operations ----

ll4_status ll4_embed(ll4_stream *s, const ll4_embed_args *a, ll4_error *e) {
  return run("embed", &ll4::Operations::embed, s, a, e);
}
ll4_status ll4_rms_norm(ll4_stream *s, const ll4_rms_norm_args *a, ll4_error *e) {
  return run("rms_norm", &ll4::Operations::rms_norm, s, a, e);
}
ll4_status ll4_qkv_epilogue(ll4_stream *s, const ll4_qkv_epilogue_args *a, ll4_error *e) {
  return run("qkv_epilogue", &ll4::Operations::qkv_epilogue, s, a, e);
}
ll4_status ll4_attention(ll4_stream *s, const ll4_attention_args *a, ll4_error *e) {
  return run("attention", &ll4::Operations::attention, s, a, e);
}
ll4_status ll4_matmul(ll4_stream *s, const ll4_matmul_args *a, ll4_error *e) {
  return run("matmul", &ll4::Operations::matmul, s, a, e);
}
ll4_status ll4_router(ll4_stream *s, const ll4_router_args *a, ll4_error *e) {
  return run("router", &ll4::Operations::router, s, a, e);
}
ll4_status ll4_grouped_matmul(ll4_stream *s, const ll4_grouped_matmul_args *a, ll4_error *e) {
  return run("grouped_matmul", &ll4::Operations::grouped_matmul, s, a, e);
}
ll4_status ll4_swiglu(ll4_stream *s, const ll4_swiglu_args *a, ll4_error *e) {
  return run("swiglu", &ll4::Operations::swiglu, s, a, e);
}
ll4_status ll4_logits(ll4_stream *s, const ll4_logits_args *a, ll4_error *e) {
  return run("logits", &ll4::Operations::logits, s, a, e);
}
ll4_status ll4_log_softmax(ll4_stream *s, const ll4_log_softmax_args *a, ll4_error *e) {
  return run("log_softmax", &ll4::Operations::log_softmax, s, a, e);
}
ll4_status ll4_top_k(ll4_stream *s, const ll4_top_k_args *a, ll4_error *e) {
  return run("top_k", &ll4::Operations::top_k, s, a, e);
}
ll4_status ll4_sample(ll4_stream *s, const ll4_sample_args *a, ll4_error *e) {
  return run("sample", &ll4::Operations::sample, s, a, e);
}
ll4_status ll4_layer_norm(ll4_stream *s, const ll4_layer_norm_args *a, ll4_error *e) {
  return run("layer_norm", &ll4::Operations::layer_norm, s, a, e);
}
ll4_status ll4_unfold(ll4_stream *s, const ll4_unfold_args *a, ll4_error *e) {
  return run("unfold", &ll4::Operations::unfold, s, a, e);
}
ll4_status ll4_pixel_shuffle(ll4_stream *s, const ll4_pixel_shuffle_args *a, ll4_error *e) {
  return run("pixel_shuffle", &ll4::Operations::pixel_shuffle, s, a, e);
}
ll4_status ll4_quantize(ll4_stream *s, const ll4_quantize_args *a, ll4_error *e) {
  return run("quantize", &ll4::Operations::quantize, s, a, e);
}

// ---- graphs ----

ll4_status ll4_graph_begin(ll4_stream *stream, ll4_error *error) {
  return guard("graph_begin", error, [&] {
    check_runs(deref(stream, "stream"));
    stream->begin_graph();
    stream->recording = true;
  });
}

ll4_status ll4_graph_end(ll4_stream *stream, ll4_graph **graph, ll4_error *error) {
  return guard("graph_end", error, [&] {
    deref(graph, "graph");
    deref(stream, "stream").recording = false;
    *graph = stream->end_graph();
    stream->device.graphs++;
  });
}

ll4_status ll4_graph_launch(ll4_graph *graph, ll4_stream *stream, ll4_error *error) {
  return guard("graph_launch", error, [&] {
    check_device(deref(stream, "stream"), &deref(graph, "graph").device, "graph");
    check_runs(*stream);
    graph->launch(*stream);
  });
}

void ll4_graph_destroy(ll4_graph *graph) { destroy(graph, &ll4_device::graphs); }

// ---- the table ----

uint32_t ll4_abi_version(void) { return LL4_ABI_VERSION; }

const ll4_api *ll4_get_api(uint32_t abi_version) {
  static const ll4_api api = {
      sizeof(ll4_api),
      LL4_ABI_VERSION,
      LL4_VERSION,
      ll4_device_open,
      ll4_device_get_info,
      ll4_device_close,
      ll4_buffer_create,
      ll4_buffer_wrap,
      ll4_buffer_destroy,
      ll4_buffer_address,
      ll4_buffer_bytes,
      ll4_stream_create,
      ll4_stream_wrap,
      ll4_stream_native,
      ll4_stream_synchronize,
      ll4_stream_destroy,
      ll4_event_create,
      ll4_event_record,
      ll4_event_wait,
      ll4_event_synchronize,
      ll4_event_elapsed,
      ll4_event_destroy,
      ll4_write,
      ll4_read,
      ll4_copy,
      ll4_embed,
      ll4_rms_norm,
      ll4_qkv_epilogue,
      ll4_attention,
      ll4_matmul,
      ll4_router,
      ll4_grouped_matmul,
      ll4_swiglu,
      ll4_logits,
      ll4_log_softmax,
      ll4_top_k,
      ll4_sample,
      ll4_graph_begin,
      ll4_graph_end,
      ll4_graph_launch,
      ll4_graph_destroy,
      ll4_layer_norm,
      ll4_unfold,
      ll4_pixel_shuffle,
      ll4_quantize,
  };
  return abi_version == LL4_ABI_VERSION ? &api : nullptr;
}

}  // extern "C"
