/* lib.h - what every file of this package includes: the C ABI and the loader. */
#ifndef LLAMA4_BINDINGS_LIB_H
#define LLAMA4_BINDINGS_LIB_H

#include "../csrc/llama4.h"

enum llama4_load_result {
  LLAMA4_LOADED = 0,
  LLAMA4_NOT_OPENED = 1,   /* the system could not load it */
  LLAMA4_NOT_OURS = 2,     /* no ll4_get_api in it */
  LLAMA4_OTHER_VERSION = 3 /* another ABI version than that of llama4.h */
};

typedef struct llama4_library {
  const ll4_api *api;
  uint32_t abi_version; /* with LLAMA4_OTHER_VERSION: what the library has, 0 if it does not say */
  char message[512];    /* with LLAMA4_NOT_OPENED: what the system says */
} llama4_library;

/* Loads `path`, which stays loaded for the life of the process when this succeeds. */
int llama4_load(const char *path, llama4_library *library);

#endif
