/* lib.c - loads libllama4 at run time, so that nothing links it. */
#include "lib.h"

#include <stdio.h>
#include <string.h>

#if defined(_WIN32)

int llama4_load(const char *path, llama4_library *library) {
  (void)path;
  library->api = NULL;
  snprintf(library->message, sizeof library->message, "Windows is not supported");
  return LLAMA4_NOT_OPENED;
}

#else

#include <dlfcn.h>

int llama4_load(const char *path, llama4_library *library) {
  const ll4_api *(*get_api)(uint32_t) = NULL;
  uint32_t (*abi_version)(void) = NULL;
  void *handle, *symbol;

  library->api = NULL;
  library->abi_version = 0;
  library->message[0] = 0;
  handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle == NULL) {
    const char *why = dlerror();
    snprintf(library->message, sizeof library->message, "%s", why != NULL ? why : "unknown");
    return LLAMA4_NOT_OPENED;
  }
  symbol = dlsym(handle, "ll4_get_api");
  if (symbol == NULL) {
    dlclose(handle);
    return LLAMA4_NOT_OURS;
  }
  /* ISO C has no cast from an object pointer to a function pointer. */
  memcpy(&get_api, &symbol, sizeof symbol);
  symbol = dlsym(handle, "ll4_abi_version");
  if (symbol != NULL) {
    memcpy(&abi_version, &symbol, sizeof symbol);
    library->abi_version = abi_version();
  }
  library->api = get_api(LL4_ABI_VERSION);
  if (library->api == NULL || library->api->abi_version != LL4_ABI_VERSION ||
      library->api->size < sizeof(ll4_api)) {
    library->api = NULL;
    dlclose(handle);
    return LLAMA4_OTHER_VERSION;
  }
  return LLAMA4_LOADED;
}

#endif
