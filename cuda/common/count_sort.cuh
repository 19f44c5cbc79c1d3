// A stable counting sort whose result does not depend on scheduling: each warp counts the digits of
// its own run of items, the runs' counts are added up in order, and each warp then places its items
// one after another, 32 at a time. No atomics: lanes with equal digits find each other by ballots.
#pragma once

#include "reduce.cuh"

namespace ll4::cuda {

// Items [begin, end), of at most 2^31: indices of rows are 32 bits.
struct Run {
  uint32_t begin, end;
};
// The part of `whole` that is warp w's when `warps` share it: whole groups of lanes but for the
// end.
__device__ __forceinline__ Run run_of(Run whole, int warps, int w) {
  const uint32_t groups = (whole.end - whole.begin + kWarp - 1) / kWarp;
  const uint32_t share = (groups + warps - 1) / warps * kWarp;
  const uint32_t begin = whole.begin + share * w, end = begin + share;
  return Run{begin < whole.end ? begin : whole.end, end < whole.end ? end : whole.end};
}

// The lanes whose digit of `bits` bits is this lane's, among the valid ones.
__device__ __forceinline__ uint32_t equal_lanes(uint32_t digit, int bits, bool valid) {
  uint32_t equal = ballot(valid);
  for (int b = 0; b < bits; b++) {
    const bool set = digit >> b & 1u;
    const uint32_t lanes = ballot(set);
    equal &= set ? lanes : ~lanes;
  }
  return equal;
}

__device__ __forceinline__ uint32_t lanes_below() { return (1u << lane_id()) - 1u; }

// counts[d] += the items of the run with digit(i) == d. `counts` is the warp's own, in shared
// memory, and zero at first.
template <class Digit>
__device__ __forceinline__ void count_digits(uint32_t *counts, Run run, int bits, Digit digit) {
  for (uint32_t group = run.begin; group < run.end; group += kWarp) {
    const uint32_t i = group + lane_id();
    const bool valid = i < run.end;
    const uint32_t d = valid ? digit(i) : 0;
    const uint32_t equal = equal_lanes(d, bits, valid);
    if (valid && (equal & lanes_below()) == 0) counts[d] += static_cast<uint32_t>(popcount(equal));
    sync_warp();
  }
}

// Calls place(i, position) for the items of the run. next[d] is the position of the run's first
// item with digit d, and then of the one after its last.
template <class Digit, class Place>
__device__ __forceinline__ void place_digits(uint32_t *next, Run run, int bits, Digit digit,
                                             Place place) {
  for (uint32_t group = run.begin; group < run.end; group += kWarp) {
    const uint32_t i = group + lane_id();
    const bool valid = i < run.end;
    const uint32_t d = valid ? digit(i) : 0;
    const uint32_t equal = equal_lanes(d, bits, valid);
    const uint32_t before = equal & lanes_below();
    const uint32_t first = valid ? next[d] : 0;
    sync_warp();
    if (valid && before == 0) next[d] = first + static_cast<uint32_t>(popcount(equal));
    sync_warp();
    if (valid) place(i, first + static_cast<uint32_t>(popcount(before)));
  }
}

// Makes positions of counts[warp][digit], a row of `digits` a warp: begin[d] (shared memory) plus
// the counts of the warps before. All threads of the block call it, between barriers of their own.
__device__ __forceinline__ void start_runs(uint32_t *counts, const uint32_t *begin, int digits,
                                           int warps) {
  for (int d = thread_id(); d < digits; d += block_threads()) {
    uint32_t position = begin[d];
    for (int w = 0; w < warps; w++) {
      const uint32_t n = counts[w * digits + d];
      counts[w * digits + d] = position;
      position += n;
    }
  }
}

// total[d] = the counts of all warps.
__device__ __forceinline__ void add_runs(const uint32_t *counts, uint32_t *total, int digits,
                                         int warps) {
  for (int d = thread_id(); d < digits; d += block_threads()) {
    uint32_t n = 0;
    for (int w = 0; w < warps; w++) n += counts[w * digits + d];
    total[d] = n;
  }
}

// Turns n counts in shared memory into the sums of those before each. The first warp calls it;
// returns the sum of all.
__device__ __forceinline__ uint32_t prefix_sums(uint32_t *counts, int n) {
  uint32_t before = 0;
  for (int group = 0; group < n; group += kWarp) {
    const int i = group + lane_id();
    uint32_t total;
    const uint32_t sum = warp_prefix(i < n ? counts[i] : 0u, total);
    if (i < n) counts[i] = before + sum;
    before += total;
  }
  return before;
}

}  // namespace ll4::cuda
