// The kernels for avx512; CMakeLists.txt gives this file its instruction-set flags, if the
// processor family has them.
#include "kernels.h"

#if defined(__AVX512F__)

#include "kernels_rows.h"
#include "simd_avx512.h"

namespace ll4::cpu {

const Kernels *avx512_kernels() {
  static const Kernels kernels = make_kernels<Avx512>("avx512");
  return &kernels;
}

}  // namespace ll4::cpu

#else

namespace ll4::cpu {

const Kernels *avx512_kernels() { return nullptr; }

}  // namespace ll4::cpu

#endif
