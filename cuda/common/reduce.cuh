// Sums and maxima over a warp and over a block, in an order that does not depend on scheduling.
#pragma once

#include "ptx.cuh"

namespace ll4::cuda {

struct Sum {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a + b;
  }
};
// The larger one; NaN if either is.
struct Max {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a > b || a != a ? a : b;
  }
};

// Over groups of `width` neighbouring lanes; every lane gets the result.
template <int width = kWarp, class T, class Op>
__device__ __forceinline__ T warp_reduce(T x, Op op) {
#pragma unroll
  for (int step = width / 2; step > 0; step /= 2) x = op(x, shuffle(x, lane_id() ^ step));
  return x;
}

// The sum over the lanes below; `total` becomes that over all lanes.
template <class T>
__device__ __forceinline__ T warp_prefix(T x, T &total) {
  const int lane = lane_id();
  T sum = x;
#pragma unroll
  for (int step = 1; step < kWarp; step *= 2) {
    const T below = shuffle(sum, lane >= step ? lane - step : lane);
    if (lane >= step) sum += below;
  }
  total = shuffle(sum, kWarp - 1);
  return sum - x;
}

// Over a block of `threads` threads, all of which call it and get the result. `room` is shared
// memory for a T a warp, free again after the next sync_threads.
template <int threads, class T, class Op>
__device__ __forceinline__ T block_reduce(T x, Op op, T *room) {
  constexpr int warps = threads / kWarp;
  x = warp_reduce(x, op);
  if (lane_id() == 0) room[warp_id()] = x;
  sync_threads();
  T total = room[0];
#pragma unroll
  for (int w = 1; w < warps; w++) total = op(total, room[w]);
  return total;
}

}  // namespace ll4::cuda
