// The kernels of any CPU.
#include "kernels_rows.h"
#include "simd_generic.h"

namespace ll4::cpu {

const Kernels *baseline_kernels() {
  static const Kernels kernels = make_kernels<Generic>("baseline");
  return &kernels;
}

}  // namespace ll4::cpu
