/* backend.c - a backend library as other sources than libllama4's would make it. */
#include <stdint.h>

static const struct {
  uint32_t abi_version, operations_size;
  const char *name;
  void *open;
} backend = {1, 8, "cuda", 0};

const void *ll4_backend_get(void);
const void *ll4_backend_get(void) { return &backend; }
