// attention_combine: what the splits of a query's keys gave, merged in order. A warp a row of [T,
// Hq], four columns a lane; splits that saw nothing have no weight and are not read.
#pragma once

#include "attention.cuh"

namespace ll4::cuda {

constexpr int kCombineWarps = 4;

template <bool kVectors>
__device__ __forceinline__ void store_columns(const AttentionParams &p, int64_t row, int column,
                                              const Vec<float, 4> &x) {
  bf16 *to = p.out + row * p.head_dim + column;
  if constexpr (kVectors) {
    *reinterpret_cast<Vec<uint32_t, 2> *>(to) =
        together(pack_bf16(x.at[0], x.at[1]), pack_bf16(x.at[2], x.at[3]));
  } else {
#pragma unroll
    for (int j = 0; j < 4; j++)
      if (column + j < p.head_dim) store(to + j, x.at[j]);
  }
}

template <bool kVectors>
__global__ void __launch_bounds__(kCombineWarps *kWarp)
    attention_combine_kernel(const __grid_constant__ AttentionParams p, int padded_dim) {
  const int64_t row = int64_t{block_id().x} * kCombineWarps + warp_id();
  if (row >= int64_t{p.batch.tokens} * p.heads) return;
  // Where the sequence is not what it must be, no split has written anything.
  const int32_t token = static_cast<int32_t>(row / p.heads);
  const int32_t sequence = find_sequence(p.batch, token);
  Span span;
  if (!find_span(p.batch, p.pages, sequence, p.fault, &span) || token < span.start ||
      token - span.start >= span.tokens)
    return;

  const Vec<float, 2> *softmax = p.partial_softmax + row * p.splits;
  float largest = minus_infinity();
  for (int32_t i = lane_id(); i < p.splits; i += kWarp) largest = fmaxf(largest, softmax[i].at[0]);
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2)
    largest = fmaxf(largest, shuffle_xor(largest, step));

  const int column = lane_id() * 4;
  if (column >= p.head_dim) return;
  const float *from = p.partial + row * p.splits * padded_dim + column;
  float weights = 0.0f;
  Vec<float, 4> sums{};
#pragma unroll 4
  for (int32_t i = 0; i < p.splits; i++) {
    const Vec<float, 2> part = softmax[i];
    if (part.at[1] == 0.0f) continue;
    const float shrink = exp2_fast(part.at[0] - reference(largest));
    const auto x = *reinterpret_cast<const Vec<float, 4> *>(from + int64_t{i} * padded_dim);
    weights = fmaf(part.at[1], shrink, weights);
#pragma unroll
    for (int j = 0; j < 4; j++) sums.at[j] = fmaf(x.at[j], shrink, sums.at[j]);
  }
  const float inverse = 1.0f / weights;
#pragma unroll
  for (int j = 0; j < 4; j++) sums.at[j] *= inverse;
  store_columns<kVectors>(p, row, column, sums);
}

}  // namespace ll4::cuda
