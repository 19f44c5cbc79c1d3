/* llama4.c - a libllama4 whose devices have any name and work in the memory of the
 * host, for the tests of package cuinterop. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "llama4.h"

struct ll4_device {
  char name[64];
  int open; /* buffers and streams of it */
};
struct ll4_buffer {
  ll4_device *device;
  void *address;
  int64_t bytes;
};
struct ll4_stream {
  ll4_device *device;
  void *native;
};

static ll4_status device_open(const char *name, const ll4_device_options *options,
                              ll4_device **device, ll4_error *error) {
  (void)options;
  (void)error;
  *device = calloc(1, sizeof **device);
  strncpy((*device)->name, name, sizeof(*device)->name - 1);
  return LL4_OK;
}
static ll4_status device_get_info(ll4_device *device, ll4_device_info *info, ll4_error *error) {
  (void)error;
  memcpy(info->name, device->name, sizeof info->name);
  return LL4_OK;
}
static ll4_status device_close(ll4_device *device, ll4_error *error) {
  (void)error;
  if (device->open) return LL4_INVALID_ARGUMENT;
  free(device);
  return LL4_OK;
}
static ll4_status buffer_wrap(ll4_device *device, void *address, int64_t bytes, ll4_buffer **buffer,
                              ll4_error *error) {
  (void)error;
  *buffer = calloc(1, sizeof **buffer);
  (*buffer)->device = device;
  device->open++;
  (*buffer)->address = address;
  (*buffer)->bytes = bytes;
  return LL4_OK;
}
static void buffer_destroy(ll4_buffer *buffer) {
  buffer->device->open--;
  free(buffer);
}
static void *buffer_address(const ll4_buffer *buffer) { return buffer->address; }
static int64_t buffer_bytes(const ll4_buffer *buffer) { return buffer->bytes; }
static ll4_status stream_wrap(ll4_device *device, void *native, ll4_stream **stream,
                              ll4_error *error) {
  (void)error;
  *stream = calloc(1, sizeof **stream);
  (*stream)->device = device;
  device->open++;
  (*stream)->native = native;
  return LL4_OK;
}
static void *stream_native(const ll4_stream *stream) { return stream->native; }
static void stream_destroy(ll4_stream *stream) {
  stream->device->open--;
  free(stream);
}
/* Finite numbers only. */
static float widen(uint16_t x) {
  uint32_t bits = (uint32_t)x << 16;
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}
static uint16_t to_bf16(float f) {
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
static ll4_status swiglu(ll4_stream *stream, const ll4_swiglu_args *args, ll4_error *error) {
  (void)error;
  if (!stream->native || args->out.dtype != LL4_BF16) return LL4_INVALID_ARGUMENT;
  int64_t width = args->out.shape[1];
  for (int64_t row = 0; row < args->out.shape[0]; row++) {
    const uint16_t *gate_up = (const uint16_t *)args->gate_up.buffer->address + row * 2 * width;
    uint16_t *out = (uint16_t *)args->out.buffer->address + row * width;
    for (int64_t i = 0; i < width; i++) {
      float gate = widen(gate_up[i]);
      out[i] = to_bf16(gate / (1 + expf(-gate)) * widen(gate_up[width + i]));
    }
  }
  return LL4_OK;
}

const ll4_api *ll4_get_api(uint32_t abi_version) {
  static const ll4_api api = {
      .size = sizeof api,
      .abi_version = LL4_ABI_VERSION,
      .version = "0.0.0",
      .device_open = device_open,
      .device_get_info = device_get_info,
      .device_close = device_close,
      .buffer_wrap = buffer_wrap,
      .buffer_destroy = buffer_destroy,
      .buffer_address = buffer_address,
      .buffer_bytes = buffer_bytes,
      .stream_wrap = stream_wrap,
      .stream_native = stream_native,
      .stream_destroy = stream_destroy,
      .swiglu = swiglu,
  };
  return abi_version == LL4_ABI_VERSION ? &api : NULL;
}
uint32_t ll4_abi_version(void) { return LL4_ABI_VERSION; }
