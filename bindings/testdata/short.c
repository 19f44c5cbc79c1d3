/* short.c - a libllama4 of this ABI version whose table is too short. */
#include "../../csrc/llama4.h"

const ll4_api *ll4_get_api(uint32_t abi_version) {
  static const ll4_api api = {.size = 24, .abi_version = LL4_ABI_VERSION, .version = "0.0.1"};
  (void)abi_version;
  return &api;
}
uint32_t ll4_abi_version(void) { return LL4_ABI_VERSION; }
