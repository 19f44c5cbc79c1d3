// Rows of x as f8, before a product with weights of f8 that asks for it: a block quantizes a row of
// the product, gathered and multiplied by its score, with a scale for the row or for each group of
// its values, or by one that is given.
#pragma once

#include "common/fault.cuh"
#include "common/reduce.cuh"
#include "common/rows.cuh"
#include "quantized.cuh"

namespace ll4::cuda {

constexpr int kQuantizeRowsThreads = 256;

struct QuantizeRowsParams {
  const bf16 *x;          // [x_rows, depth]
  const int32_t *chosen;  // rows of x; null: all, in order
  const float *scores;    // a factor a row; may be null
  F8Rows out;
  int64_t x_rows, depth;
  int64_t group;    // values that share a scale; depth: the row
  float limit;      // of the largest value; 0: none
  bool fixed;       // the limit is the scale
  bool vectors;     // groups of x begin at multiples of 16 bytes, those of q at such of 8
  FaultCode wrong;  // of a row that x does not have
  Fault *fault;
};

struct QuantizeRowsShared {
  float room[kQuantizeRowsThreads / kWarp];
};

// Values [from, to) of a row, which `threads` threads share.
struct RowSpan {
  int64_t from, to;
  int thread, threads;
};

// Calls body(k, values) for eight values at k, zeros past the span.
template <class Body>
__device__ __forceinline__ void each_eight(const QuantizeRowsParams &p, const bf16 *x, float score,
                                           const RowSpan &span, Body body) {
  for (int64_t k = span.from + 8 * span.thread; k < span.to; k += int64_t{8} * span.threads) {
    float values[8] = {};
    if (x) load8(x, k, span.to, p.vectors, values);
#pragma unroll
    for (int i = 0; i < 8; i++) values[i] = mul_rn(score, values[i]);
    body(k, values);
  }
}

__device__ __forceinline__ float largest_of(const QuantizeRowsParams &p, const bf16 *x, float score,
                                            const RowSpan &span) {
  float largest = 0;
  each_eight(p, x, score, span, [&](int64_t, const float(&values)[8]) {
#pragma unroll
    for (int i = 0; i < 8; i++) largest = Max()(fabsf(values[i]), largest);
  });
  return largest;
}

__device__ __forceinline__ float scale_of(const QuantizeRowsParams &p, float largest) {
  if (p.fixed) return p.limit;
  if (p.limit > 0.0f && largest > p.limit) largest = p.limit;
  return div_rn(largest, 448.0f);
}

// A scale of 0 is of values that are all 0.
__device__ __forceinline__ void store_span(const QuantizeRowsParams &p, const bf16 *x, float score,
                                           const RowSpan &span, float scale, uint8_t *q) {
  each_eight(p, x, score, span, [&](int64_t k, const float(&values)[8]) {
    Vec<uint32_t, 2> bytes;
#pragma unroll
    for (int h = 0; h < 2; h++) {
      bytes.at[h] = 0;
#pragma unroll
      for (int i = 0; i < 4; i++)
        if (scale != 0.0f) bytes.at[h] |= round_f8(div_rn(values[4 * h + i], scale)) << 8 * i;
    }
    if (p.vectors) {
      *reinterpret_cast<Vec<uint32_t, 2> *>(q + k) = bytes;
    } else {
#pragma unroll
      for (int i = 0; i < 8; i++)
        if (k + i < span.to) q[k + i] = static_cast<uint8_t>(bytes.at[i / 4] >> 8 * (i % 4));
    }
  });
}

__global__ void __launch_bounds__(kQuantizeRowsThreads)
    quantize_rows_kernel(const __grid_constant__ QuantizeRowsParams p) {
  auto &shared = shared_memory<QuantizeRowsShared>();
  const int64_t row = block_id().x, source = p.chosen ? p.chosen[row] : row;
  const bool present = source >= 0 && source < p.x_rows;
  if (!present) report(p.fault, p.wrong, row, source);
  const bf16 *x = present ? p.x + source * p.depth : nullptr;
  const float score = p.scores ? p.scores[row] : 1.0f;
  uint8_t *q = p.out.q + row * p.depth;
  if (p.out.groups == 1) {
    const RowSpan span{0, p.depth, thread_id(), kQuantizeRowsThreads};
    float largest = 0;
    if (!p.fixed)
      largest =
          block_reduce<kQuantizeRowsThreads>(largest_of(p, x, score, span), Max(), shared.room);
    const float scale = scale_of(p, largest);
    store_span(p, x, score, span, scale, q);
    if (thread_id() == 0) p.out.scale[row] = scale;
    return;
  }
  for (int64_t g = warp_id(); g < p.out.groups; g += kQuantizeRowsThreads / kWarp) {
    const int64_t from = g * p.group, to = from + p.group < p.depth ? from + p.group : p.depth;
    const RowSpan span{from, to, lane_id(), kWarp};
    const float scale = scale_of(p, warp_reduce(largest_of(p, x, score, span), Max()));
    store_span(p, x, score, span, scale, q);
    if (lane_id() == 0) p.out.scale[row * p.out.groups + g] = scale;
  }
}

}  // namespace ll4::cuda
