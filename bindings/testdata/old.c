/* old.c - a libllama4 that serves another version of the ABI only. */
#include <stddef.h>

#include "../../csrc/llama4.h"

const ll4_api *ll4_get_api(uint32_t abi_version) {
  static const ll4_api api = {.size = sizeof api, .abi_version = 99, .version = "9.9.9"};
  return abi_version == 99 ? &api : NULL;
}
uint32_t ll4_abi_version(void) { return 99; }
