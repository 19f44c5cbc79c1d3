// pixel_shuffle: squares of patches as rows. The patches of a square that are side by side are so
// in memory, too, and a block copies one such piece.
#pragma once

#include "common/divisor.cuh"
#include "common/ptx.cuh"

namespace ll4::cuda {

// In units of T: eight elements where patches are multiples of 16 bytes, else one.
template <class T>
struct PixelShuffleParams {
  const T *x;     // [I, rows, C]
  T *out;         // [I, across, across, factor, piece]
  int64_t tile;   // rows * C
  int64_t piece;  // factor * C
  Divisor across, factor;
};

constexpr int kPixelShuffleThreads = 128;

template <class T>
__global__ void __launch_bounds__(kPixelShuffleThreads)
    pixel_shuffle_kernel(const __grid_constant__ PixelShuffleParams<T> p) {
  const auto block = static_cast<int32_t>(block_id().x);
  const int32_t across = p.across.divisor(), factor = p.factor.divisor();
  const int32_t square = p.factor.divide(block), line = p.across.divide(square);
  const int32_t tile = p.across.divide(line);
  const int32_t x = square - line * across, y = line - tile * across, dy = block - square * factor;
  const T *from = p.x + tile * p.tile + ((int64_t{y} * factor + dy) * across + x) * p.piece;
  T *to = p.out + block * p.piece;
  for (int64_t i = thread_id(); i < p.piece; i += kPixelShuffleThreads) to[i] = from[i];
}

}  // namespace ll4::cuda
