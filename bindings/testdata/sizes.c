/* sizes.c - what the library makes of size fields and of other things that Go callers cannot get
 * wrong. Usage: sizes <library>. Prints one line a case: name, status, operation, message. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../csrc/llama4.h"

static const ll4_api *api;
static ll4_stream *stream;

static void print(const char *name, ll4_status status, const ll4_error *error) {
  printf("%s\t%d\t%s\t%s\n", name, (int)status, status ? error->operation : "",
         status ? error->message : "");
}

/* Memory for a struct and more behind it. */
#define ROOM(type)                          \
  union {                                   \
    type args;                              \
    char bytes[sizeof(type) + 64];          \
  } room;                                   \
  ll4_error error = {.size = sizeof error}; \
  memset(&room, 0, sizeof room)

#define OPERATION(op)                                                                   \
  do {                                                                                  \
    ROOM(ll4_##op##_args);                                                              \
    print(#op " null", api->op(stream, NULL, &error), &error);                          \
    room.args.size = sizeof room.args;                                                  \
    print(#op " no stream", api->op(NULL, &room.args, &error), &error);                 \
    room.args.size = 0;                                                                 \
    print(#op " zero", api->op(stream, &room.args, &error), &error);                    \
    room.args.size = 0xffffffffu;                                                       \
    print(#op " huge", api->op(stream, &room.args, &error), &error);                    \
    room.args.size = sizeof(uint32_t);                                                  \
    print(#op " old", api->op(stream, &room.args, &error), &error);                     \
    room.args.size = sizeof room;                                                       \
    print(#op " new, unused", api->op(stream, &room.args, &error), &error);             \
    room.bytes[sizeof room - 1] = 1;                                                    \
    print(#op " new, used", api->op(stream, &room.args, &error), &error);               \
    if (api->op(NULL, NULL, NULL) == LL4_OK) print(#op " without error", LL4_OK, NULL); \
  } while (0)

/* A call that works, from a caller of a later version that uses nothing of it, and from one of an
 * earlier version whose struct ended before `out`. */
static void works(ll4_device *device) {
  ROOM(ll4_swiglu_args);
  ll4_buffer *buffer = NULL;
  float *values;
  ll4_tensor t = {NULL, 0, LL4_F32, 2, {1, 2}};
  if (api->buffer_create(device, 16, &buffer, &error) != LL4_OK) exit(4);
  values = api->buffer_address(buffer);
  values[0] = 0;
  values[1] = 1;
  values[2] = 7;
  t.buffer = buffer;
  room.args.size = sizeof room;
  room.args.gate_up = t;
  t.offset = 8;
  t.shape[1] = 1;
  room.args.out = t;
  print("works new", api->swiglu(stream, &room.args, &error), &error);
  if (values[2] != 0) exit(5);
  room.args.size = (uint32_t)((char *)&room.args.out - (char *)&room.args);
  print("works old", api->swiglu(stream, &room.args, &error), &error);
  /* 2^66 bytes, which are 0 in 64 bits. */
  room.args.size = sizeof room.args;
  room.args.gate_up.shape[0] = room.args.out.shape[0] = INT64_C(1) << 62;
  room.args.gate_up.shape[1] = 4;
  room.args.out.shape[1] = 2;
  print("wrapping shape", api->swiglu(stream, &room.args, &error), &error);
  api->buffer_destroy(buffer);
}

/* An error struct of an earlier version is not written beyond its end. */
static void short_error(void) {
  ll4_error error;
  memset(&error, 0x5a, sizeof error);
  error.size = 8;
  ll4_status status = api->swiglu(stream, NULL, &error);
  int kept = 1;
  for (size_t i = 8; i < sizeof error; i++) kept &= ((char *)&error)[i] == 0x5a;
  printf("short error\t%d\t%d\t%d\n", (int)status, (int)error.code, kept);
}

int main(int argc, char **argv) {
  ll4_error error = {.size = sizeof error};
  ll4_device *device = NULL;
  ll4_device_info info = {.size = 8};
  const ll4_api *(*get_api)(uint32_t);
  void *symbol, *handle = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
  if (handle == NULL) return 1;
  symbol = dlsym(handle, "ll4_get_api");
  memcpy(&get_api, &symbol, sizeof symbol);
  if (get_api(LL4_ABI_VERSION + 1) != NULL || get_api(0) != NULL) return 2;
  api = get_api(LL4_ABI_VERSION);
  if (api->size != sizeof *api) return 2;
  if (api->device_open("cpu", NULL, &device, &error) != LL4_OK) return 3;
  if (api->stream_create(device, &stream, &error) != LL4_OK) return 3;

  OPERATION(embed);
  OPERATION(rms_norm);
  OPERATION(qkv_epilogue);
  OPERATION(attention);
  OPERATION(matmul);
  OPERATION(router);
  OPERATION(grouped_matmul);
  OPERATION(swiglu);
  OPERATION(logits);
  OPERATION(log_softmax);
  OPERATION(top_k);
  OPERATION(sample);
  OPERATION(layer_norm);
  OPERATION(unfold);
  OPERATION(pixel_shuffle);
  OPERATION(quantize);
  works(device);
  short_error();

  info.threads = 77;
  print("info old", api->device_get_info(device, &info, &error), &error);
  if (info.threads != 77) return 6;
  info.size = 0;
  print("info zero", api->device_get_info(device, &info, &error), &error);
  print("info null", api->device_get_info(device, NULL, &error), &error);
  print("open null", api->device_open(NULL, NULL, &device, &error), &error);
  print("close null", api->device_close(NULL, &error), &error);
  api->stream_destroy(stream);
  print("close", api->device_close(device, &error), &error);
  return 0;
}
