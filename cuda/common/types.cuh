// Types that kernels and their launches share.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#ifndef __CUDACC__
#include "../simt/simt.h"
#endif

namespace ll4::cuda {

// The upper half of an fp32.
struct bf16 {
  uint16_t bits;
};

constexpr int kWarp = 32;
constexpr uint32_t kAllLanes = 0xffffffffu;

// N elements that are loaded and stored in one access: their address is a multiple of their size.
template <class T, int N>
struct alignas(sizeof(T) * N) Vec {
  T at[N];
#ifndef __CUDACC__
  // The host compiler may split a copy into its elements, and would check no more than those.
  Vec() = default;
  Vec(const Vec &other) { simt::copy_vector(at, other.at, sizeof at); }
  Vec &operator=(const Vec &other) {
    simt::copy_vector(at, other.at, sizeof at);
    return *this;
  }
#endif
};

// Eight bf16 in pairs, the unit in which tiles lie in shared memory.
using Chunk = Vec<uint32_t, 4>;

__host__ __device__ constexpr int64_t ceil_div(int64_t n, int64_t size) {
  return (n + size - 1) / size;
}

}  // namespace ll4::cuda
