// The gate of SwiGLU.
#pragma once

#include "ptx.cuh"

namespace ll4::cuda {

// Below -88 silu is under the smallest normal number, and exp(-gate) would overflow. The comparison
// keeps a NaN.
__device__ __forceinline__ float silu(float gate) {
  const float g = gate < -88.0f ? -88.0f : gate;
  return g / (1.0f + exp2_fast(g * -1.44269504f));
}

}  // namespace ll4::cuda
