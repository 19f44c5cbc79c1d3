// The kernels for neon; CMakeLists.txt gives this file its instruction-set flags, if the
// processor family has them.
#include "kernels.h"

#if defined(__ARM_NEON)

#include "kernels_rows.h"
#include "simd_neon.h"

namespace ll4::cpu {

const Kernels *neon_kernels() {
  static const Kernels kernels = make_kernels<Neon>("neon");
  return &kernels;
}

}  // namespace ll4::cpu

#else

namespace ll4::cpu {

const Kernels *neon_kernels() { return nullptr; }

}  // namespace ll4::cpu

#endif
