// What grouped_matmul's scatter needs beside the product: how many rows each row of out gets, and
// the sums of those that get none or several.
#pragma once

#include "grouped_matmul.cuh"

namespace ll4::cuda {

constexpr int kScatterThreads = 256;
constexpr int kScatterCounts = 1024;   // rows of out that a block counts
constexpr int kScatterColumns = 1024;  // columns that a block sums

struct ScatterCounts {
  uint32_t count[kScatterCounts];
};

// counts[t] = how many scatter[r] are t. A block counts for its own t, over all rows.
__global__ void __launch_bounds__(kScatterThreads)
    scatter_count_kernel(const int32_t *scatter, int64_t rows, int64_t out_rows, uint32_t *counts) {
  auto &s = shared_memory<ScatterCounts>();
  for (int i = thread_id(); i < kScatterCounts; i += kScatterThreads) s.count[i] = 0;
  sync_threads();
  const int64_t first = static_cast<int64_t>(block_id().x) * kScatterCounts;
  for (int64_t r = thread_id(); r < rows; r += kScatterThreads) {
    const int64_t t = scatter[r] - first;
    if (t >= 0 && t < kScatterCounts) atomic_add(&s.count[t], 1u);
  }
  sync_threads();
  for (int i = thread_id(); i < kScatterCounts && first + i < out_rows; i += kScatterThreads)
    counts[first + i] = s.count[i];
}

struct ScatterMatches {
  uint32_t rows[kScatterThreads / kWarp];  // a bit a row that is scattered to t
};

// out[t] = the sum of the rows r of partial with scatter[r] == t, in ascending r, for t the block's
// x and kScatterColumns columns its y. The first of the rows becomes the sum.
__global__ void __launch_bounds__(kScatterThreads)
    scatter_sum_kernel(const __grid_constant__ GroupedParams p) {
  auto &s = shared_memory<ScatterMatches>();
  const int64_t t = block_id().x;
  if (p.counts && p.counts[t] == 1) return;
  // The product left without a result.
  if (!offsets_ascend(p.offsets, p.experts, p.rows, p.fault)) return;
  const int64_t first = static_cast<int64_t>(block_id().y) * kScatterColumns;
  const int64_t end = first + kScatterColumns < p.columns ? first + kScatterColumns : p.columns;
  float *sum = nullptr;
  int64_t left = p.counts ? p.counts[t] : p.rows;
  for (int64_t base = 0; base < p.rows && left > 0; base += kScatterThreads) {
    const int64_t r = base + thread_id();
    const uint32_t matches = ballot(r < p.rows && p.scatter[r] == t);
    if (lane_id() == 0) s.rows[warp_id()] = matches;
    sync_threads();
    for (int w = 0; w < kScatterThreads / kWarp; w++) {
      int64_t row = base + w * kWarp;
      for (uint32_t bits = s.rows[w]; bits; bits >>= 1, row++) {
        if (!(bits & 1)) continue;
        left--;
        float *values = p.partial + row * p.columns;
        if (sum)
          for (int64_t c = first + thread_id(); c < end; c += kScatterThreads) sum[c] += values[c];
        else
          sum = values;
      }
    }
    sync_threads();
  }
  for (int64_t c = first + thread_id(); c < end; c += kScatterThreads)
    store_out(p, t, c, sum ? sum[c] : 0.0f);
}

}  // namespace ll4::cuda
