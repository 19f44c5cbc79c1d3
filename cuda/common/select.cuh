// Radix selection over a block: the key at which weights, summed from the largest key down, reach a
// target. Eleven bits of the key a round, with a sum for each of their values. The weights are
// integers, so atomics may add them in any order.
#pragma once

#include "reduce.cuh"

namespace ll4::cuda {

// Keys order as floats do, with both zeros equal and every NaN below -Inf.
__device__ __forceinline__ uint32_t sort_key(float x) {
  if (x != x) return 0;
  const uint32_t bits = as_bits(x + 0.0f);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

// The number of a key, for keys of numbers.
__device__ __forceinline__ float key_float(uint32_t key) {
  return as_float(key >> 31 ? key & 0x7fffffffu : ~key);
}

constexpr int kBucketBits = 11;
constexpr int kBuckets = 1 << kBucketBits;

template <class Weight, int threads>
struct SelectShared {
  Weight sum[kBuckets];
  Weight room[threads / kWarp];
  Weight above;
  uint32_t bucket;
};

// Shared memory adds 32 bits in one instruction, but 64 in a loop that waits for its turn: so a sum
// of 64 bits takes one addition of its lower half, and mostly none of its upper one.
__device__ __forceinline__ void add_to(uint32_t *sum, uint32_t x) { atomic_add(sum, x); }
__device__ __forceinline__ void add_to(uint64_t *sum, uint64_t x) {
  uint32_t *halves = reinterpret_cast<uint32_t *>(sum);  // the lower one first
  const uint32_t low = static_cast<uint32_t>(x), before = atomic_add(halves, low);
  const uint32_t high = static_cast<uint32_t>(x >> 32) + (before + low < before);
  if (high != 0) atomic_add(halves + 1, high);
}

template <class Weight>
struct Cut {
  uint32_t key;
  Weight above;   // the weight of larger keys, below the target
  Weight target;  // which those of `key` reach
};

// The weight of the buckets that the threads before this one own; threads own them from the last
// bucket down. `total` becomes that of all. A barrier is inside.
template <class Weight, int threads>
__device__ __forceinline__ Weight weight_above(SelectShared<Weight, threads> &s, Weight own,
                                               Weight &total) {
  Weight warp, above = warp_prefix(own, warp);
  if (lane_id() == 0) s.room[warp_id()] = warp;
  sync_threads();
  total = 0;
#pragma unroll
  for (int w = 0; w < threads / kWarp; w++) {
    above += w < warp_id() ? s.room[w] : 0;
    total += s.room[w];
  }
  return above;
}

// each(add) calls add(key, weight) for this thread's elements, the same in every round. The target
// is target_of(the sum of all weights), above 0 and not above that sum. All threads of the block
// call this and get the result.
template <class Weight, int threads, class Target, class Each>
__device__ __forceinline__ Cut<Weight> select(SelectShared<Weight, threads> &s, Target target_of,
                                              Each each) {
  constexpr int kOwn = kBuckets / threads;
  const int last = kBuckets - 1 - thread_id() * kOwn;  // of this thread's buckets
  uint32_t fixed = 0;                                  // the bits of the cut that are found
  Cut<Weight> cut{};
  // The third round finds the lowest ten bits, and the lowest of the second once more.
#pragma unroll 1
  for (int round = 0; round < 3; round++) {
    const int shift = round < 2 ? 32 - kBucketBits * (round + 1) : 0;
    for (int b = thread_id(); b < kBuckets; b += threads) s.sum[b] = 0;
    sync_threads();
    each([&](uint32_t key, Weight weight) {
      if ((key & fixed) == cut.key) add_to(&s.sum[key >> shift & (kBuckets - 1)], weight);
    });
    sync_threads();
    Weight own = 0, total;
#pragma unroll
    for (int i = 0; i < kOwn; i++) own += s.sum[last - i];
    Weight above = cut.above + weight_above(s, own, total);
    if (round == 0) cut.target = target_of(total);
    if (above < cut.target && above + own >= cut.target) {
      int b = last;
      while (above + s.sum[b] < cut.target) above += s.sum[b--];
      s.bucket = static_cast<uint32_t>(b);
      s.above = above;
    }
    sync_threads();
    cut.key |= s.bucket << shift;
    cut.above = s.above;
    fixed |= static_cast<uint32_t>(kBuckets - 1) << shift;
  }
  sync_threads();
  return cut;
}

}  // namespace ll4::cuda
