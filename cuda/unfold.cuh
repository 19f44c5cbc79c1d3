// unfold: patches of tiles as rows. A block a row of out; a thread gathers eight neighbouring
// elements of it one by one, as rows of a patch are short and begin anywhere, and stores them in
// one access where rows of out allow it. Elements of bf16 are moved as they are.
#pragma once

#include "common/divisor.cuh"
#include "common/ptx.cuh"

namespace ll4::cuda {

template <class X>
struct UnfoldParams {
  const X *x;              // [I, channels, side, side]
  bf16 *out;               // [I, rows, columns]
  int32_t columns, width;  // of a row: all, and those that are not padding
  int32_t side, patches;   // of a tile
  Divisor rows, across, patch, patch_area;
  int64_t tile;  // elements of x
  bool vectors;  // rows of out are multiples of 16 bytes
};

constexpr int kUnfoldThreads = 128;

__device__ __forceinline__ bf16 to_bf16(bf16 x) { return x; }
__device__ __forceinline__ bf16 to_bf16(float x) {
  bf16 rounded;
  store(&rounded, x);
  return rounded;
}

template <class X>
__global__ void __launch_bounds__(kUnfoldThreads)
    unfold_kernel(const __grid_constant__ UnfoldParams<X> p) {
  const auto block = static_cast<int32_t>(block_id().x);
  const int32_t tile = p.rows.divide(block), row = block - tile * p.rows.divisor();
  const int32_t y = p.across.divide(row), x = row - y * p.across.divisor();
  const int32_t patch = p.patch.divisor(), patch_area = p.patch_area.divisor();
  const int64_t area = int64_t{p.side} * p.side;
  const X *from = p.x + tile * p.tile + (int64_t{y} * p.side + x) * patch;
  bf16 *to = p.out + int64_t{block} * p.columns;
  const int32_t width = row < p.patches ? p.width : 0;
  for (int32_t first = thread_id() * 8; first < p.columns; first += kUnfoldThreads * 8) {
    Vec<bf16, 8> eight;
#pragma unroll
    for (int i = 0; i < 8; i++) {
      const int32_t channel = p.patch_area.divide(first + i);
      const int32_t in_patch = first + i - channel * patch_area;
      const int32_t r = p.patch.divide(in_patch), c = in_patch - r * patch;
      const bool there = first + i < width;
      eight.at[i] = there ? to_bf16(from[channel * area + int64_t{r} * p.side + c]) : bf16{0};
    }
    if (p.vectors) {
      *reinterpret_cast<Vec<bf16, 8> *>(to + first) = eight;
    } else {
#pragma unroll
      for (int i = 0; i < 8; i++)
        if (first + i < p.columns) to[first + i] = eight.at[i];
    }
  }
}

}  // namespace ll4::cuda
