// The kernels for avx2; CMakeLists.txt gives this file its instruction-set flags, if the
// processor family has them.
#include "kernels.h"

#if defined(__AVX2__)

#include "kernels_rows.h"
#include "simd_avx2.h"

namespace ll4::cpu {

const Kernels *avx2_kernels() {
  static const Kernels kernels = make_kernels<Avx2>("avx2");
  return &kernels;
}

}  // namespace ll4::cpu

#else

namespace ll4::cpu {

const Kernels *avx2_kernels() { return nullptr; }

}  // namespace ll4::cpu

#endif
