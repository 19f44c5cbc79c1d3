/* cuda.c - a driver's library with one GPU whose memory is the host's, for the
 * tests of package cuinterop. It counts time and uses, and ends the process where a
 * program mistakes the primary context for its own. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  INVALID_DEVICE = 101,
  INVALID_CONTEXT = 201,
  INVALID_HANDLE = 400
};

typedef struct {
  int uses;
} context;

typedef struct {
  double when; /* milliseconds; 0: not recorded */
} event;

static context primary;
static double now;
static _Thread_local context *stack[8]; /* the last one is current */
static _Thread_local int depth;

static context *current(void) { return depth ? stack[depth - 1] : NULL; }

/* FAKE_CUDA_INIT is what cuInit returns. */
int cuInit(unsigned flags) {
  const char *status = getenv("FAKE_CUDA_INIT");
  return flags ? INVALID_VALUE : status ? atoi(status) : SUCCESS;
}

int cuDriverGetVersion(int *version) {
  *version = 13000;
  return SUCCESS;
}

/* FAKE_CUDA_DEVICES is how many GPUs there are. */
int cuDeviceGetCount(int *count) {
  const char *devices = getenv("FAKE_CUDA_DEVICES");
  *count = devices ? atoi(devices) : 1;
  return SUCCESS;
}

int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return ordinal == 0 ? SUCCESS : INVALID_DEVICE;
}

int cuDevicePrimaryCtxRetain(context **ctx, int device) {
  *ctx = &primary;
  primary.uses++;
  return device == 0 ? SUCCESS : INVALID_DEVICE;
}

int cuDevicePrimaryCtxRelease_v2(int device) {
  return device == 0 && primary.uses-- > 0 ? SUCCESS : INVALID_CONTEXT;
}

int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
  *flags = 0;
  *active = primary.uses;
  return device == 0 ? SUCCESS : INVALID_DEVICE;
}

int cuCtxDestroy_v2(context *ctx) {
  (void)ctx;
  abort();
}

int cuCtxPushCurrent_v2(context *ctx) {
  if (!ctx || depth == 8) return INVALID_CONTEXT;
  stack[depth++] = ctx;
  return SUCCESS;
}

int cuCtxPopCurrent_v2(context **ctx) {
  if (!depth) return INVALID_CONTEXT;
  *ctx = stack[--depth];
  return SUCCESS;
}

int cuCtxSetCurrent(context *ctx) {
  depth = 1;
  stack[0] = ctx;
  return SUCCESS;
}

int cuCtxGetCurrent(context **ctx) {
  *ctx = current();
  return SUCCESS;
}

int cuMemAlloc_v2(void **address, size_t bytes) {
  if (!current()) return INVALID_CONTEXT;
  *address = malloc(bytes);
  return SUCCESS;
}

int cuMemFree_v2(void *address) {
  if (!current()) return INVALID_CONTEXT;
  free(address);
  return SUCCESS;
}

int cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t bytes, void *stream) {
  if (!stream) return INVALID_HANDLE;
  memcpy(to, from, bytes);
  return SUCCESS;
}

int cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t bytes, void *stream) {
  return cuMemcpyHtoDAsync_v2(to, from, bytes, stream);
}

int cuStreamCreate(void **stream, unsigned flags) {
  static int streams[4];
  if (!current() || flags > 1) return INVALID_CONTEXT;
  *stream = &streams[flags];
  return SUCCESS;
}

int cuStreamSynchronize(void *stream) { return stream ? SUCCESS : INVALID_HANDLE; }

int cuStreamDestroy_v2(void *stream) { return stream ? SUCCESS : INVALID_HANDLE; }

int cuEventCreate(event **e, unsigned flags) {
  if (!current() || flags) return INVALID_CONTEXT;
  *e = calloc(1, sizeof **e);
  return SUCCESS;
}

/* A stream moves the clock by 1.5 ms, the default stream by 0.25. */
int cuEventRecord(event *e, void *stream) {
  if (!current()) return INVALID_CONTEXT;
  now += stream ? 1.5 : 0.25;
  e->when = now;
  return SUCCESS;
}

int cuEventSynchronize(event *e) { return current() && e ? SUCCESS : INVALID_HANDLE; }

int cuEventElapsedTime_v2(float *milliseconds, event *start, event *end) {
  if (!start->when || !end->when) return INVALID_HANDLE;
  *milliseconds = (float)(end->when - start->when);
  return SUCCESS;
}

/* What the headers of CUDA 12 call. */
int cuEventElapsedTime(float *milliseconds, event *start, event *end) {
  return cuEventElapsedTime_v2(milliseconds, start, end);
}

int cuEventDestroy_v2(event *e) {
  if (!current() || !e) return INVALID_HANDLE;
  free(e);
  return SUCCESS;
}

int cuModuleLoadData(void **module, const char *image) {
  *module = (void *)image;
  return SUCCESS;
}

int cuModuleGetFunction(void **function, void *module, const char *name) {
  static int functions[16];
  (void)module;
  *function = &functions[name[0] & 15];
  return SUCCESS;
}

/* Writes its arguments, one after the other, to the array that its kernel's
 * first parameter points to. */
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                   unsigned bz, unsigned shared, void *stream, void **parameters, void **extra) {
  unsigned long long *out = *(unsigned long long **)parameters[0];
  unsigned long long all[] = {function != NULL, gx,           gy, gz, bx, by, bz, shared,
                              (size_t)stream,   (size_t)extra};
  for (int i = 0; i < 10; i++) out[i] = all[i];
  return SUCCESS;
}
