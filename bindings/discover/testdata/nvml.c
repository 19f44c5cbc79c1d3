/* A driver library with one GPU and the few functions of NVML that package
 * discover cannot do without. A program that calls any other one ends there. */
#include <string.h>

typedef struct {
  unsigned long long total, free, used;
} memory;

int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { return code == 0 ? "no error" : "an error"; }

int nvmlSystemGetDriverVersion(char *version, unsigned length) {
  strncpy(version, "580.65.06", length);
  return 0;
}

int nvmlDeviceGetCount(unsigned *count) {
  *count = 1;
  return 0;
}

int nvmlDeviceGetHandleByIndex(unsigned index, void **device) {
  static int gpu;
  *device = &gpu;
  return index == 0 ? 0 : 2;
}

int nvmlDeviceGetName(void *device, char *name, unsigned length) {
  strncpy(name, "a GPU", length);
  return device ? 0 : 2;
}

int nvmlDeviceGetUUID(void *device, char *uuid, unsigned length) {
  strncpy(uuid, "GPU-0", length);
  return device ? 0 : 2;
}

int nvmlDeviceGetMemoryInfo(void *device, memory *m) {
  m->total = 3000;
  m->free = 2000;
  m->used = 1000;
  return device ? 0 : 2;
}
